use super::*;
use cedge_schema::Types;
use serde_json::json;

fn thing() -> Types {
    let schema = include_str!("../../testdata/thing.json");
    Types::from_openapi(&serde_json::from_str(schema).unwrap()).unwrap()
}

/// `[live, applied]` lists of tags and what they merge to, as the reference implementation orders them.
#[test]
fn merged_lists_keep_the_applied_order_around_what_is_live() {
    let types = thing();
    let place = Place::of(types.root());
    let cases = [
        (json!([]), json!(["a"]), json!(["a"])),
        (json!(["a", "b"]), json!(["b", "a"]), json!(["b", "a"])),
        (
            json!(["a", "b", "c"]),
            json!(["c", "a"]),
            json!(["b", "c", "a"]),
        ),
        (json!(["a", "b"]), json!(["c"]), json!(["a", "b", "c"])),
        (
            json!(["a", "b", "c"]),
            json!(["b", "x"]),
            json!(["a", "b", "c", "x"]),
        ),
        (
            json!(["a", "b", "c"]),
            json!(["x", "b"]),
            json!(["a", "x", "b", "c"]),
        ),
        (
            json!(["1", "2", "3"]),
            json!(["3", "2", "1"]),
            json!(["3", "2", "1"]),
        ),
        (
            json!(["a", "b", "d", "c", "e"]),
            json!(["c", "f", "a"]),
            json!(["b", "d", "c", "e", "f", "a"]),
        ),
    ];
    for (live, applied, expected) in cases {
        let of = |tags: &Value| json!({"spec": {"tags": tags}});
        let merged = merge(place, Some(&of(&live)), Some(&of(&applied)))
            .unwrap()
            .unwrap();
        assert_eq!(merged["spec"]["tags"], expected, "{live} {applied}");
    }
}

#[test]
fn items_that_are_stored_twice_are_owned_as_one() {
    let types = thing();
    let place = Place::of(types.root());
    let live = json!({"spec": {"tags": ["a", "a", "b"], "parts": [{"name": "p", "v": "1"}, {"name": "p", "v": "2"}]}});
    let paths: Vec<String> = to_set(place, &live)
        .paths()
        .iter()
        .map(|path| crate::fields::show(path))
        .collect();
    assert_eq!(
        paths,
        [
            ".spec.parts[kind=\"std\",name=\"p\"]",
            ".spec.tags[=\"a\"]",
            ".spec.tags[=\"b\"]"
        ]
    );
    let unique = json!({"spec": {"tags": ["a", "b"]}});
    let difference = compare(place, &live, &unique).unwrap();
    assert!(difference.modified.is_empty());
    assert!(!difference.removed.is_empty());
}

#[test]
fn a_map_that_became_one_value_is_owned_as_one_value() {
    let types = thing();
    let place = Place::of(types.root());
    let mut old = crate::fields::Set::default();
    old.insert(&crate::fields::fields(&["spec", "atom", "a"]));
    old.insert(&crate::fields::fields(&["spec", "n"]));
    let new = reconcile(place, &old).unwrap();
    let paths: Vec<String> = new
        .paths()
        .iter()
        .map(|path| crate::fields::show(path))
        .collect();
    assert_eq!(paths, [".spec.atom", ".spec.n"]);
    assert_eq!(reconcile(place, &new), None);
}

#[test]
fn what_does_not_fit_is_told_with_its_path() {
    let types = thing();
    let check = |spec: Value, expected: &str| {
        let problems = validate(Place::of(types.root()), &json!({"spec": spec}));
        assert_eq!(tell(&problems), expected);
    };
    check(
        json!({"n": "x"}),
        ".spec.n: expected numeric (int or float), got string",
    );
    check(
        json!({"tags": {"a": 1}}),
        ".spec.tags: expected list, got &{map[a:1]}",
    );
    check(
        json!({"tags": ["a", "a"], "n": {}}),
        "errors:\n  .spec.n: expected numeric (int or float), got map[string]interface {}\n  .spec.tags: duplicate entries for key [=\"a\"]",
    );
    check(
        json!({"parts": [{"name": "a", "sub": {"x": 1}}]}),
        ".spec.parts[kind=\"std\",name=\"a\"].sub.x: expected string, got &value.valueUnstructured{Value:1}",
    );
}
