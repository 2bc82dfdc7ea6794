use serde_json::json;

use super::*;

fn fairness() -> Fairness {
    let fairness = Fairness::default();
    for object in crate::statuses::flow_objects() {
        let kind = if object["kind"] == "FlowSchema" {
            "g/flowschemas"
        } else {
            "g/prioritylevelconfigurations"
        };
        fairness.changed(kind, &object, false);
    }
    fairness
}

fn asked(verb: &str, resource: &str) -> Attributes {
    Attributes {
        verb: verb.into(),
        resource: resource.into(),
        namespace: "default".into(),
        ..Attributes::default()
    }
}

fn placed(
    fairness: &Fairness,
    user: &str,
    groups: &[&str],
    asked: &Attributes,
) -> (String, String) {
    let identity = Identity::authenticated(user, groups.iter().copied());
    let place = fairness.place(&identity, asked).unwrap();
    (place.schema.clone(), place.level.name().to_owned())
}

#[test]
fn a_request_belongs_where_kubernetes_puts_it() {
    let fairness = fairness();
    let lease = Attributes {
        group: "coordination.k8s.io".into(),
        ..asked("update", "leases")
    };
    for (user, groups, asked, schema, level) in [
        (
            "admin",
            &["system:masters"][..],
            asked("list", "pods"),
            "exempt",
            "exempt",
        ),
        (
            "bob",
            &[],
            asked("list", "pods"),
            "global-default",
            "global-default",
        ),
        (
            "bob",
            &[],
            Attributes::path("get", "/healthz"),
            "probes",
            "exempt",
        ),
        (
            "system:kube-scheduler",
            &[],
            lease,
            "system-leader-election",
            "leader-election",
        ),
        (
            "system:node:a",
            &["system:nodes"],
            asked("get", "pods"),
            "system-nodes",
            "system",
        ),
        (
            "system:serviceaccount:a:b",
            &["system:serviceaccounts"],
            asked("get", "pods"),
            "service-accounts",
            "workload-low",
        ),
        (
            "system:serviceaccount:kube-system:b",
            &["system:serviceaccounts"],
            asked("get", "pods"),
            "kube-system-service-accounts",
            "workload-high",
        ),
    ] {
        assert_eq!(
            placed(&fairness, user, groups, &asked),
            (schema.into(), level.into()),
            "{user}"
        );
    }
}

fn small() -> Fairness {
    let fairness = Fairness::default();
    let level = json!({"metadata": {"name": "l", "uid": "lu"}, "spec": {"type": "Limited", "limited": {
        "nominalConcurrencyShares": 1,
        "limitResponse": {"type": "Queue", "queuing": {"queues": 8, "handSize": 1, "queueLengthLimit": 2}}}}});
    let other = json!({"metadata": {"name": "m", "uid": "mu"}, "spec": {"type": "Limited", "limited": {
        "nominalConcurrencyShares": 599, "limitResponse": {"type": "Reject"}}}});
    let schema = json!({"metadata": {"name": "s", "uid": "su"}, "spec": {
        "priorityLevelConfiguration": {"name": "l"}, "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": [{"kind": "Group", "group": {"name": "*"}}], "resourceRules": [{"verbs": ["*"],
            "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true}]}]}});
    fairness.changed("g/prioritylevelconfigurations", &level, false);
    fairness.changed("g/prioritylevelconfigurations", &other, false);
    fairness.changed("g/flowschemas", &schema, false);
    fairness
}

#[tokio::test(start_paused = true)]
async fn a_noisy_client_waits_behind_itself_and_others_get_their_turn() {
    let fairness = small();
    let place = |user: &str| {
        let identity = Identity::authenticated(user, ["a"]);
        fairness.place(&identity, &asked("get", "pods")).unwrap()
    };
    // One whose queue is another than the noisy one's.
    let noisy = place("noisy");
    let quiet = (0..)
        .map(|i| place(&format!("quiet-{i}")))
        .find(|p| p.flow % 8 != noisy.flow % 8)
        .unwrap();
    let held = fairness.enter(&noisy).await.unwrap();
    let order = std::cell::RefCell::new(Vec::new());
    let one = async |name: &'static str, place: &Place| match fairness.enter(place).await {
        Ok(_seat) => order.borrow_mut().push(name),
        Err(answer) => {
            assert_eq!(answer.status(), 429);
            assert_eq!(answer.headers()["retry-after"], "1");
            assert_eq!(answer.headers()["x-kubernetes-pf-flowschema-uid"], "su");
            order.borrow_mut().push("sent away");
        }
    };
    tokio::join!(
        one("noisy", &noisy),
        one("noisy", &noisy),
        one("noisy", &noisy),
        one("quiet", &quiet),
        async {
            tokio::task::yield_now().await;
            drop(held);
        }
    );
    // The queue of the noisy one is full; the quiet one is served before the second of those that wait there.
    let order = order.into_inner();
    assert_eq!(order[0], "sent away");
    let quiet = order.iter().position(|name| *name == "quiet").unwrap();
    assert!(quiet <= 2, "{order:?}");
    assert_eq!(order.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_too_long_is_sent_away_and_takes_no_seat() {
    let fairness = small();
    let identity = Identity::authenticated("noisy", ["a"]);
    let place = fairness.place(&identity, &asked("get", "pods")).unwrap();
    let held = fairness.enter(&place).await.unwrap();
    assert_eq!(fairness.enter(&place).await.unwrap_err().status(), 429);
    drop(held);
    let next = fairness.enter(&place).await.unwrap();
    assert_eq!(place.level.counts(), (1, 0));
    drop(next);
    assert_eq!(place.level.counts(), (0, 0));
}
