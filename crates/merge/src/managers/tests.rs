use super::*;
use serde_json::json;

fn entry(manager: &str, operation: &str, time: &str) -> Value {
    json!({
        "manager": manager, "operation": operation, "apiVersion": "v1", "time": time,
        "fieldsType": "FieldsV1", "fieldsV1": {format!("f:{manager}"): {}},
    })
}

#[test]
fn those_who_apply_stand_first_then_the_older() {
    let entries = json!([
        entry("u2", "Update", "2020-01-02T00:00:00Z"),
        entry("u1", "Update", "2020-01-02T00:00:00Z"),
        entry("old", "Update", "2020-01-01T00:00:00Z"),
        entry("a", "Apply", "2020-01-03T00:00:00Z"),
    ]);
    let written = Managers::read(Some(&entries)).unwrap().write().unwrap();
    let names: Vec<&str> = written
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["manager"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a", "old", "u1", "u2"]);
    assert_eq!(
        Managers::read(Some(&written)).unwrap().write().unwrap(),
        written
    );
}

#[test]
fn entries_that_cannot_be_read_are_told() {
    let with = |key: &str, value: Value| {
        let mut entry = entry("a", "Apply", "");
        entry[key] = value;
        Managers::read(Some(&json!([entry]))).unwrap_err()
    };
    assert_eq!(
        with("operation", json!("Frob")),
        "operation must be `Apply` or `Update`"
    );
    assert_eq!(
        with("apiVersion", json!("")),
        "apiVersion must not be empty"
    );
    assert_eq!(
        with("fieldsType", json!("")),
        "missing fieldsType in managed fields entry 0"
    );
    assert_eq!(
        with("fieldsType", json!("V2")),
        "invalid fieldsType \"V2\" in managed fields entry 0"
    );
    assert_eq!(
        with("fieldsV1", json!({"x": {}})),
        "error decoding set: key must be 2 characters long:"
    );
}

#[test]
fn the_oldest_updaters_are_folded_into_one() {
    let entries: Vec<Value> = (0..14)
        .map(|n| {
            entry(
                &format!("u{n:02}"),
                "Update",
                &format!("2020-01-{:02}T00:00:00Z", n + 1),
            )
        })
        .chain([entry("a", "Apply", "2019-01-01T00:00:00Z")])
        .collect();
    let mut managers = Managers::read(Some(&Value::Array(entries))).unwrap();
    managers.cap();
    let names: Vec<&str> = managers
        .all
        .keys()
        .map(|manager| manager.name.as_str())
        .collect();
    let mut expected = vec!["a".to_owned(), ANCIENT.to_owned()];
    expected.extend((5..14).map(|n| format!("u{n:02}")));
    assert_eq!(names, expected);
    let ancient = managers
        .all
        .iter()
        .find(|(manager, _)| manager.name == ANCIENT)
        .unwrap()
        .1;
    assert_eq!(ancient.set.paths().len(), 5);
    assert_eq!(ancient.time.as_deref(), Some("2020-01-05T00:00:00Z"));
    let before = managers.clone();
    managers.cap();
    assert_eq!(managers, before);
}
