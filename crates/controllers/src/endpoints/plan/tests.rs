use serde_json::{Value, json};

use super::*;

fn service(spec: &Value) -> Service {
    serde_json::from_value(
        json!({"metadata": {"name": "s", "namespace": "a", "labels": {"l": "1"}}, "spec": spec}),
    )
    .unwrap()
}

fn pod(name: &str, ip: &str, ready: bool) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "a", "uid": name},
        "spec": {"nodeName": "n", "hostname": name, "subdomain": "s",
            "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": if name == "odd" { 81 } else { 80 }}]}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
    }))
    .unwrap()
}

fn brief(view: &View) -> Vec<Value> {
    let ips = |list: &Option<Vec<EndpointAddress>>| -> Vec<String> {
        list.iter().flatten().map(|a| a.ip.clone()).collect()
    };
    let ports =
        |s: &EndpointSubset| -> Vec<i32> { s.ports.iter().flatten().map(|p| p.port).collect() };
    let subsets = view.subsets.iter();
    subsets
        .map(|s| json!([ports(s), ips(&s.addresses), ips(&s.not_ready_addresses)]))
        .collect()
}

#[test]
fn addresses_stand_together_by_their_ports() {
    let spec = json!({"clusterIP": "10.0.0.1", "ports": [
        {"name": "web", "port": 1, "targetPort": "web"}, {"name": "more", "port": 9}]});
    let pods = [
        pod("b", "10.1.0.2", true),
        pod("a", "10.1.0.1", false),
        pod("odd", "10.1.0.3", true),
    ];
    let view = View::new(service(&spec), &pods, None);
    let all = json!([[9], ["10.1.0.2", "10.1.0.3"], ["10.1.0.1"]]);
    let even = json!([[80], ["10.1.0.2"], ["10.1.0.1"]]);
    let odd = json!([[81], ["10.1.0.3"], []]);
    assert_eq!(brief(&view), [all, even, odd]);
    let one = View::new(service(&spec), &pods[..1], None);
    assert_eq!(brief(&one), [json!([[9, 80], ["10.1.0.2"], []])]);
    let address = &one.subsets[0].addresses.as_ref().unwrap()[0];
    assert_eq!(
        serde_json::to_value(address).unwrap(),
        json!({"ip": "10.1.0.2", "hostname": "b", "nodeName": "n",
            "targetRef": {"kind": "Pod", "name": "b", "namespace": "a", "uid": "b"}})
    );
}

#[test]
fn a_headless_service_needs_no_ports_and_one_with_an_address_does() {
    let pods = [pod("a", "10.1.0.1", true)];
    let headless = View::new(service(&json!({"clusterIP": "None"})), &pods, None);
    assert_eq!(brief(&headless), [json!([[], ["10.1.0.1"], []])]);
    assert_eq!(
        json!(headless.labels()),
        json!({"l": "1", MANAGED_BY: MANAGER, HEADLESS: ""})
    );
    let plain = View::new(service(&json!({"clusterIP": "10.0.0.1"})), &pods, None);
    assert!(brief(&plain).is_empty());
    assert_eq!(
        json!(plain.labels()),
        json!({"l": "1", MANAGED_BY: MANAGER})
    );
}

#[test]
fn pods_that_end_or_leave_are_taken_out_unless_all_are_published() {
    let mut leaving = pod("a", "10.1.0.1", true);
    leaving.metadata.deletion_timestamp = Some(
        k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH),
    );
    let mut ended = pod("b", "10.1.0.2", true);
    ended.status.as_mut().unwrap().phase = Some("Failed".to_owned());
    let pods = [leaving, ended, pod("c", "10.1.0.3", false)];
    let spec = |publish: bool| {
        service(
            &json!({"clusterIP": "10.0.0.1", "publishNotReadyAddresses": publish, "ports": [{"port": 9}]}),
        )
    };
    let view = View::new(spec(false), &pods, None);
    assert_eq!(brief(&view), [json!([[9], [], ["10.1.0.3"]])]);
    let view = View::new(spec(true), &pods, None);
    assert_eq!(brief(&view), [json!([[9], ["10.1.0.1", "10.1.0.3"], []])]);
}

#[test]
fn more_than_a_thousand_addresses_are_cut_and_said_to_be() {
    let spec = json!({"clusterIP": "10.0.0.1", "ports": [{"port": 9}]});
    let pods: Vec<Pod> = (0..1100)
        .map(|i| {
            pod(
                &format!("p{i:04}"),
                &format!("10.1.{}.{}", i / 250, i % 250),
                i < 900,
            )
        })
        .collect();
    let view = View::new(service(&spec), &pods, None);
    let subset = &view.subsets[0];
    assert_eq!(subset.addresses.as_ref().unwrap().len(), 900);
    assert_eq!(subset.not_ready_addresses.as_ref().unwrap().len(), 100);
    assert_eq!(
        json!(view.annotations(None)),
        json!({OVER_CAPACITY: "truncated"})
    );
    let few = View::new(service(&spec), &pods[..3], Some(Timestamp::UNIX_EPOCH));
    let old = [(OVER_CAPACITY.to_owned(), "truncated".to_owned())].into();
    assert_eq!(
        json!(few.annotations(Some(&old))),
        json!({TRIGGERED: "1970-01-01T00:00:00Z"})
    );
}

#[test]
fn what_differs_only_in_order_is_left_alone() {
    let spec = json!({"clusterIP": "10.0.0.1", "ports": [{"name": "a", "port": 9}, {"name": "b", "port": 8}]});
    let pods = [pod("a", "10.1.0.1", true), pod("b", "10.1.0.2", true)];
    let view = View::new(service(&spec), &pods, None);
    let mut there = Endpoints {
        subsets: Some(view.subsets.clone()),
        ..Endpoints::default()
    };
    assert!(!view.is_met(&there), "labels are missing");
    there.metadata.labels = Some(view.labels());
    assert!(view.is_met(&there));
    let subset = &mut there.subsets.as_mut().unwrap()[0];
    subset.addresses.as_mut().unwrap().reverse();
    subset.ports.as_mut().unwrap().reverse();
    assert!(view.is_met(&there));
    there.subsets.as_mut().unwrap()[0]
        .ports
        .as_mut()
        .unwrap()
        .pop();
    assert!(!view.is_met(&there));
}
