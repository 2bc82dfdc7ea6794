use serde_json::json;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn create<'a>(group: &'a str, plural: &'a str, new: &'a Value) -> Change<'a> {
    Change {
        group,
        plural,
        subresource: "",
        new,
        old: None,
        now: at(0),
    }
}

fn quota(hard: Value, used: Value) -> Value {
    json!({"metadata": {"name": "q"}, "spec": {"hard": hard}, "status": {"hard": hard, "used": used}})
}

fn pod(requests: Value, limits: Value) -> Value {
    json!({"spec": {"containers": [{"name": "c", "resources": {"requests": requests, "limits": limits}}]}})
}

#[test]
fn a_pod_that_fits_is_charged_and_one_that_does_not_is_told_by_how_much() {
    let hard =
        json!({"pods": "2", "requests.cpu": "1", "limits.memory": "1Gi", "count/secrets": "1"});
    let q = quota(
        hard,
        json!({"pods": "1", "requests.cpu": "800m", "limits.memory": "512Mi", "count/secrets": "1"}),
    );
    let small = pod(json!({"cpu": "200m"}), json!({"memory": "512Mi"}));
    let charged = charge(std::slice::from_ref(&q), &create("", "pods", &small)).unwrap();
    let used =
        json!({"pods": "2", "requests.cpu": "1", "limits.memory": "1Gi", "count/secrets": "1"});
    assert_eq!(amounts::write(&charged[0].1), used);
    let large = pod(json!({"cpu": "300m"}), json!({"memory": "1Gi"}));
    let refused = charge(&[q], &create("", "pods", &large)).unwrap_err();
    assert_eq!(
        refused,
        "exceeded quota: q, requested: limits.memory=1Gi,requests.cpu=300m, used: limits.memory=512Mi,requests.cpu=800m, \
         limited: limits.memory=1Gi,requests.cpu=1"
    );
}

#[test]
fn what_is_tracked_must_be_stated() {
    let q = quota(
        json!({"cpu": "1", "limits.memory": "1Gi", "pods": "1"}),
        json!({"cpu": "0", "limits.memory": "0", "pods": "0"}),
    );
    let silent = pod(json!({}), json!({}));
    let refused = charge(&[q], &create("", "pods", &silent)).unwrap_err();
    assert_eq!(
        refused,
        "failed quota: q: must specify cpu for: c; limits.memory for: c"
    );
}

#[test]
fn a_quota_that_is_not_counted_yet_lets_nothing_in() {
    let q = quota(json!({"count/widgets.example.com": "1"}), json!({}));
    let widget = json!({});
    let refused = charge(
        std::slice::from_ref(&q),
        &create("example.com", "widgets", &widget),
    )
    .unwrap_err();
    assert_eq!(
        refused,
        "status unknown for quota: q, resources: count/widgets.example.com"
    );
    assert!(
        charge(&[q], &create("", "secrets", &widget))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_changed_service_is_charged_with_the_difference() {
    let q = quota(
        json!({"services.nodeports": "2"}),
        json!({"services.nodeports": "1"}),
    );
    let service = |ports: Value| json!({"spec": {"type": "NodePort", "ports": ports}});
    let (old, new) = (service(json!([{}])), service(json!([{}, {}])));
    let change = Change {
        old: Some(&old),
        ..create("", "services", &new)
    };
    let charged = charge(std::slice::from_ref(&q), &change).unwrap();
    assert_eq!(
        amounts::write(&charged[0].1),
        json!({"services.nodeports": "2"})
    );
    assert!(charge(&[q], &create("", "services", &new)).is_err());
}

#[test]
fn claims_count_for_their_class_too() {
    let claim = json!({"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1500m"}}}});
    let used = amounts::write(&usage("", "persistentvolumeclaims", &claim, at(0)));
    assert_eq!(
        used,
        json!({"count/persistentvolumeclaims": "1", "persistentvolumeclaims": "1", "requests.storage": "2",
            "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
            "gold.storageclass.storage.k8s.io/requests.storage": "2"})
    );
}

#[test]
fn scopes_choose_pods() {
    let with = |scopes: Value| json!({"spec": scopes});
    let plain = json!({"spec": {"containers": [{}], "priorityClassName": "high"}});
    let takes = |scopes: Value, pod: &Value| selects(&with(scopes), "", "pods", pod);
    assert!(takes(
        json!({"scopes": ["BestEffort", "NotTerminating"]}),
        &plain
    ));
    assert!(!takes(json!({"scopes": ["Terminating"]}), &plain));
    let class = |operator: &str, values: Value| json!({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}});
    assert!(takes(class("In", json!(["high"])), &plain));
    assert!(!takes(class("NotIn", json!(["high"])), &plain));
    assert!(!takes(class("DoesNotExist", json!([])), &plain));
    let none = json!({"spec": {"containers": [{}]}});
    assert!(takes(class("NotIn", json!(["high"])), &none));
    assert!(!selects(
        &with(json!({"scopes": ["BestEffort"]})),
        "",
        "services",
        &none
    ));
}

#[test]
fn pods_that_ended_take_no_room() {
    let q = json!({"spec": {"hard": {"pods": "5", "count/pods": "5"}}});
    let pods = [
        json!({"status": {"phase": "Running"}}),
        json!({"status": {"phase": "Failed"}}),
        json!({"metadata": {"deletionTimestamp": "1970-01-01T00:00:10Z", "deletionGracePeriodSeconds": 30}}),
    ];
    let count = |now| amounts::write(&recount(&q, "", "pods", pods.iter(), at(now)));
    assert_eq!(count(20), json!({"count/pods": "3", "pods": "2"}));
    assert_eq!(count(41), json!({"count/pods": "3", "pods": "1"}));
}

#[test]
fn every_name_has_its_kind() {
    for (name, kind) in [
        ("requests.cpu", ("pods", "")),
        ("requests.nvidia.com/gpu", ("pods", "")),
        (
            "gold.storageclass.storage.k8s.io/requests.storage",
            ("persistentvolumeclaims", ""),
        ),
        ("services.nodeports", ("services", "")),
        ("configmaps", ("configmaps", "")),
        ("count/deployments.apps", ("deployments", "apps")),
        ("count/secrets", ("secrets", "")),
    ] {
        assert_eq!(kind_of(name), Some(kind), "{name}");
    }
    assert_eq!(kind_of("storage"), None);
}
