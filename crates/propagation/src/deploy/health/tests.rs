use super::*;
use serde_json::json;

fn reason(object: &Value) -> String {
    match judge(object) {
        Health::Current => "Current".to_owned(),
        Health::InProgress(r) => r.reason,
        Health::Failed(r) => format!("!{}", r.reason),
    }
}

#[test]
fn kinds_are_judged_by_what_they_say_of_themselves() {
    let deployment = |status: Value| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 2},
            "spec": {"replicas": 2}, "status": status})
    };
    let conditions = |kind: &str, status: &str| json!({"conditions": [{"type": kind, "status": status, "reason": "R", "message": "m"}]});
    for (object, expected) in [
        (deployment(json!({})), "NotObserved"),
        (deployment(json!({"observedGeneration": 1})), "NotObserved"),
        (
            deployment(json!({"observedGeneration": 2, "updatedReplicas": 1})),
            "ReplicasNotUpdated",
        ),
        (
            deployment(json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 3})),
            "OldReplicas",
        ),
        (
            deployment(
                json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "readyReplicas": 1}),
            ),
            "ReplicasNotReady",
        ),
        (
            deployment(
                json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2}),
            ),
            "Current",
        ),
        (
            json!({"apiVersion": "batch/v1", "kind": "Job", "status": conditions("Failed", "True")}),
            "!R",
        ),
        (
            json!({"apiVersion": "batch/v1", "kind": "Job", "status": {}}),
            "JobNotStarted",
        ),
        (
            json!({"apiVersion": "batch/v1", "kind": "Job", "status": conditions("Complete", "True")}),
            "Current",
        ),
        (json!({"apiVersion": "v1", "kind": "ConfigMap"}), "Current"),
        (
            json!({"apiVersion": "x.io/v1", "kind": "Any", "status": conditions("Ready", "False")}),
            "R",
        ),
        (
            json!({"apiVersion": "x.io/v1", "kind": "Any", "status": conditions("Stalled", "True")}),
            "!R",
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            "Terminating",
        ),
    ] {
        assert_eq!(reason(&object), expected, "{object}");
    }
}
