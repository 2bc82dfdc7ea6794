use std::time::Duration;

use cedge_informer::Next;
use serde_json::{Value, json};

use super::*;
use crate::conditions;

/// Old versions first: (size, available). The last one is the current version if `current`.
fn view(replicas: i32, strategy: &Value, sets: &[(i32, i32)], current: bool) -> View {
    let deployment = json!({
        "metadata": {"name": "web", "namespace": "a", "uid": "d", "generation": 1},
        "spec": {"replicas": replicas, "strategy": strategy, "selector": {"matchLabels": {"app": "web"}},
            "progressDeadlineSeconds": 600, "template": {"metadata": {"labels": {"app": "web", "v": "now"}}}},
    });
    let last = sets.len().wrapping_sub(1);
    let sets = sets.iter().enumerate().map(|(i, (size, available))| {
        let version = if current && i == last { "now".to_owned() } else { i.to_string() };
        let json = json!({
            "metadata": {"name": format!("web-{i}"), "namespace": "a", "uid": i.to_string(),
                "creationTimestamp": Timestamp::from_second(i64::try_from(i).unwrap()).unwrap(),
                "annotations": {REVISION: (i + 1).to_string(),
                    annotations::DESIRED: replicas.to_string()}},
            "spec": {"replicas": size, "selector": {}, "template": {"metadata": {"labels": {"app": "web", "v": version}}}},
            "status": {"replicas": size, "readyReplicas": available, "availableReplicas": available},
        });
        (object(&json), serde_json::from_value(json).unwrap())
    });
    let deployment = serde_json::from_value(deployment).unwrap();
    View::new(deployment, sets.collect(), now())
}

fn object(json: &Value) -> Arc<Object> {
    let resource = kube::api::ApiResource::erase::<ReplicaSet>(&());
    Arc::new(Object::from_json(&resource, json.to_string().as_bytes()).unwrap())
}

fn now() -> Timestamp {
    Timestamp::from_second(10_000).unwrap()
}

fn rolling(surge: &Value, unavailable: &Value) -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
}

#[test]
fn a_rolling_update_moves_within_its_fences() {
    let none = json!(0);
    for (replicas, surge, unavailable, sets, current, expected) in [
        // First rollout: everything at once.
        (
            3,
            json!("25%"),
            json!("25%"),
            vec![],
            false,
            Step::Create { replicas: 3 },
        ),
        // A new version: only the surge.
        (
            4,
            json!("25%"),
            json!("25%"),
            vec![(4, 4)],
            false,
            Step::Create { replicas: 1 },
        ),
        (
            4,
            json!(1),
            none.clone(),
            vec![(4, 4), (1, 0)],
            true,
            Step::Nothing,
        ),
        (
            4,
            json!(1),
            none.clone(),
            vec![(4, 4), (1, 1)],
            true,
            Step::Scale(vec![(0, 3)]),
        ),
        (
            4,
            json!(1),
            none.clone(),
            vec![(3, 3), (1, 1)],
            true,
            Step::Scale(vec![(1, 2)]),
        ),
        // Old pods that do not work go first, even if nothing else may.
        (
            4,
            none.clone(),
            json!(1),
            vec![(4, 2), (0, 0)],
            true,
            Step::Scale(vec![(0, 3)]),
        ),
        // Both round to zero: one may be missing.
        (
            1,
            json!("0%"),
            json!("25%"),
            vec![(1, 1), (0, 0)],
            true,
            Step::Scale(vec![(0, 0)]),
        ),
        // Done.
        (
            3,
            json!(1),
            json!(1),
            vec![(0, 0), (3, 3)],
            true,
            Step::Nothing,
        ),
        // The oldest shrink first.
        (
            10,
            json!(0),
            json!("30%"),
            vec![(4, 4), (6, 6), (0, 0)],
            true,
            Step::Scale(vec![(0, 1)]),
        ),
    ] {
        let strategy = rolling(&surge, &unavailable);
        let mut view = view(replicas, &strategy, &sets, current);
        assert_eq!(view.plan(), expected, "{replicas} {strategy} {sets:?}");
    }
}

#[test]
fn recreate_stops_all_old_pods_before_it_starts_new_ones() {
    let recreate = json!({"type": "Recreate"});
    let mut v = view(2, &recreate, &[(2, 2)], false);
    assert_eq!(v.plan(), Step::Scale(vec![(0, 0)]));
    let mut v = view(2, &recreate, &[(0, 0)], false);
    v.old_pods_run = true;
    assert_eq!(v.plan(), Step::Nothing);
    v.old_pods_run = false;
    assert_eq!(v.plan(), Step::Create { replicas: 2 });
}

#[test]
fn a_paused_deployment_is_scaled_but_not_rolled_out() {
    let mut v = view(2, &rolling(&json!(1), &json!(0)), &[(2, 2)], false);
    v.deployment.spec.paused = Some(true);
    v.deployment.spec.replicas = Some(5);
    assert_eq!(v.plan(), Step::Scale(vec![(0, 5)]));
    let status = v.status();
    let progressing = conditions::find(status.conditions.as_ref(), "Progressing").unwrap();
    assert_eq!(progressing.reason.as_deref(), Some("DeploymentPaused"));
}

#[test]
fn scaling_during_a_rollout_keeps_the_proportion_of_versions() {
    let mut v = view(10, &rolling(&json!(0), &json!(2)), &[(6, 6), (4, 4)], true);
    for set in &mut v.sets {
        let annotations = set.set.metadata.annotations.as_mut().unwrap();
        annotations.insert(annotations::MAX.into(), "10".into());
    }
    v.deployment.spec.replicas = Some(20);
    assert_eq!(v.plan(), Step::Scale(vec![(0, 12), (1, 8)]));
    v.deployment.spec.replicas = Some(5);
    assert_eq!(v.plan(), Step::Scale(vec![(0, 3), (1, 2)]));
}

#[test]
fn a_template_that_returns_gets_the_next_revision_and_remembers_its_old_one() {
    let v = view(1, &rolling(&json!(1), &json!(0)), &[(1, 1), (0, 0)], true);
    assert_eq!(v.annotate_new_set().map(|(_, p)| p), None);
    assert_eq!(v.revision_of_deployment().as_deref(), Some("2"));
    let mut v = view(1, &rolling(&json!(1), &json!(0)), &[(1, 1), (1, 1)], true);
    v.new = Some(0);
    let (_, patch) = v.annotate_new_set().unwrap();
    let annotations = &patch["metadata"]["annotations"];
    assert_eq!(annotations[REVISION], "3");
    assert_eq!(
        annotations["deployment.kubernetes.io/revision-history"],
        "1"
    );
}

#[test]
fn progress_is_told_until_it_is_complete_or_late() {
    let strategy = rolling(&json!(1), &json!(0));
    let mut v = view(2, &strategy, &[(2, 2)], true);
    let status = v.status();
    let reason = |status: &k8s_openapi::api::apps::v1::DeploymentStatus| {
        let c = conditions::find(status.conditions.as_ref(), "Progressing").unwrap();
        (c.status.clone().unwrap(), c.reason.clone().unwrap())
    };
    assert_eq!(
        reason(&status),
        ("True".into(), "NewReplicaSetAvailable".into())
    );
    assert_eq!(v.next(&status), Next::OnChange);

    let mut v = view(2, &strategy, &[(2, 1)], true);
    let status = v.status();
    assert_eq!(reason(&status), ("True".into(), "ReplicaSetUpdated".into()));
    assert_eq!(v.next(&status), Next::After(Duration::from_secs(601)));

    v.deployment.status = Some(status.clone());
    v.conditions = status.conditions;
    v.now = Timestamp::from_second(10_600).unwrap();
    assert_eq!(
        reason(&v.status()),
        ("False".into(), "ProgressDeadlineExceeded".into())
    );
}

#[test]
fn history_is_cut_only_when_complete_and_idle() {
    let strategy = rolling(&json!(1), &json!(0));
    let mut v = view(1, &strategy, &[(0, 0), (0, 0), (1, 1)], true);
    v.deployment.spec.revision_history_limit = Some(1);
    assert!(v.surplus_history().is_empty());
    v.deployment.status = Some(v.status());
    let names: Vec<&str> = v
        .surplus_history()
        .iter()
        .map(|s| s.object.name())
        .collect();
    assert_eq!(names, ["web-0"]);
}
