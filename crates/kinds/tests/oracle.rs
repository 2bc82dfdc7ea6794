//! What a real kube-apiserver 1.37 said of the same objects, recorded in `testdata/`.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use cedge_kinds::{
    Kind, convert, default_object, of, prepare_create, prepare_update, row_conditions,
    table_columns, table_row, validate,
};
use serde_json::{Value, json};

fn recorded(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn kind_of(object: &Value) -> &'static Kind {
    let version = object["apiVersion"].as_str().unwrap();
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    of(group, version, object["kind"].as_str().unwrap()).unwrap()
}

/// What an object becomes before it is stored.
fn prepared(object: &Value) -> Value {
    let kind = kind_of(object);
    let mut object = object.clone();
    default_object(kind, &mut object);
    object["metadata"]["uid"] = "the-uid".into();
    let storage = kind.storage();
    convert(kind, storage, &mut object);
    default_object(storage, &mut object);
    prepare_create(storage, &mut object, "2026-11-22T10:00:00Z");
    convert(storage, kind, &mut object);
    object
}

fn causes(object: &Value) -> Vec<String> {
    let prepared = prepared(object);
    let errors = validate(kind_of(object), None, &prepared, None);
    errors.iter().map(ToString::to_string).collect()
}

/// The uid of a Job differs from run to run, and the order of map keys is not ours to keep.
fn comparable(text: &str) -> String {
    let shapes = [("Invalid", '{', '}'), ("Invalid", '[', ']')];
    let shapes = shapes
        .into_iter()
        .chain([("Unsupported", '{', '}'), ("Duplicate", '{', '}')]);
    for (kind, open, close) in shapes {
        let start = format!("{kind} value: {open}");
        if let Some((before, rest)) = text.split_once(&start) {
            let (_, detail) = rest.rsplit_once(close).unwrap_or(("", rest));
            return format!("{before}{start}…{close}{detail}");
        }
    }
    text.to_owned()
}

#[test]
fn bad_objects_are_refused_as_kubernetes_refuses_them() {
    let mut wrong = Vec::new();
    let all = recorded(include_str!("../testdata/refusals.json"));
    for case in &all {
        let list = |values: &Value| -> Vec<String> {
            let values = values.as_array().unwrap().iter();
            values.map(|v| comparable(v.as_str().unwrap())).collect()
        };
        let mut expected = list(&case["causes"]);
        let mut ours: Vec<String> = causes(&case["object"])
            .iter()
            .map(|t| comparable(t))
            .collect();
        expected.sort();
        ours.sort();
        if ours != expected {
            let missing: Vec<&String> = expected.iter().filter(|e| !ours.contains(e)).collect();
            let extra: Vec<&String> = ours.iter().filter(|o| !expected.contains(o)).collect();
            wrong.push(format!(
                "{}\n  missing {missing:#?}\n  extra {extra:#?}",
                case["object"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
}

/// Leaves without the parts that admission or the apiserver itself adds.
fn leaves(value: &Value, path: &str, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if fields.is_empty() => {
            drop(out.insert(path.to_owned(), "{}".into()));
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                leaves(value, &format!("{path}.{name}"), out);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                leaves(value, &format!("{path}[{i}]"), out);
            }
        }
        Value::Null => {}
        _ => drop(out.insert(path.to_owned(), value.to_string())),
    }
}

#[test]
fn good_objects_are_completed_as_kubernetes_completes_them() {
    let mut wrong = Vec::new();
    for case in &recorded(include_str!("../testdata/defaults.json")) {
        let ours = prepared(&case["object"]);
        let (mut mine, mut theirs) = (BTreeMap::new(), BTreeMap::new());
        leaves(&ours, "", &mut mine);
        leaves(&case["stored"], "", &mut theirs);
        // Another component's part, or the time of recording.
        for part in [
            ".metadata.uid",
            ".spec.clusterIP",
            ".status.lastPhaseTransitionTime",
        ] {
            mine.remove(part);
            theirs.remove(part);
        }
        let missing: Vec<_> = theirs
            .iter()
            .filter(|(k, v)| mine.get(*k) != Some(v))
            .collect();
        let extra: Vec<_> = mine
            .iter()
            .filter(|(k, v)| theirs.get(*k) != Some(v))
            .collect();
        let errors = validate(kind_of(&ours), None, &ours, None);
        if !missing.is_empty() || !extra.is_empty() || !errors.is_empty() {
            wrong.push(format!(
                "{}\n  missing {missing:?}\n  extra {extra:?}\n  errors {errors:?}",
                case["object"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn rows_read_as_kubernetes_prints_them() {
    let mut wrong = Vec::new();
    for case in &recorded(include_str!("../testdata/tables.json")) {
        let (object, kind) = (&case["object"], kind_of(&case["object"]));
        let now = case["now"].as_str().unwrap().parse().unwrap();
        let columns: Vec<Value> = table_columns(kind)
            .iter()
            .map(|c| json!([c.name, c.kind, c.format, c.priority]))
            .collect();
        let row = Value::from(table_row(kind, object, now));
        let conditions = Value::from(row_conditions(kind, object));
        for (ours, theirs) in [
            (Value::from(columns), &case["columns"]),
            (row, &case["cells"]),
            (conditions, &case["conditions"]),
        ] {
            if ours != *theirs {
                wrong.push(format!(
                    "{}\n  ours   {ours}\n  theirs {theirs}",
                    object["kind"]
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn updates_are_refused_as_kubernetes_refuses_them() {
    // Kubernetes appends what it found to differ, in the shape of Go's values.
    let plain = |text: &str| comparable(text.split('\n').next().unwrap());
    let mut wrong = Vec::new();
    for case in &recorded(include_str!("../testdata/updates.json")) {
        let (old, mut new, kind) = (&case["old"], case["new"].clone(), kind_of(&case["old"]));
        default_object(kind, &mut new);
        prepare_update(kind, None, &mut new, old);
        let errors = validate(kind, None, &new, Some(old));
        let ours: BTreeSet<String> = errors.iter().map(|e| plain(&e.to_string())).collect();
        let theirs = case["causes"].as_array().unwrap().iter();
        let theirs: BTreeSet<String> = theirs.map(|c| plain(c.as_str().unwrap())).collect();
        if ours != theirs {
            wrong.push(format!(
                "{}\n  ours   {ours:?}\n  theirs {theirs:?}",
                new["kind"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
