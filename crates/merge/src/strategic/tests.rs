use super::*;
use cedge_schema::Types;
use proptest::prelude::*;
use serde_json::json;

fn pod() -> TypeRef<'static> {
    Types::builtin().of("", "v1", "Pod").unwrap()
}

fn check(doc: &Value, patch: &Value, expected: &Value) {
    assert_eq!(
        strategic(pod(), doc, patch).as_ref(),
        Ok(expected),
        "{doc} {patch}"
    );
}

fn containers(list: &Value) -> Value {
    json!({"spec": {"containers": list}})
}

#[test]
fn items_merge_by_their_key_and_keep_their_order() {
    let doc = containers(&json!([{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]));
    check(
        &doc,
        &containers(&json!([{"name": "b", "image": "2"}])),
        &containers(&json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}])),
    );
    // New items stand in front of those that only the object has.
    check(
        &doc,
        &containers(&json!([{"name": "c"}])),
        &containers(
            &json!([{"name": "c"}, {"name": "a", "image": "1"}, {"name": "b", "image": "1"}]),
        ),
    );
    check(
        &doc,
        &containers(&json!([{"name": "b", "image": null}, {"name": "a", "$patch": "delete"}])),
        &containers(&json!([{"name": "b"}])),
    );
    check(
        &doc,
        &containers(&json!([{"$patch": "replace"}, {"name": "z"}])),
        &containers(&json!([{"name": "z"}])),
    );
}

#[test]
fn sets_of_scalars_grow_and_shrink() {
    let doc = json!({"metadata": {"finalizers": ["a", "b"]}});
    check(
        &doc,
        &json!({"metadata": {"finalizers": ["c", "a"]}}),
        &json!({"metadata": {"finalizers": ["c", "a", "b"]}}),
    );
    check(
        &doc,
        &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "q"]}}),
        &json!({"metadata": {"finalizers": ["b"]}}),
    );
    check(
        &doc,
        &json!({"metadata": {"finalizers": ["c"], "$setElementOrder/finalizers": ["b", "c", "a"]}}),
        &json!({"metadata": {"finalizers": ["b", "c", "a"]}}),
    );
}

#[test]
fn lists_without_a_strategy_are_replaced_and_maps_merge() {
    let doc =
        json!({"spec": {"tolerations": [{"key": "a"}], "nodeSelector": {"a": "1", "b": "2"}}});
    check(
        &doc,
        &json!({"spec": {"tolerations": [{"key": "b"}], "nodeSelector": {"a": null, "c": "3"}}}),
        &json!({"spec": {"tolerations": [{"key": "b"}], "nodeSelector": {"b": "2", "c": "3"}}}),
    );
    check(
        &doc,
        &json!({"spec": {"$patch": "replace", "nodeSelector": {"q": "1"}}}),
        &json!({"spec": {"nodeSelector": {"q": "1"}}}),
    );
    check(
        &doc,
        &json!({"spec": {"nodeSelector": {"$patch": "delete"}}}),
        &json!({"spec": {"tolerations": [{"key": "a"}], "nodeSelector": {}}}),
    );
}

#[test]
fn only_retained_keys_stay() {
    let volumes = |list: Value| json!({"spec": {"volumes": list}});
    check(
        &volumes(json!([{"name": "v", "emptyDir": {}}])),
        &volumes(
            json!([{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}]),
        ),
        &volumes(json!([{"name": "v", "secret": {"secretName": "s"}}])),
    );
}

#[test]
fn directives_in_what_is_new_fall_away() {
    check(
        &json!({}),
        &json!({"spec": {"containers": [{"name": "a", "env": [{"name": "X", "$patch": "delete"}]}], "nodeSelector": {"$patch": "delete"}, "x": null}}),
        &json!({"spec": {"containers": [{"name": "a", "env": []}]}}),
    );
}

#[test]
fn malformed_patches_are_told_as_kubernetes_tells_them() {
    let doc = containers(&json!([{"name": "a"}]));
    let cases = [
        (
            containers(&json!([{"image": "x"}])),
            500,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            json!({"spec": {"$retainKeys": "x"}}),
            400,
            "invalid patch format of retainKeys",
        ),
        (
            json!({"spec": {"$retainKeys": ["a"], "b": 1}}),
            400,
            "invalid patch format of retainKeys",
        ),
        (
            json!({"spec": {"$setElementOrder/containers": "x"}}),
            500,
            "expected a []interface {}, but received a string",
        ),
        (
            json!({"$patch": "frob"}),
            500,
            "unknown patch type: frob in map: map[$patch:frob]",
        ),
        (
            containers(&json!([{"name": "a", "$patch": "merge"}])),
            500,
            "merging lists cannot yet be specified in the patch",
        ),
        (
            json!([]),
            400,
            "json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
    ];
    for (patch, code, message) in cases {
        let error = strategic(pod(), &doc, &patch).unwrap_err();
        assert_eq!(
            (error.code(), error.message().as_str()),
            (code, message),
            "{patch}"
        );
    }
}

#[test]
fn a_list_of_ten_thousand_items_merges_in_bounded_time() {
    let many = |from: usize| -> Value {
        (from..from + 10_000)
            .map(|n| json!({"name": format!("c{n}"), "image": "x"}))
            .collect()
    };
    let merged = strategic(pod(), &containers(&many(0)), &containers(&many(5_000))).unwrap();
    assert_eq!(
        merged["spec"]["containers"].as_array().unwrap().len(),
        15_000
    );
}

fn list() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-e]", prop::option::of("[x-z]"), 0..5).prop_map(|items| {
        let items = items.into_iter().map(|(name, image)| match image {
            Some(image) => json!({"name": name, "image": image}),
            None => json!({"name": name}),
        });
        Value::Array(items.collect())
    })
}

proptest! {
    #[test]
    fn a_patch_applied_twice_changes_nothing_more(doc in list(), patch in list()) {
        let (doc, patch) = (containers(&doc), containers(&patch));
        let once = strategic(pod(), &doc, &patch).unwrap();
        prop_assert_eq!(strategic(pod(), &once, &patch).unwrap(), once);
    }

    #[test]
    fn every_item_of_both_sides_is_there_once(doc in list(), patch in list()) {
        let merged = strategic(pod(), &containers(&doc), &containers(&patch)).unwrap();
        let names = |list: &Value| -> std::collections::BTreeSet<String> {
            list.as_array().unwrap().iter().map(|item| item["name"].to_string()).collect()
        };
        let all: std::collections::BTreeSet<String> = &names(&doc) | &names(&patch);
        prop_assert_eq!(names(&merged["spec"]["containers"]), all.clone());
        prop_assert_eq!(merged["spec"]["containers"].as_array().unwrap().len(), all.len());
    }
}
