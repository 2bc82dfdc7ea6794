use serde_json::{Value, json};

use super::{prepare_create, prepare_update, same};
use crate::registry::{Kind, of};

const NOW: &str = "2026-11-22T10:00:00Z";

fn kind(group: &str, kind: &str) -> &'static Kind {
    of(group, "v1", kind).unwrap()
}

fn created(group: &str, name: &str, mut object: Value) -> Value {
    prepare_create(kind(group, name), &mut object, NOW);
    object
}

#[test]
fn a_new_deployment_starts_at_generation_one_without_status() {
    let object = created(
        "apps",
        "Deployment",
        json!({"metadata": {"generation": 9}, "spec": {"replicas": 2}, "status": {"replicas": 5}}),
    );
    assert_eq!(object["metadata"]["generation"], 1);
    assert_eq!(object["status"], json!({}));
}

#[test]
fn the_generation_rises_with_the_spec_only() {
    let old =
        json!({"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": {"replicas": 2}});
    let mut same_spec =
        json!({"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 2, "x": {}}});
    prepare_update(kind("apps", "ReplicaSet"), None, &mut same_spec, &old);
    assert_eq!(same_spec["metadata"]["generation"], 3);
    assert_eq!(same_spec["status"]["replicas"], 2);
    let mut scaled = json!({"metadata": {}, "spec": {"replicas": 3}});
    prepare_update(kind("apps", "ReplicaSet"), None, &mut scaled, &old);
    assert_eq!(scaled["metadata"]["generation"], 4);
}

#[test]
fn a_deployments_generation_rises_with_annotations_too() {
    let old = json!({"metadata": {"generation": 3}, "spec": {}});
    let mut new = json!({"metadata": {"annotations": {"a": "b"}}, "spec": {}});
    prepare_update(kind("apps", "Deployment"), None, &mut new, &old);
    assert_eq!(new["metadata"]["generation"], 4);
}

#[test]
fn a_status_write_keeps_the_spec() {
    let old = json!({"metadata": {"generation": 3, "labels": {"a": "b"}}, "spec": {"replicas": 2}});
    let mut new = json!({"metadata": {}, "spec": {"replicas": 9}, "status": {"replicas": 1}});
    prepare_update(kind("apps", "Deployment"), Some("status"), &mut new, &old);
    assert_eq!(new["spec"]["replicas"], 2);
    assert_eq!(new["status"]["replicas"], 1);
    assert_eq!(new["metadata"]["labels"]["a"], "b");
    assert_eq!(new["metadata"]["generation"], 3);
}

#[test]
fn a_namespace_is_active_and_held_by_kubernetes() {
    let object = created("", "Namespace", json!({"metadata": {"name": "x"}}));
    assert_eq!(object["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(object["status"]["phase"], "Active");
}

#[test]
fn a_job_selects_its_own_uid() {
    let object = created(
        "batch",
        "Job",
        json!({"metadata": {"name": "j", "uid": "u1"}, "spec": {"template": {}}}),
    );
    let labels = &object["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["batch.kubernetes.io/job-name"], "j");
    assert_eq!(labels["controller-uid"], "u1");
    assert_eq!(
        object["spec"]["selector"]["matchLabels"],
        json!({"batch.kubernetes.io/controller-uid": "u1"})
    );
}

#[test]
fn quality_of_service_follows_the_resources() {
    let class = |resources: Value| {
        let pod = json!({"metadata": {}, "spec": {"containers": [{"resources": resources}]}});
        created("", "Pod", pod)["status"]["qosClass"].clone()
    };
    assert_eq!(class(json!({})), "BestEffort");
    assert_eq!(class(json!({"requests": {"cpu": "1"}})), "Burstable");
    let both = json!({"cpu": "1", "memory": "1Gi"});
    assert_eq!(
        class(json!({"requests": both, "limits": both})),
        "Guaranteed"
    );
}

#[test]
fn a_gated_pod_says_so() {
    let pod = json!({"metadata": {}, "spec": {"schedulingGates": [{"name": "a"}]}});
    let pod = created("", "Pod", pod);
    assert_eq!(pod["status"]["conditions"][0]["reason"], "SchedulingGated");
}

#[test]
fn a_resize_changes_resources_only() {
    let old = json!({"metadata": {"generation": 1}, "spec": {"containers": [{"name": "a", "image": "x"}]}});
    let mut new = json!({"metadata": {}, "spec": {"containers": [
        {"name": "a", "image": "y", "resources": {"limits": {"cpu": "2"}}}]}});
    prepare_update(kind("", "Pod"), Some("resize"), &mut new, &old);
    assert_eq!(new["spec"]["containers"][0]["image"], "x");
    assert_eq!(
        new["spec"]["containers"][0]["resources"]["limits"]["cpu"],
        "2"
    );
    assert_eq!(new["metadata"]["generation"], 2);
}

#[test]
fn a_service_that_needs_no_address_loses_it() {
    let old = json!({"metadata": {}, "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]}});
    let mut new = old.clone();
    new["spec"]["type"] = "ExternalName".into();
    prepare_update(kind("", "Service"), None, &mut new, &old);
    assert!(new["spec"].get("clusterIP").is_none());
}

#[test]
fn empty_is_the_same_as_absent() {
    assert!(same(&json!({"a": {}, "b": 1}), &json!({"b": 1, "c": []})));
    assert!(!same(&json!({"a": ""}), &json!({})));
}
