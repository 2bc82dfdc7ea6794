use serde_json::{Value, json};

use super::*;

fn service(more: &Value) -> Service {
    let mut spec = json!({"selector": {"app": "x"}, "ports": [{"name": "http", "port": 80, "targetPort": "web"}]});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    serde_json::from_value(
        json!({"metadata": {"name": "s", "namespace": "a", "labels": {"l": "v"}}, "spec": spec}),
    )
    .unwrap()
}

fn pod(name: &str, ip: &str, port: i32, ready: bool) -> Pod {
    let ready = if ready { "True" } else { "False" };
    serde_json::from_value(json!({"metadata": {"name": name, "namespace": "a", "uid": name},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": port}]}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [{"type": "Ready", "status": ready}]}}))
    .unwrap()
}

fn slice(view: &View, content: &Content) -> EndpointSlice {
    EndpointSlice {
        metadata: kube::api::ObjectMeta {
            labels: Some(view.labels()),
            ..Default::default()
        },
        address_type: content.address_type.clone(),
        endpoints: Some(content.endpoints.clone()),
        ports: Some(content.ports.clone()),
    }
}

fn created(changes: &[Change]) -> Vec<&Content> {
    let created = changes.iter().filter_map(|c| match c {
        Change::Create(content) => Some(content),
        Change::Update(..) | Change::Delete(_) => None,
    });
    created.collect()
}

#[test]
fn endpoints_stand_in_slices_by_the_numbers_of_their_ports() {
    let pods = vec![
        pod("a", "10.0.0.1", 8080, true),
        pod("b", "10.0.0.2", 9090, false),
        pod("c", "10.0.0.3", 8080, true),
        pod("d", "", 1, true),
    ];
    let view = View::new(service(&json!({})), pods, vec![]);
    let changes = view.plan();
    let slices = created(&changes);
    let seen: Vec<_> = slices
        .iter()
        .map(|s| (s.ports[0].port, s.endpoints.len()))
        .collect();
    assert_eq!(seen, [(Some(8080), 2), (Some(9090), 1)]);
    let conditions = |s: &Content| s.endpoints[0].conditions.clone().unwrap();
    assert_eq!(conditions(slices[0]).ready, Some(true));
    assert_eq!(conditions(slices[1]).ready, Some(false));
    assert_eq!(view.labels()[SERVICE_NAME], "s");
    // Once written, nothing is left to do.
    let written = slices.iter().map(|c| slice(&view, c)).collect();
    let again = View::new(view.service.clone(), view.pods.clone(), written);
    assert_eq!(again.plan(), []);
}

#[test]
fn a_change_touches_only_its_slice_and_an_empty_service_keeps_one() {
    let service = service(&json!({}));
    let many = |n: usize| {
        (0..n)
            .map(|i| pod(&format!("p{i:03}"), &format!("10.0.1.{i}"), 80, true))
            .collect::<Vec<_>>()
    };
    let view = View::new(service.clone(), many(150), vec![]);
    let changes = view.plan();
    let slices: Vec<_> = created(&changes)
        .into_iter()
        .map(|c| slice(&view, c))
        .collect();
    assert_eq!(
        slices
            .iter()
            .map(|s| s.endpoints.as_ref().unwrap().len())
            .collect::<Vec<_>>(),
        [100, 50]
    );

    let mut fewer = many(150);
    fewer.remove(3);
    match &View::new(service.clone(), fewer, slices.clone()).plan()[..] {
        [Change::Update(0, endpoints)] => assert_eq!(endpoints.len(), 99),
        other => panic!("{} changes", other.len()),
    }
    let none = View::new(service.clone(), vec![], vec![]);
    let changes = none.plan();
    let empty = slice(&none, created(&changes)[0]);
    let gone = View::new(service, vec![], vec![slices[0].clone(), empty]).plan();
    assert_eq!(gone, [Change::Delete(0)]);
}

#[test]
fn a_pod_in_deletion_serves_but_is_not_ready() {
    let mut leaving = pod("a", "10.0.0.1", 80, true);
    leaving.metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-11-23T00:00:00Z")).unwrap();
    for (more, ready) in [
        (json!({}), false),
        (json!({"publishNotReadyAddresses": true}), true),
    ] {
        let view = View::new(service(&more), vec![leaving.clone()], vec![]);
        let changes = view.plan();
        let conditions = created(&changes)[0].endpoints[0]
            .conditions
            .clone()
            .unwrap();
        assert_eq!(conditions.ready, Some(ready));
        assert_eq!(
            (conditions.serving, conditions.terminating),
            (Some(true), Some(true))
        );
    }
}
