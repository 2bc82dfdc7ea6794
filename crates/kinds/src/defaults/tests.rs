use serde_json::{Value, json};

use super::default_object;
use crate::registry::of;

fn defaulted(group: &str, version: &str, kind: &str, mut object: Value) -> Value {
    default_object(of(group, version, kind).unwrap(), &mut object);
    object
}

#[test]
fn a_pod_gets_what_the_api_server_gives_it() {
    let pod = defaulted(
        "",
        "v1",
        "Pod",
        json!({"spec": {"containers": [{
            "name": "a", "image": "nginx", "ports": [{"containerPort": 80}],
            "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
            "livenessProbe": {"httpGet": {"port": 80}},
        }], "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}]}}),
    );
    let spec = &pod["spec"];
    assert_eq!(spec["restartPolicy"], "Always");
    assert_eq!(spec["enableServiceLinks"], true);
    assert_eq!(spec["volumes"][0]["emptyDir"], json!({}));
    assert_eq!(spec["volumes"][1]["secret"]["defaultMode"], 420);
    let container = &spec["containers"][0];
    assert_eq!(container["imagePullPolicy"], "Always");
    assert_eq!(container["ports"][0]["protocol"], "TCP");
    assert_eq!(
        container["resources"]["requests"],
        json!({"cpu": "1", "memory": "1Gi"})
    );
    assert_eq!(
        container["livenessProbe"],
        json!({"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}, "failureThreshold": 3,
               "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1})
    );
}

#[test]
fn pull_policies_follow_the_tag() {
    for (image, expected) in [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.2", "IfNotPresent"),
        ("host:5000/a/b", "Always"),
        ("host:5000/a/b:v1", "IfNotPresent"),
        ("a@sha256:abc", "IfNotPresent"),
        ("a:latest@sha256:abc", "Always"),
        ("", "IfNotPresent"),
        ("UPPER", "IfNotPresent"),
    ] {
        let pod = json!({"spec": {"containers": [{"image": image}]}});
        let pod = defaulted("", "v1", "Pod", pod);
        assert_eq!(
            pod["spec"]["containers"][0]["imagePullPolicy"], expected,
            "{image}"
        );
    }
}

#[test]
fn a_template_is_no_pod() {
    let object = defaulted(
        "apps",
        "v1",
        "Deployment",
        json!({"spec": {"template": {"spec": {"hostNetwork": true, "containers": [
            {"name": "a", "image": "b:1", "ports": [{"containerPort": 1}], "resources": {"limits": {"cpu": 1}}}]}}}}),
    );
    let spec = &object["spec"]["template"]["spec"];
    assert!(spec.get("enableServiceLinks").is_none());
    assert!(spec["containers"][0]["resources"].get("requests").is_none());
    assert!(spec["containers"][0]["ports"][0].get("hostPort").is_none());
    assert_eq!(spec["containers"][0]["resources"]["limits"]["cpu"], "1");
    assert_eq!(
        object["spec"]["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}})
    );
}

#[test]
fn a_strategy_that_replaces_has_no_rolling_update() {
    let object = defaulted(
        "apps",
        "v1",
        "Deployment",
        json!({"spec": {"strategy": {"type": "Recreate"}}}),
    );
    assert_eq!(object["spec"]["strategy"], json!({"type": "Recreate"}));
}

#[test]
fn a_job_without_numbers_runs_once() {
    let object = defaulted("batch", "v1", "Job", json!({"spec": {}}));
    assert_eq!(object["spec"]["completions"], 1);
    assert_eq!(object["spec"]["backoffLimit"], 6);
    let queue = defaulted("batch", "v1", "Job", json!({"spec": {"parallelism": 3}}));
    assert!(queue["spec"].get("completions").is_none());
}

#[test]
fn a_services_ports_lead_to_themselves() {
    let object = defaulted(
        "",
        "v1",
        "Service",
        json!({"spec": {"ports": [{"port": 80}]}}),
    );
    assert_eq!(object["spec"]["ports"][0]["targetPort"], 80);
    assert_eq!(object["spec"]["internalTrafficPolicy"], "Cluster");
    assert!(object["spec"].get("externalTrafficPolicy").is_none());
}

#[test]
fn an_amount_is_no_finer_than_a_thousandth() {
    let object = defaulted(
        "",
        "v1",
        "ResourceQuota",
        json!({"spec": {"hard": {"cpu": "0.0001", "pods": 3}}}),
    );
    assert_eq!(object["spec"]["hard"], json!({"cpu": "1m", "pods": "3"}));
}

#[test]
fn a_namespace_carries_its_name_as_a_label() {
    let object = defaulted("", "v1", "Namespace", json!({"metadata": {"name": "x"}}));
    assert_eq!(
        object["metadata"]["labels"]["kubernetes.io/metadata.name"],
        "x"
    );
}
