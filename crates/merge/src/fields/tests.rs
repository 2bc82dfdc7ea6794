use super::*;
use proptest::prelude::*;
use serde_json::json;

fn set(paths: &[Path]) -> Set {
    paths.iter().collect()
}

fn key(name: &str) -> Step {
    Step::Key(vec![("name".to_owned(), Scalar(json!(name)))])
}

#[test]
fn sets_are_written_as_fields_v1() {
    let mut containers = fields(&["spec", "containers"]);
    containers.push(key("app"));
    let mut image = containers.clone();
    image.push(Step::Field("image".to_owned()));
    let mut finalizer = fields(&["metadata", "finalizers"]);
    finalizer.push(Step::Value(Scalar(json!("x.io/a"))));
    let mut third = fields(&["args"]);
    third.push(Step::Index(2));
    let wire = json!({
        "f:args": {"i:2": {}},
        "f:metadata": {"f:finalizers": {"v:\"x.io/a\"": {}}},
        "f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}}}},
    });
    let set = set(&[containers, image, finalizer, third]);
    assert_eq!(wire::write(&set), wire);
    assert_eq!(wire::read(&wire), Ok(set.clone()));
    let shown: Vec<String> = set.paths().iter().map(|path| show(path)).collect();
    assert_eq!(
        shown,
        [
            ".args[2]",
            ".metadata.finalizers[=\"x.io/a\"]",
            ".spec.containers[name=\"app\"]",
            ".spec.containers[name=\"app\"].image",
        ]
    );
}

#[test]
fn what_is_no_set_is_refused() {
    for fields in [
        json!([]),
        json!({"x": {}}),
        json!({"ff:x": {}}),
        json!({"v:{": {}}),
        json!({"k:[]": {}}),
        json!({"i:x": {}}),
    ] {
        assert!(wire::read(&fields).is_err(), "{fields}");
    }
    assert_eq!(wire::read(&json!({"z:later": {}})), Ok(Set::default()));
    let mut deep = json!({});
    for _ in 0..1000 {
        deep = json!({"f:a": deep});
    }
    assert_eq!(wire::read(&deep), Err(wire::WireError::TooDeep));
}

#[test]
fn numbers_in_keys_are_sorted_as_numbers() {
    let port = |number: u16| Step::Key(vec![("port".to_owned(), Scalar(json!(number)))]);
    let mut steps = [port(8080), port(443), port(80)];
    steps.sort();
    assert_eq!(
        steps.map(|step| step.to_string()),
        ["[port=80]", "[port=443]", "[port=8080]"]
    );
    assert_eq!(Scalar(json!(1)), Scalar(json!(1.0)));
    assert!(Scalar(json!(9)) < Scalar(json!("1")) && Scalar(json!("z")) < Scalar(json!(false)));
}

fn paths() -> impl Strategy<Value = Vec<Path>> {
    let step = prop_oneof![
        "[abc]".prop_map(Step::Field),
        "[xy]".prop_map(|name| key(&name)),
        (0..3).prop_map(|value| Step::Value(Scalar(json!(value)))),
    ];
    prop::collection::vec(prop::collection::vec(step, 1..4), 0..8)
}

proptest! {
    #[test]
    fn a_written_set_is_read_back(paths in paths()) {
        let set = set(&paths);
        prop_assert_eq!(wire::read(&wire::write(&set)), Ok(set));
    }

    #[test]
    fn sets_obey_the_laws_of_sets(a in paths(), b in paths()) {
        let (a, b) = (set(&a), set(&b));
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert!(a.difference(&b).intersection(&b).is_empty());
        prop_assert!(a.recursive_difference(&a).is_empty());
        for path in a.paths() {
            prop_assert!(a.has(&path));
            prop_assert_eq!(a.difference(&b).has(&path), !b.has(&path));
        }
    }
}
