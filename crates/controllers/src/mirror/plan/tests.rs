use serde_json::{Value, json};

use super::*;

fn endpoints(subsets: &Value) -> Endpoints {
    let metadata = json!({"name": "s", "namespace": "a", "uid": "u", "labels": {"l": "1"},
        "annotations": {"note": "x", TRIGGERED: "now"}});
    serde_json::from_value(json!({"metadata": metadata, "subsets": subsets})).unwrap()
}

fn addresses_of(slice: &EndpointSlice) -> Vec<(String, bool)> {
    let all = slice.endpoints.iter().flatten();
    let ready = |e: &Endpoint| e.conditions.as_ref().and_then(|c| c.ready).unwrap();
    all.map(|e| (e.addresses.join(" "), ready(e))).collect()
}

fn created(plan: Plan) -> Vec<EndpointSlice> {
    let changes = plan.changes.into_iter();
    changes
        .map(|change| match change {
            Change::Create(slice) => slice,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn each_set_of_ports_and_kind_of_address_has_a_slice() {
    let wanted = endpoints(&json!([
        {"addresses": [{"ip": "10.0.0.1", "hostname": "h"}, {"ip": "fd00::1"}], "notReadyAddresses": [{"ip": "10.0.0.2"}],
            "ports": [{"name": "a", "port": 1, "protocol": "TCP"}]},
        {"addresses": [{"ip": "10.0.0.9"}], "ports": [{"port": 2, "protocol": "UDP"}]},
    ]));
    let slices = created(Plan::new(&wanted, &[]));
    let brief: Vec<_> = slices
        .iter()
        .map(|s| (s.address_type.as_str(), addresses_of(s)))
        .collect();
    let list = |all: &[(&str, bool)]| -> Vec<(String, bool)> {
        all.iter().map(|(ip, r)| ((*ip).to_owned(), *r)).collect()
    };
    assert_eq!(
        brief,
        [
            ("IPv4", list(&[("10.0.0.9", true)])),
            ("IPv4", list(&[("10.0.0.1", true), ("10.0.0.2", false)])),
            ("IPv6", list(&[("fd00::1", true)])),
        ]
    );
    let metadata = &slices[0].metadata;
    assert_eq!(metadata.generate_name.as_deref(), Some("s-"));
    assert_eq!(
        metadata.annotations,
        Some([("note".to_owned(), "x".to_owned())].into())
    );
    assert_eq!(metadata.labels.as_ref().unwrap()[MANAGED_BY], MANAGER);
    assert_eq!(
        slices[0].ports.as_ref().unwrap()[0].name.as_deref(),
        Some("")
    );
}

#[test]
fn what_is_as_it_should_be_stays_and_what_is_not_wanted_becomes_what_is() {
    let of = |ip: &str, port: i32| {
        endpoints(
            &json!([{"addresses": [{"ip": ip}], "ports": [{"port": port, "protocol": "TCP"}]}]),
        )
    };
    let there = created(Plan::new(&of("10.0.0.1", 1), &[]));
    assert_eq!(Plan::new(&of("10.0.0.1", 1), &there).changes, []);
    let other = created(Plan::new(&of("10.0.0.1", 2), &[])).remove(0);
    assert_eq!(
        Plan::new(&of("10.0.0.1", 2), &there).changes,
        [Change::Replace(0, other)]
    );
    let six = Plan::new(&of("fd00::1", 1), &there).changes;
    assert!(
        matches!(six[..], [Change::Create(_), Change::Delete(0)]),
        "{six:?}"
    );
    let none = endpoints(&json!([]));
    assert_eq!(Plan::new(&none, &there).changes, [Change::Delete(0)]);
    let mut again = of("10.0.0.1", 1);
    again.metadata.uid = Some("another".to_owned());
    let replaced = Plan::new(&again, &there).changes;
    assert!(
        matches!(replaced[..], [Change::Replace(0, _)]),
        "{replaced:?}"
    );
}

#[test]
fn who_is_told_of_twice_is_there_once_and_not_ready() {
    let wanted = endpoints(&json!([
        {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 1, "protocol": "TCP"}]},
        {"notReadyAddresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 1, "protocol": "TCP"}]},
    ]));
    let slices = created(Plan::new(&wanted, &[]));
    assert_eq!(slices.len(), 1);
    assert_eq!(addresses_of(&slices[0]), [("10.0.0.1".to_owned(), false)]);
}

#[test]
fn addresses_that_are_none_or_too_many_have_no_mirror() {
    let many = (0..=PER_SUBSET).map(|i| json!({"ip": format!("10.0.{}.{}", i / 250, i % 250)}));
    let mut many: Vec<Value> = many.collect();
    many.push(json!({"ip": "nowhere"}));
    let wanted = endpoints(&json!([{"addresses": many}]));
    let plan = Plan::new(&wanted, &[]);
    assert_eq!((plan.invalid, plan.skipped), (0, 2));
    let few = endpoints(&json!([{"addresses": [{"ip": "nowhere"}, {"ip": "10.0.0.1"}]}]));
    let plan = Plan::new(&few, &[]);
    assert_eq!((plan.invalid, plan.skipped), (1, 1));
    assert_eq!(created(plan).len(), 1);
}
