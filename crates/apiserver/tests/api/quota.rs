//! Quotas, limits and priorities: what a write must fit into.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{PODS, Server, pod, start};

const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";
const CLASSES: &str = "/apis/scheduling.k8s.io/v1/priorityclasses";

/// A quota that is counted, as a controller leaves it.
async fn quota(server: &Server, hard: Value) {
    server
        .create(
            QUOTAS,
            json!({"metadata": {"name": "q"}, "spec": {"hard": hard}}),
        )
        .await;
    let used: serde_json::Map<_, _> = hard
        .as_object()
        .unwrap()
        .keys()
        .map(|k| (k.clone(), json!("0")))
        .collect();
    let status = json!({"status": {"hard": hard, "used": used}});
    let done = server
        .patch(&format!("{QUOTAS}/q/status"), "merge-patch+json", status)
        .await;
    assert_eq!(done.code, 200, "{:#}", done.body);
}

async fn used(server: &Server) -> Value {
    server.get(&format!("{QUOTAS}/q")).await.body["status"]["used"].clone()
}

#[tokio::test]
async fn many_at_once_get_no_more_than_the_quota_has() {
    let server = start().await;
    quota(&server, json!({"pods": "5", "count/configmaps": "1"})).await;
    let names: Vec<String> = (0..20).map(|i| format!("p{i}")).collect();
    let answers = join_all(names.iter().map(|n| server.post(PODS, pod(n)))).await;
    let created = answers.iter().filter(|a| a.code == 201).count();
    assert_eq!(created, 5);
    let refused = answers.iter().find(|a| a.code != 201).unwrap();
    assert_eq!(refused.code, 403);
    let message = refused.body["message"].as_str().unwrap();
    let expected =
        "is forbidden: exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=5";
    assert!(message.ends_with(expected), "{message}");
    assert_eq!(
        used(&server).await,
        json!({"pods": "5", "count/configmaps": "0"})
    );
}

#[tokio::test]
async fn a_create_that_fails_after_all_is_paid_back() {
    let server = start().await;
    quota(&server, json!({"pods": "5"})).await;
    server.create(PODS, pod("a")).await;
    assert_eq!(server.post(PODS, pod("a")).await.code, 409);
    assert_eq!(used(&server).await, json!({"pods": "1"}));
    let dry = server.post(&format!("{PODS}?dryRun=All"), pod("b")).await;
    assert_eq!(dry.code, 201);
    assert_eq!(used(&server).await, json!({"pods": "1"}));
}

#[tokio::test]
async fn a_quota_that_nobody_has_counted_yet_lets_nothing_in() {
    let server = start().await;
    server
        .create(
            QUOTAS,
            json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}}}),
        )
        .await;
    assert_eq!(
        server.post(PODS, pod("a")).await.code,
        201,
        "its status names nothing yet"
    );
    let status = json!({"status": {"hard": {"cpu": "1"}}});
    server
        .patch(&format!("{QUOTAS}/q/status"), "merge-patch+json", status)
        .await;
    let refused = server.post(PODS, pod("b")).await;
    assert_eq!(
        refused.body["message"],
        "pods \"b\" is forbidden: failed quota: q: must specify cpu for: c"
    );
}

#[tokio::test]
async fn a_limit_range_gives_and_forbids() {
    let server = start().await;
    let ranges = "/api/v1/namespaces/default/limitranges";
    server
        .create(ranges, json!({"metadata": {"name": "l"}, "spec": {"limits": [
            {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}, "max": {"cpu": "1"}}]}}))
        .await;
    let created = server.create(PODS, pod("a")).await;
    assert_eq!(
        created["spec"]["containers"][0]["resources"],
        json!({"limits": {"cpu": "500m"}, "requests": {"cpu": "100m"}})
    );
    assert_eq!(
        created["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    );
    let mut large = pod("b");
    large["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "2"}});
    let refused = server.post(PODS, large).await;
    assert_eq!(
        refused.body["message"],
        "pods \"b\" is forbidden: maximum cpu usage per Container is 1, but limit is 2"
    );
}

#[tokio::test]
async fn a_priority_comes_from_its_class_only() {
    let server = start().await;
    let class = |name: &str, value: i64, default: bool| json!({"metadata": {"name": name}, "value": value, "globalDefault": default, "preemptionPolicy": "Never"});
    server.create(CLASSES, class("usual", 7, true)).await;
    let second = server.post(CLASSES, class("other", 9, true)).await;
    assert_eq!(
        second.body["message"],
        "priorityclasses.scheduling.k8s.io \"other\" is forbidden: PriorityClass usual is already marked as default. \
         Only one default can exist"
    );
    let created = server.create(PODS, pod("a")).await;
    assert_eq!(created["spec"]["priority"], 7);
    assert_eq!(created["spec"]["priorityClassName"], "usual");
    assert_eq!(created["spec"]["preemptionPolicy"], "Never");
    let mut own = pod("b");
    own["spec"]["priority"] = json!(8);
    assert_eq!(server.post(PODS, own).await.code, 403);
    let mut policy = pod("c");
    policy["spec"]["preemptionPolicy"] = json!("PreemptLowerPriority");
    let refused = server.post(PODS, policy).await;
    assert_eq!(
        refused.body["message"],
        "pods \"c\" is forbidden: the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod \
         spec; priority admission controller computed Never from the given PriorityClass name"
    );
}

#[tokio::test]
async fn a_new_node_is_tainted_until_it_is_ready() {
    let server = start().await;
    let node = server
        .create("/api/v1/nodes", json!({"metadata": {"name": "n"}}))
        .await;
    assert_eq!(
        node["spec"]["taints"],
        json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}])
    );
}
