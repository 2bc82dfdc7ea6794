//! What holds for all objects.

use super::*;
use proptest::prelude::*;

fn thing() -> Types {
    let schema = include_str!("../../../testdata/thing.json");
    Types::from_openapi(&serde_json::from_str(schema).unwrap()).unwrap()
}

fn by(
    types: &Types,
    live: Option<&Value>,
    spec: &Value,
    manager: &str,
    force: bool,
) -> Result<Value, ApplyError> {
    let applied = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec});
    apply(&ApplyArgs {
        versions: &OneVersion {
            api_version: "example.com/v1",
            ty: types.root(),
        },
        api_version: "example.com/v1",
        live,
        applied: &applied,
        manager,
        force,
        subresource: "",
        now: "2026-11-23T00:00:00Z",
        reset_fields: &[],
    })
}

/// Specs whose names all start with a sign, so that two of different signs share nothing.
fn spec(sign: &'static str) -> impl Strategy<Value = Value> {
    let text = "[12]";
    let part = (text, prop::option::of(text), prop::option::of(text)).prop_map(|(v, x, y)| {
        let mut part = json!({"v": v});
        for (key, value) in [("x", x), ("y", y)] {
            if let Some(value) = value {
                part["sub"][key] = value.into();
            }
        }
        part
    });
    (
        prop::collection::btree_map("[abc]", part, 0..3),
        prop::collection::btree_set("[abc]", 0..3),
        prop::collection::btree_map("[abc]", text, 0..3),
        prop::collection::btree_map(
            "[abc]",
            prop::collection::btree_map("[ab]", text, 1..3),
            0..3,
        ),
    )
        .prop_map(move |(parts, tags, free, dict)| {
            let mut spec = serde_json::Map::new();
            let named = |name: &str| format!("{sign}{name}");
            if !parts.is_empty() {
                let parts = parts.into_iter().map(|(name, mut part)| {
                    part["name"] = named(&name).into();
                    part
                });
                spec.insert("parts".into(), parts.collect());
            }
            if !tags.is_empty() {
                spec.insert(
                    "tags".into(),
                    tags.iter().map(|tag| Value::from(named(tag))).collect(),
                );
            }
            if !free.is_empty() {
                let free = free
                    .into_iter()
                    .map(|(key, value)| (named(&key), value.into()));
                spec.insert("free".into(), Value::Object(free.collect()));
            }
            if !dict.is_empty() {
                let dict = dict
                    .into_iter()
                    .map(|(key, value)| (named(&key), json!(value)));
                spec.insert("dict".into(), Value::Object(dict.collect()));
            }
            Value::Object(spec)
        })
}

/// Lists in an order of their own, nothing for what is empty, no book-keeping.
fn content(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(content).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(object) => {
            let pairs = object.iter().filter(|(key, _)| *key != "managedFields");
            let pairs = pairs.map(|(key, value)| (key.clone(), content(value)));
            let is_empty =
                |value: &Value| value.is_null() || *value == json!({}) || *value == json!([]);
            Value::Object(pairs.filter(|(_, value)| !is_empty(value)).collect())
        }
        scalar => scalar.clone(),
    }
}

fn owners(value: &Value) -> Vec<String> {
    let entries = value["metadata"]["managedFields"].as_array().unwrap();
    let mut owners: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} {}", entry["manager"], entry["fieldsV1"]))
        .collect();
    owners.sort();
    owners
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn applying_twice_is_applying_once(a in spec("p"), b in spec("p")) {
        let types = thing();
        let live = by(&types, None, &a, "one", false).unwrap();
        let once = by(&types, Some(&live), &b, "two", true).unwrap();
        let twice = by(&types, Some(&once), &b, "two", true).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn applying_nothing_takes_back_what_was_applied(a in spec("p"), b in spec("q")) {
        let types = thing();
        let live = by(&types, None, &a, "one", false).unwrap();
        let more = by(&types, Some(&live), &b, "two", false).unwrap();
        let less = by(&types, Some(&more), &json!({}), "two", false).unwrap();
        prop_assert_eq!(content(&less), content(&live));
    }

    #[test]
    fn the_order_of_appliers_that_share_nothing_does_not_matter(a in spec("p"), b in spec("q")) {
        let types = thing();
        let in_order = |first: (&Value, &str), second: (&Value, &str)| {
            let live = by(&types, None, first.0, first.1, false).unwrap();
            by(&types, Some(&live), second.0, second.1, false).unwrap()
        };
        let one_two = in_order((&a, "one"), (&b, "two"));
        let two_one = in_order((&b, "two"), (&a, "one"));
        prop_assert_eq!(content(&one_two), content(&two_one));
        prop_assert_eq!(owners(&one_two), owners(&two_one));
    }

    #[test]
    fn what_is_applied_is_there(a in spec("p"), b in spec("p"), c in spec("p")) {
        let types = thing();
        let live = by(&types, None, &a, "one", false).unwrap();
        let live = by(&types, Some(&live), &b, "two", true).unwrap();
        let live = by(&types, Some(&live), &c, "one", true).unwrap();
        let place = Place::of(types.root());
        let wanted = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": c});
        let difference = typed::compare(place, &wanted, &live).unwrap();
        prop_assert!(difference.removed.is_empty() && difference.modified.is_empty(), "{:?}", difference);
    }

    #[test]
    fn a_conflict_names_what_force_would_take(a in spec("p"), b in spec("p")) {
        let types = thing();
        let live = by(&types, None, &a, "one", false).unwrap();
        match by(&types, Some(&live), &b, "two", false) {
            Ok(live) => prop_assert_eq!(live, by(&types, Some(&live_of(&types, &a)), &b, "two", true).unwrap()),
            Err(ApplyError::Conflicts(conflicts)) => {
                prop_assert!(conflicts.iter().len() > 0);
                prop_assert!(conflicts.iter().all(|conflict| conflict.manager() == "one"));
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }
}

fn live_of(types: &Types, spec: &Value) -> Value {
    by(types, None, spec, "one", false).unwrap()
}

#[test]
fn thousands_of_items_are_applied_in_bounded_time() {
    let types = thing();
    let tags: Value = (0..2_000).map(|n| Value::from(format!("t{n}"))).collect();
    let parts: Value = (0..2_000)
        .map(|n| json!({"name": format!("p{n}")}))
        .collect();
    let spec = json!({"tags": tags, "parts": parts});
    let live = by(&types, None, &spec, "one", false).unwrap();
    let other = by(
        &types,
        Some(&live),
        &json!({"tags": ["t5", "x"]}),
        "two",
        false,
    )
    .unwrap();
    let less = by(&types, Some(&other), &json!({}), "one", false).unwrap();
    assert_eq!(less["spec"]["tags"], json!(["t5", "x"]));
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let types = thing();
    let mut deep = json!(1);
    for _ in 0..2_000 {
        deep = json!({"a": deep});
    }
    let error = by(&types, None, &json!({"free": deep}), "one", false).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (400, "error decoding patch: exceeded max depth")
    );
}

#[test]
fn a_write_that_changes_nothing_keeps_its_times() {
    let types = thing();
    let live = by(&types, None, &json!({"n": 1}), "one", false).unwrap();
    let mut new = live.clone();
    new["metadata"]["managedFields"][0]["time"] = json!("2030-01-01T00:00:00Z");
    keep_times_if_unchanged(&live, &mut new);
    assert_eq!(new, live);
    new["spec"]["n"] = json!(2);
    new["metadata"]["managedFields"][0]["time"] = json!("2030-01-01T00:00:00Z");
    let changed = new.clone();
    keep_times_if_unchanged(&live, &mut new);
    assert_eq!(new, changed);
}
