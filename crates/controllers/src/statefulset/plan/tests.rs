use serde_json::{Value, json};

use super::*;

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}})
}

/// A pod by number: `+` serves, `-` runs and is not ready, `p` is pending, `f` has failed, `x` is being deleted;
/// capital letters and `*` for those of the new version.
fn pod(number: usize, state: char) -> Pod {
    let new = state.is_ascii_uppercase() || state == '*' || state == '_';
    let (phase, ready) = match state.to_ascii_lowercase() {
        '+' | '*' | 'x' => ("Running", "True"),
        '-' | '_' => ("Running", "False"),
        'p' => ("Pending", "False"),
        _ => ("Failed", "False"),
    };
    let name = format!("web-{number}");
    let deleted = state.eq_ignore_ascii_case(&'x').then(now);
    serde_json::from_value(json!({
        "metadata": {"name": name, "uid": name, "deletionTimestamp": deleted, "labels": {"app": "web",
            "statefulset.kubernetes.io/pod-name": name, identity::REVISION: if new { "new" } else { "old" }}},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": now()}]},
    }))
    .unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_second(10_000).unwrap()
}

fn view(spec: &Value, pods: &str) -> View {
    let mut set = json!({"metadata": {"name": "web", "namespace": "a", "uid": "s", "generation": 2},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template("new")}});
    for (key, value) in spec.as_object().unwrap() {
        set["spec"][key] = value.clone();
    }
    let set: StatefulSet = serde_json::from_value(set).unwrap();
    let start = usize::try_from(start(&set)).unwrap();
    let pods = pods.chars().enumerate().filter(|(_, s)| *s != '.');
    let pods = pods.map(|(i, s)| pod(start + i, s)).collect();
    let revision = |name: &str, number| {
        Revision::fake(
            name,
            number,
            &serde_json::from_value(template(name)).unwrap(),
        )
    };
    let versions = Versions {
        current: revision("old", 1),
        update: revision("new", 2),
        collisions: 0,
    };
    View::new(set, pods, BTreeMap::new(), versions, now()).unwrap()
}

/// What is done, in words.
fn words(view: &View) -> String {
    let steps = view.plan();
    let word = |action: &Action| match action {
        Action::Create(p) => format!(
            "make {} {}",
            p.spec.as_ref().unwrap().containers[0]
                .image
                .as_ref()
                .unwrap(),
            identity::ordinal(p).unwrap()
        ),
        Action::Delete(p) => format!("delete {}", identity::ordinal(p).unwrap()),
        Action::Outdate(p) => format!("update {}", identity::ordinal(p).unwrap()),
        Action::Fill(p) => format!("fill {}", identity::ordinal(p).unwrap()),
        Action::Mend(p) => format!("mend {}", identity::ordinal(p).unwrap()),
        Action::Retain(p) => format!("retain {}", identity::ordinal(p).unwrap()),
    };
    let words: Vec<String> = steps.iter().flatten().map(word).collect();
    words.join(", ")
}

#[test]
fn an_ordered_set_takes_one_step_at_a_time() {
    for (replicas, pods, expected) in [
        (3, "", "make new 0"),
        (3, "P", ""),
        (3, "_", ""),
        (3, "*", "make new 1"),
        (3, "*.*", "make new 1"),
        (3, "*_*", ""),
        (3, "*F*", "delete 1"),
        (3, "***", ""),
        (1, "***", "delete 2"),
        (1, "**X", ""),
        // Only the first that is broken may go before the others are well.
        (1, "**_", "delete 2"),
        (1, "*__", ""),
        (1, "_**", ""),
        (2, "+.", "make new 1"),
        // Scaling comes before updating.
        (1, "++", "delete 1"),
        (2, "++", "update 1"),
        (2, "+X", ""),
        (2, "+_", ""),
        (2, "+*", "update 0"),
        (2, "**", ""),
    ] {
        let view = view(&json!({"replicas": replicas}), pods);
        assert_eq!(words(&view), expected, "{replicas} {pods}");
    }
}

#[test]
fn a_parallel_set_does_all_at_once() {
    let parallel = |replicas| json!({"replicas": replicas, "podManagementPolicy": "Parallel"});
    for (replicas, pods, expected) in [
        (3, "", "make new 0, make new 1, make new 2"),
        (3, "_F", "delete 1, make new 2"),
        (1, "*_X*", "delete 3, delete 1"),
        // What serves nobody is updated at once, the rest within the limit.
        (4, "+-+-", "update 3, update 1"),
        (4, "++++", "update 3"),
    ] {
        let view = view(&parallel(replicas), pods);
        assert_eq!(words(&view), expected, "{replicas} {pods}");
    }
}

#[test]
fn an_update_keeps_within_its_limits() {
    let rolling = |partition: i32, max: Value| {
        json!({"replicas": 5, "updateStrategy": {"type": "RollingUpdate",
            "rollingUpdate": {"partition": partition, "maxUnavailable": max}}})
    };
    for (spec, pods, expected) in [
        (rolling(0, json!(2)), "+++++", "update 4, update 3"),
        (rolling(0, json!("50%")), "+++++", "update 4, update 3"),
        (rolling(0, json!("1%")), "+++++", "update 4"),
        (rolling(4, json!(2)), "+++++", "update 4"),
        (rolling(4, json!(2)), "++++*", ""),
        // Below the partition pods come back as they were.
        (rolling(4, json!(1)), "+.++*", "make old 1"),
        (rolling(4, json!(1)), "++++.", "make new 4"),
        (
            json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}}),
            "+++",
            "",
        ),
        (
            json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}}),
            "+.+",
            "make new 1",
        ),
    ] {
        assert_eq!(words(&view(&spec, pods)), expected, "{spec} {pods}");
    }
}

#[test]
fn numbers_begin_where_the_set_says() {
    let spec = json!({"replicas": 2, "ordinals": {"start": 5}});
    assert_eq!(words(&view(&spec, "")), "make new 5");
    assert_eq!(words(&view(&spec, "*")), "make new 6");
    let mut moved = view(&spec, "**");
    moved.condemned.push(pod(0, '*'));
    assert_eq!(words(&moved), "delete 0");
}

#[test]
fn a_set_that_goes_does_nothing() {
    let mut view = view(&json!({"replicas": 3}), "+");
    view.set.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    assert_eq!(words(&view), "");
}

#[test]
fn a_pod_must_be_ready_for_as_long_as_the_set_says() {
    let spec = json!({"replicas": 2, "minReadySeconds": 30});
    let view = view(&spec, "*");
    assert_eq!(words(&view), "");
    assert_eq!(view.next(), Next::After(std::time::Duration::from_secs(30)));
    let status = view.status(0);
    assert_eq!(
        (status.ready_replicas, status.available_replicas),
        (Some(1), Some(0))
    );
}

#[test]
fn the_status_tells_both_versions_until_the_new_one_is_everywhere() {
    let view_of = |pods| view(&json!({"replicas": 3}), pods);
    let status = view_of("++*").status(1);
    assert_eq!(status.current_revision.as_deref(), Some("old"));
    assert_eq!(status.update_revision.as_deref(), Some("new"));
    assert_eq!(
        (
            status.replicas,
            status.current_replicas,
            status.updated_replicas
        ),
        (3, Some(1), Some(1))
    );
    let status = view_of("***").status(0);
    assert_eq!(status.current_revision.as_deref(), Some("new"));
    assert_eq!(
        (status.current_replicas, status.updated_replicas),
        (Some(3), Some(3))
    );
    let status = view_of("").status(0);
    assert_eq!(
        serde_json::to_value(status).unwrap(),
        json!({"availableReplicas": 0, "collisionCount": 0, "currentRevision": "old", "observedGeneration": 2,
            "replicas": 0, "updateRevision": "new"})
    );
}

#[test]
fn a_claim_that_goes_with_an_earlier_pod_holds_the_new_one_back() {
    let spec = json!({"replicas": 1, "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}],
        "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Retain"}});
    let mut view = view(&spec, "");
    assert_eq!(words(&view), "make new 0");
    let claim = json!({"metadata": {"name": "data-web-0", "ownerReferences": [
        {"apiVersion": "v1", "kind": "Pod", "name": "web-0", "uid": "earlier", "controller": true}]}});
    let claim = serde_json::from_value(claim).unwrap();
    view.claims.insert("data-web-0".to_owned(), claim);
    assert_eq!(words(&view), "");
}

#[test]
fn a_waiting_pod_gets_the_claims_that_it_lacks() {
    let spec = json!({"replicas": 2, "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]});
    let view = view(&spec, "P");
    assert_eq!(words(&view), "fill 0");
}
