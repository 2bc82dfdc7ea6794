use serde_json::{Value, json};

use super::{row_conditions, table_columns, table_row};
use crate::registry::{all, of};

const NOW: &str = "2026-11-22T10:10:00Z";

fn cells(group: &str, version: &str, kind: &str, object: &Value) -> Vec<Value> {
    table_row(
        of(group, version, kind).unwrap(),
        object,
        NOW.parse().unwrap(),
    )
}

fn meta() -> Value {
    json!({"name": "a", "creationTimestamp": "2026-11-22T10:00:00Z"})
}

#[test]
fn every_row_has_a_cell_for_every_column() {
    for kind in all().iter().filter(|k| k.has_verb("list")) {
        let row = table_row(kind, &json!({"metadata": meta()}), NOW.parse().unwrap());
        assert_eq!(row.len(), table_columns(kind).len(), "{}", kind.kind);
    }
}

fn pod(status: &Value) -> Value {
    json!({"metadata": meta(), "spec": {"containers": [{}], "initContainers": [{"name": "i"}]}, "status": status})
}

#[test]
fn a_pods_reason_is_that_of_its_containers() {
    for (status, ready, reason, restarts) in [
        (json!({"phase": "Pending"}), "0/1", "Pending", "0"),
        (
            json!({"phase": "Failed", "reason": "Evicted"}),
            "0/1",
            "Evicted",
            "0",
        ),
        (
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}),
            "0/1",
            "Init:0/1",
            "0",
        ),
        (
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 3}}}]}),
            "0/1",
            "Init:ExitCode:3",
            "0",
        ),
        (
            json!({"phase": "Running", "containerStatuses": [{"ready": true, "state": {"running": {}}}]}),
            "1/1",
            "Running",
            "0",
        ),
        (
            json!({"phase": "Running", "containerStatuses": [{"restartCount": 2,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"finishedAt": "2026-11-22T10:05:00Z"}}}]}),
            "0/1",
            "CrashLoopBackOff",
            "2 (5m ago)",
        ),
        (
            json!({"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}),
            "0/1",
            "Completed",
            "0",
        ),
    ] {
        let row = cells("", "v1", "Pod", &pod(&status));
        assert_eq!(row[1..4], [ready, reason, restarts]);
    }
}

#[test]
fn a_deleted_pod_is_terminating() {
    let mut object = pod(&json!({"phase": "Running"}));
    object["metadata"]["deletionTimestamp"] = "2026-11-22T10:09:00Z".into();
    assert_eq!(cells("", "v1", "Pod", &object)[2], "Terminating");
    object["status"]["reason"] = "NodeLost".into();
    assert_eq!(cells("", "v1", "Pod", &object)[2], "Unknown");
}

#[test]
fn a_finished_pods_row_says_so() {
    let kind = of("", "v1", "Pod").unwrap();
    let conditions = row_conditions(kind, &pod(&json!({"phase": "Succeeded"})));
    assert_eq!(conditions[0]["reason"], "Succeeded");
}

#[test]
fn a_node_shows_its_roles_and_whether_it_takes_pods() {
    let node = json!({
        "metadata": {"name": "n", "creationTimestamp": "2026-11-22T10:00:00Z",
            "labels": {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": ""}},
        "spec": {"unschedulable": true},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1", "kernelVersion": "6.1", "architecture": "amd64"},
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]},
    });
    assert_eq!(
        cells("", "v1", "Node", &node),
        [
            "n",
            "Ready,SchedulingDisabled",
            "control-plane,worker",
            "10m",
            "v1",
            "10.0.0.1",
            "<none>",
            "<unknown>",
            "6.1 (amd64)",
            "<unknown>"
        ]
    );
}

#[test]
fn a_deployment_shows_its_replicas() {
    let object = json!({"metadata": meta(), "spec": {"replicas": 3, "selector": {"matchLabels": {"b": "c", "a": "b"}},
        "template": {"spec": {"containers": [{"name": "x", "image": "i"}, {"name": "y", "image": "j"}]}}},
        "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}});
    assert_eq!(
        Value::from(cells("apps", "v1", "Deployment", &object)),
        json!(["a", "2/3", 3, 1, "10m", "x,y", "i,j", "a=b,b=c"])
    );
}

#[test]
fn a_job_shows_how_far_it_is() {
    let object = json!({"metadata": meta(), "spec": {"completions": 2, "template": {}}, "status": {
        "succeeded": 2, "startTime": "2026-11-22T10:00:00Z", "completionTime": "2026-11-22T10:01:30Z",
        "conditions": [{"type": "Complete", "status": "True"}]}});
    assert_eq!(
        cells("batch", "v1", "Job", &object)[1..5],
        ["Complete", "2/2", "90s", "10m"]
    );
}

#[test]
fn events_read_the_same_through_both_doors() {
    let core = json!({"metadata": {"name": "e"}, "type": "Normal", "reason": "R", "message": " m ", "count": 3,
        "involvedObject": {"kind": "Pod", "name": "p"}, "source": {"component": "c", "host": "h"},
        "firstTimestamp": "2026-11-22T10:00:00Z", "lastTimestamp": "2026-11-22T10:09:00Z"});
    let new = json!({"metadata": {"name": "e"}, "type": "Normal", "reason": "R", "note": " m ", "deprecatedCount": 3,
        "regarding": {"kind": "Pod", "name": "p"}, "deprecatedSource": {"component": "c", "host": "h"},
        "deprecatedFirstTimestamp": "2026-11-22T10:00:00Z", "deprecatedLastTimestamp": "2026-11-22T10:09:00Z"});
    let expected = json!([
        "60s", "Normal", "R", "pod/p", "", "c, h", "m", "10m", 3, "e"
    ]);
    assert_eq!(Value::from(cells("", "v1", "Event", &core)), expected);
    assert_eq!(
        Value::from(cells("events.k8s.io", "v1", "Event", &new)),
        expected
    );
}

#[test]
fn a_service_shows_ports_and_addresses() {
    let object = json!({"metadata": meta(), "spec": {"type": "LoadBalancer", "clusterIPs": ["10.0.0.1"],
        "ports": [{"port": 80, "nodePort": 30000, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}], "selector": {"a": "b"}}});
    assert_eq!(
        cells("", "v1", "Service", &object),
        [
            "a",
            "LoadBalancer",
            "10.0.0.1",
            "<pending>",
            "80:30000/TCP,53/UDP",
            "10m",
            "a=b"
        ]
    );
}

#[test]
fn an_autoscaler_shows_what_it_measures() {
    let object = json!({"metadata": meta(), "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "maxReplicas": 5, "minReplicas": 1,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}]},
        "status": {"currentReplicas": 2}});
    assert_eq!(
        Value::from(cells(
            "autoscaling",
            "v2",
            "HorizontalPodAutoscaler",
            &object
        )),
        json!(["a", "Deployment/d", "cpu: <unknown>/80%", "1", 5, 2, "10m"])
    );
}

#[test]
fn a_slice_shows_three_addresses() {
    let object = json!({"metadata": meta(), "addressType": "IPv4", "ports": [{"port": 80}],
        "endpoints": [{"addresses": ["1"]}, {"addresses": ["2"]}, {"addresses": ["3"]}, {"addresses": ["4"]}]});
    assert_eq!(
        cells("discovery.k8s.io", "v1", "EndpointSlice", &object),
        ["a", "IPv4", "80", "1,2,3 + 1 more...", "10m"]
    );
}
