use serde_json::json;

use super::*;

fn missing(pods: &[&str]) -> Missing {
    Missing {
        pods: pods.iter().map(ToString::to_string).collect(),
        objects: BTreeSet::new(),
    }
}

#[test]
fn what_an_api_lost_stays_and_what_it_deleted_does_not() {
    let dir = std::env::temp_dir().join(format!("cedge-kept-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let open = |regressions| Kept::open(dir.join("kept.json"), regressions);
    let node: ClusterId = "a".repeat(32).parse().unwrap();
    let healthy = open(0);
    let deleted = healthy.of(&node, missing(&["ns/a/1"])).unwrap();
    assert_eq!(deleted, Missing::default(), "the API deleted it");
    healthy.settle(&node, Missing::default()).unwrap();
    let restored = open(1);
    let lost = restored.of(&node, missing(&["ns/b/2", "ns/c/3"])).unwrap();
    assert_eq!(lost, missing(&["ns/b/2", "ns/c/3"]));
    // Killed here, and started again: it is still known what was lost.
    let again = open(1);
    assert!(again.concerns(&node));
    let lost = again
        .of(&node, missing(&["ns/b/2", "ns/c/3", "ns/d/4"]))
        .unwrap();
    assert_eq!(
        lost,
        missing(&["ns/b/2", "ns/c/3"]),
        "the other was deleted since"
    );
    again.settle(&node, missing(&["ns/c/3"])).unwrap();
    assert_eq!(
        open(1).of(&node, missing(&["ns/b/2", "ns/c/3"])).unwrap(),
        missing(&["ns/c/3"])
    );
    open(1).settle(&node, Missing::default()).unwrap();
    assert!(!open(1).concerns(&node));
    assert_eq!(
        open(2).of(&node, missing(&["ns/e/5"])).unwrap(),
        missing(&["ns/e/5"]),
        "once more"
    );
    std::fs::remove_dir_all(dir).unwrap();
}

fn pod(name: &str, owner: (&str, &str), hash: &str, born: &str, ready: bool) -> Value {
    json!({
        "metadata": {
            "namespace": "ns", "name": name, "creationTimestamp": born,
            "labels": { "pod-template-hash": hash },
            "ownerReferences": [ { "kind": owner.0, "name": owner.1, "controller": true } ],
        },
        "spec": { "nodeName": "n1" },
        "status": { "conditions": [ { "type": "Ready", "status": if ready { "True" } else { "False" } } ] },
    })
}

#[test]
fn a_lost_pod_gives_way_to_its_own_name_and_to_a_younger_ready_pod_of_its_owner() {
    let web = ("ReplicaSet", "web-abc");
    let lost = pod("web-abc-1", web, "abc", "2026-01-02T00:00:00Z", true);
    let check = |other: Value| is_replaced(&lost, &[other]);
    let later = "2026-01-03T00:00:00Z";
    assert!(!is_replaced(&lost, &[]));
    assert!(check(pod("web-abc-1", ("Job", "x"), "", later, false)));
    assert!(check(pod("web-abc-2", web, "abc", later, true)));
    assert!(
        check(pod(
            "web-def-2",
            ("ReplicaSet", "web-def"),
            "def",
            later,
            true
        )),
        "another template"
    );
    assert!(
        !check(pod("web-abc-2", web, "abc", later, false)),
        "not ready"
    );
    assert!(
        !check(pod("web-abc-2", web, "abc", "2026-01-01T00:00:00Z", true)),
        "an older sister"
    );
    assert!(!check(pod(
        "api-abc-2",
        ("ReplicaSet", "api-abc"),
        "abc",
        later,
        true
    )));
    let mut elsewhere = pod("web-abc-2", web, "abc", later, true);
    elsewhere["metadata"]["namespace"] = json!("other");
    assert!(!check(elsewhere));
    let agent = pod(
        "agent-1",
        ("DaemonSet", "agent"),
        "",
        "2026-01-02T00:00:00Z",
        true,
    );
    let mut sister = pod("agent-2", ("DaemonSet", "agent"), "", later, true);
    assert!(is_replaced(&agent, &[sister.clone()]));
    sister["spec"]["nodeName"] = json!("n2");
    assert!(!is_replaced(&agent, &[sister]), "it serves another node");
}

#[test]
fn a_lost_pod_that_has_ended_is_not_kept() {
    assert!(has_ended(&json!({ "status": { "phase": "Succeeded" } })));
    assert!(has_ended(
        &json!({ "status": { "phase": "Running" }, "terminated": true })
    ));
    assert!(!has_ended(&json!({ "status": { "phase": "Running" } })));
}
