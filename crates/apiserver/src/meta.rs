//! Short ways into an object's metadata.

use serde_json::{Map, Value, json};

/// Text at `metadata.FIELD`; empty if it is not there.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

pub(crate) fn name(object: &Value) -> &str {
    text(object, "name")
}

pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "namespace")
}

pub(crate) fn uid(object: &Value) -> &str {
    text(object, "uid")
}

/// The metadata, made if it is not an object.
pub(crate) fn of(object: &mut Value) -> &mut Map<String, Value> {
    fields(object, "metadata")
}

/// An object in a field, made if it is not one.
pub(crate) fn fields<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    if !object.is_object() {
        *object = json!({});
    }
    let slot = &mut object[field];
    if !slot.is_object() {
        *slot = json!({});
    }
    slot.as_object_mut().expect("it was made one just now")
}

pub(crate) fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    of(object).insert(field.to_owned(), value.into());
}

pub(crate) fn remove(object: &mut Value, field: &str) {
    of(object).remove(field);
}

/// Copies a field of the metadata, or removes it where there is none.
pub(crate) fn copy(from: &Value, to: &mut Value, field: &str) {
    match from["metadata"].get(field) {
        Some(value) if !value.is_null() => set(to, field, value.clone()),
        _ => remove(to, field),
    }
}

pub(crate) fn set_revision(object: &mut Value, revision: u64) {
    set(object, "resourceVersion", revision.to_string());
}

pub(crate) fn finalizers(object: &Value) -> Vec<String> {
    let list = object["metadata"]["finalizers"].as_array();
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(ToOwned::to_owned).collect()
}

pub(crate) fn set_finalizers(object: &mut Value, finalizers: Vec<String>) {
    if finalizers.is_empty() {
        remove(object, "finalizers");
    } else {
        set(object, "finalizers", finalizers);
    }
}

pub(crate) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Whether nothing holds a deleted object any more: no finalizer, and no time left to end gracefully.
pub(crate) fn may_go(object: &Value) -> bool {
    let finalizers = object["metadata"]["finalizers"].as_array();
    is_deleting(object)
        && finalizers.is_none_or(Vec::is_empty)
        && object["metadata"]["deletionGracePeriodSeconds"]
            .as_i64()
            .unwrap_or(0)
            == 0
}

/// Whether two objects are the same but for the times at which managers wrote.
pub(crate) fn same_but_for_times(a: &Value, b: &Value) -> bool {
    let (Some(x), Some(y)) = (a.as_object(), b.as_object()) else {
        return a == b;
    };
    x.len() == y.len()
        && x.iter().all(|(key, value)| match y.get(key) {
            None => false,
            Some(other) if key == "metadata" => same_metadata(value, other),
            Some(other) => value == other,
        })
}

fn same_metadata(a: &Value, b: &Value) -> bool {
    let (Some(x), Some(y)) = (a.as_object(), b.as_object()) else {
        return a == b;
    };
    let present = |m: &Map<String, Value>| m.iter().filter(|(k, _)| *k != "managedFields").count();
    let rest = x
        .iter()
        .filter(|(k, _)| *k != "managedFields")
        .all(|(k, v)| y.get(k) == Some(v));
    rest && present(x) == present(y)
        && same_managers(x.get("managedFields"), y.get("managedFields"))
}

fn same_managers(a: Option<&Value>, b: Option<&Value>) -> bool {
    let list = |v: Option<&Value>| v.and_then(Value::as_array).cloned().unwrap_or_default();
    let (mut x, mut y) = (list(a), list(b));
    for entry in x.iter_mut().chain(&mut y) {
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("time");
        }
    }
    x == y
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_managers_do_not_make_a_difference() {
        let at = |time: &str, data: &str| json!({"metadata": {"name": "a", "managedFields": [{"manager": "x", "time": time}]}, "data": data});
        assert!(same_but_for_times(&at("1", "d"), &at("2", "d")));
        assert!(!same_but_for_times(&at("1", "d"), &at("1", "e")));
        let fewer = json!({"metadata": {"name": "a"}, "data": "d"});
        assert!(!same_but_for_times(&at("1", "d"), &fewer));
    }

    #[test]
    fn a_deleted_object_goes_when_nothing_holds_it() {
        let mut object = json!({"metadata": {"deletionTimestamp": "t", "finalizers": ["x"]}});
        assert!(!may_go(&object));
        set_finalizers(&mut object, vec![]);
        assert!(may_go(&object));
        set(&mut object, "deletionGracePeriodSeconds", 30);
        assert!(!may_go(&object));
    }
}
