//! Objects, one a line in `corpus/valid.jsonl` and `corpus/mistakes.jsonl`; what is done with each follows from its kind.

use std::collections::BTreeSet;

use cedge_kinds::Kind;
use serde_json::{Value, json};

use super::begin;
use crate::{Sequence, Step};

const VALID: &str = include_str!("../../corpus/valid.jsonl");
const MISTAKES: &str = include_str!("../../corpus/mistakes.jsonl");

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// Every valid object, and every mistake.
///
/// # Panics
/// If a line of the corpus is no object of a kind that is served.
pub(super) fn all() -> Vec<Sequence> {
    let mut sequences = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, object) in lines(VALID).enumerate() {
        let kind = kind_of(&object);
        let first = seen.insert((kind.group, kind.version, kind.kind));
        let mut sequence = begin(&format!("valid-{i}"));
        // Lists of what has no namespace show what others make.
        sequence.alone = !kind.namespaced;
        let object = placed(object, kind, &sequence.name);
        if first {
            life(kind, &object, &mut sequence.steps);
        } else {
            short(kind, &object, &mut sequence.steps);
        }
        sequences.push(sequence);
    }
    for (i, object) in lines(MISTAKES).enumerate() {
        let kind = kind_of(&object);
        let mut sequence = begin(&format!("mistake-{i}"));
        let object = rooted(object, kind);
        let path = collection(kind);
        sequence
            .steps
            .push(Step::new("POST", format!("{path}?dryRun=All")).with(object));
        sequences.push(sequence);
    }
    sequences
}

fn lines(text: &'static str) -> impl Iterator<Item = Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
}

fn kind_of(object: &Value) -> &'static Kind {
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion")
        .split_once('/')
        .unwrap_or(("", text("apiVersion")));
    cedge_kinds::of(group, version, text("kind")).expect("a kind that is served")
}

/// Names that are unique in the cluster where they must be, and the sequence's namespace.
fn placed(object: Value, kind: &Kind, name: &str) -> Value {
    let mut object = rooted(object, kind);
    object["metadata"]["name"] = match kind.kind {
        // Its name follows from what it serves.
        "APIService" => json!("v1.zz.io"),
        _ if kind.namespaced => json!("one"),
        _ => json!(format!("one-{name}")),
    };
    object
}

fn rooted(mut object: Value, kind: &Kind) -> Value {
    if kind.namespaced {
        object["metadata"]["namespace"] = json!("{ns}");
    }
    if object.pointer("/involvedObject/namespace").is_some() {
        object["involvedObject"]["namespace"] = json!("{ns}");
    }
    object
}

fn collection(kind: &Kind) -> String {
    let group = if kind.group.is_empty() {
        format!("/api/{}", kind.version)
    } else {
        format!("/apis/{}/{}", kind.group, kind.version)
    };
    if kind.namespaced {
        format!("{group}/namespaces/{{ns}}/{}", kind.plural)
    } else {
        format!("{group}/{}", kind.plural)
    }
}

/// Created, read, deleted.
fn short(kind: &Kind, object: &Value, steps: &mut Vec<Step>) {
    let all = collection(kind);
    let one = format!(
        "{all}/{}",
        object["metadata"]["name"].as_str().unwrap_or_default()
    );
    steps.push(Step::new("POST", &all).with(object.clone()));
    steps.push(Step::new("GET", &one));
    steps.push(Step::new("GET", &one).takes(TABLE));
    steps.push(Step::new("DELETE", &one));
}

/// Everything that can be done with an object.
fn life(kind: &Kind, object: &Value, steps: &mut Vec<Step>) {
    let all = collection(kind);
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let one = format!("{all}/{name}");
    let named = format!("{all}?fieldSelector=metadata.name%3D{name}");
    mistakes_of_writers(kind, object, &all, steps);
    steps.push(Step::new("POST", &all).with(object.clone()));
    steps.push(Step::new("POST", &all).with(object.clone()));
    reads(&one, &named, &all, steps);
    updates(kind, object, &one, steps);
    patches(kind, object, &one, steps);
    for sub in &kind.subresources {
        if matches!(sub.name, "status" | "scale") {
            subresource(&format!("{one}/{}", sub.name), steps);
        }
    }
    deletion(&all, &one, &named, steps);
}

fn mistakes_of_writers(kind: &Kind, object: &Value, all: &str, steps: &mut Vec<Step>) {
    let post = |query: &str| Step::new("POST", format!("{all}{query}"));
    let changed = |f: &dyn Fn(&mut Value)| {
        let mut object = object.clone();
        f(&mut object);
        object
    };
    steps.push(post("?dryRun=All").with(object.clone()));
    steps.push(post("?dryRun=Some").with(object.clone()));
    let unknown = changed(&|o| o["nonsense"] = json!(1));
    for validation in ["Strict", "Warn", "Ignore", "Perhaps"] {
        let query = format!("?dryRun=All&fieldValidation={validation}");
        steps.push(post(&query).with(unknown.clone()));
    }
    let wrong = |f: &dyn Fn(&mut Value)| post("?dryRun=All").with(changed(f));
    steps.push(wrong(&|o| o["metadata"]["name"] = json!("Not A Name")));
    steps.push(wrong(&|o| o["metadata"]["name"] = json!("")));
    steps.push(wrong(&|o| o["metadata"]["labels"] = json!({ "a b": "c" })));
    steps.push(wrong(&|o| o["metadata"]["labels"] = json!("none")));
    steps.push(wrong(&|o| o["metadata"]["resourceVersion"] = json!("5")));
    let versioned = changed(&|o| o["metadata"]["resourceVersion"] = json!("5"));
    steps.push(post("").with(versioned));
    steps.push(wrong(&|o| o["metadata"]["namespace"] = json!("elsewhere")));
    steps.push(wrong(&|o| o["kind"] = json!("Nonsense")));
    steps.push(wrong(&|o| o["apiVersion"] = json!("v9")));
    steps.push(wrong(&|o| {
        o["metadata"] = json!({ "generateName": "made-" });
    }));
    steps.push(post("?dryRun=All").with(json!([])));
    steps.push(post("?dryRun=All").with(json!({ "kind": kind.kind })));
}

fn reads(one: &str, named: &str, all: &str, steps: &mut Vec<Step>) {
    steps.push(Step::new("GET", one));
    steps.push(Step::new("GET", one).takes(TABLE));
    steps.push(Step::new("GET", format!("{one}?includeObject=Object")).takes(TABLE));
    steps.push(Step::new("GET", one).takes(METADATA));
    steps.push(Step::new("GET", one).takes("application/xml"));
    steps.push(Step::new("GET", format!("{one}?resourceVersion=x")));
    steps.push(Step::new("GET", named));
    steps.push(Step::new("GET", named).takes(TABLE));
    steps.push(Step::new("GET", named).takes(METADATA_LIST));
    steps.push(Step::new(
        "GET",
        format!("{named}&labelSelector=nobody%3Dhas"),
    ));
    for query in [
        "labelSelector=a+in+b",
        "fieldSelector=spec.nonsense%3D1",
        "limit=-1",
        "limit=x",
        "continue=nonsense",
        "resourceVersion=0&resourceVersionMatch=Exact",
        "resourceVersionMatch=Exact",
        "resourceVersion=99999999",
        "timeoutSeconds=x",
    ] {
        if query != "resourceVersion=99999999" {
            steps.push(Step::new("GET", format!("{all}?{query}")));
        }
    }
}

fn updates(kind: &Kind, object: &Value, one: &str, steps: &mut Vec<Step>) {
    let mut stale = object.clone();
    stale["metadata"]["resourceVersion"] = json!("1");
    steps.push(Step::new("PUT", one).with(stale));
    let mut fresh = object.clone();
    fresh["metadata"]["resourceVersion"] = json!("{rv}");
    fresh["metadata"]["labels"]["colour"] = json!("red");
    steps.push(Step::new("GET", one));
    steps.push(Step::new("PUT", one).with(fresh.clone()));
    let mut other = fresh.clone();
    other["metadata"]["name"] = json!("another");
    steps.push(Step::new("PUT", one).with(other));
    let mut unconditional = object.clone();
    unconditional["metadata"]["labels"]["colour"] = json!("green");
    steps.push(Step::new("PUT", format!("{one}?fieldManager=somebody")).with(unconditional));
    let mut foreign = object.clone();
    foreign["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000000");
    steps.push(Step::new("PUT", one).with(foreign));
    if kind.verbs.contains(&"update") {
        steps.push(Step::new("PUT", format!("{one}-not")).with(object.clone()));
    }
}

fn patches(kind: &Kind, object: &Value, one: &str, steps: &mut Vec<Step>) {
    let patch = |content, body: Value| Step::new("PATCH", one).of(content).with(body);
    let annotated = |value: Value| json!({ "metadata": { "annotations": { "note": value } } });
    steps.push(patch(MERGE, annotated(json!("one"))));
    steps.push(patch(MERGE, annotated(json!("one"))));
    steps.push(patch(MERGE, annotated(Value::Null)));
    steps.push(patch(STRATEGIC, annotated(json!("two"))));
    steps.push(patch(
        STRATEGIC,
        json!({ "metadata": { "labels": { "$patch": "replace", "only": "this" } } }),
    ));
    steps.push(patch(
        STRATEGIC,
        json!({ "metadata": { "finalizers": ["example.com/held"] } }),
    ));
    steps.push(patch(
        STRATEGIC,
        json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["example.com/held"] } }),
    ));
    steps.push(patch(
        JSON_PATCH,
        json!([{ "op": "add", "path": "/metadata/annotations/more", "value": "three" }]),
    ));
    steps.push(patch(
        JSON_PATCH,
        json!([{ "op": "test", "path": "/metadata/annotations/more", "value": "four" }]),
    ));
    steps.push(patch(
        JSON_PATCH,
        json!([{ "op": "remove", "path": "/nothing" }]),
    ));
    steps.push(patch(JSON_PATCH, json!({ "op": "remove" })));
    steps.push(patch(MERGE, json!({ "metadata": { "name": "another" } })));
    steps.push(patch(
        MERGE,
        json!({ "metadata": { "resourceVersion": "1" } }),
    ));
    steps.push(patch(MERGE, json!({ "nonsense": 1 })));
    steps.push(patch("application/json", json!({})));
    let identity = json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"],
        "metadata": { "name": object["metadata"]["name"], "labels": { "applied": "yes" } },
    });
    let apply = |query: &str, body: Value| {
        Step::new("PATCH", format!("{one}{query}"))
            .of(APPLY)
            .with(body)
    };
    steps.push(apply("", identity.clone()));
    steps.push(apply("?fieldManager=first", identity.clone()));
    let mut conflicting = identity.clone();
    conflicting["metadata"]["labels"]["applied"] = json!("no");
    steps.push(apply("?fieldManager=second", conflicting.clone()));
    steps.push(apply("?fieldManager=second&force=true", conflicting));
    steps.push(apply(
        "?fieldManager=first",
        json!({
            "apiVersion": identity["apiVersion"], "kind": identity["kind"],
            "metadata": { "name": identity["metadata"]["name"] },
        }),
    ));
    let mut whole = object.clone();
    whole["metadata"]["labels"]["whole"] = json!("yes");
    steps.push(apply("?fieldManager=third&dryRun=All", whole));
    if kind.verbs.contains(&"patch") {
        steps.push(
            Step::new("PATCH", format!("{one}-not"))
                .of(MERGE)
                .with(json!({})),
        );
    }
}

fn subresource(path: &str, steps: &mut Vec<Step>) {
    steps.push(Step::new("GET", path));
    steps.push(Step::new("GET", path).takes(TABLE));
    let body = json!({ "metadata": { "annotations": { "by": "status" } } });
    steps.push(Step::new("PATCH", path).of(MERGE).with(body));
    if path.ends_with("/scale") {
        let more = json!({ "spec": { "replicas": 3 } });
        steps.push(Step::new("PATCH", path).of(MERGE).with(more));
        let fewer = json!({ "spec": { "replicas": -1 } });
        steps.push(Step::new("PATCH", path).of(MERGE).with(fewer));
    }
    steps.push(Step::new("DELETE", path));
}

fn deletion(all: &str, one: &str, named: &str, steps: &mut Vec<Step>) {
    let options = |extra: Value| {
        let mut options = json!({ "apiVersion": "v1", "kind": "DeleteOptions" });
        if let (Some(options), Some(extra)) = (options.as_object_mut(), extra.as_object()) {
            options.extend(extra.clone());
        }
        options
    };
    let precondition =
        json!({ "preconditions": { "uid": "00000000-0000-0000-0000-000000000000" } });
    steps.push(Step::new("DELETE", one).with(options(precondition)));
    steps.push(Step::new("DELETE", one).with(options(json!({ "propagationPolicy": "Sometimes" }))));
    steps.push(Step::new("DELETE", one).with(options(
        json!({ "gracePeriodSeconds": -5, "dryRun": ["All"] }),
    )));
    steps.push(Step::new("DELETE", format!("{one}?dryRun=All")));
    let held = json!({ "metadata": { "finalizers": ["example.com/held"] } });
    steps.push(Step::new("PATCH", one).of(MERGE).with(held));
    steps.push(Step::new("DELETE", one).with(options(json!({ "gracePeriodSeconds": 0 }))));
    steps.push(Step::new("GET", one));
    let freed = json!({ "metadata": { "finalizers": null } });
    steps.push(Step::new("PATCH", one).of(MERGE).with(freed));
    steps.push(Step::new("GET", one));
    steps.push(Step::new("DELETE", one));
    steps.push(Step::new(
        "DELETE",
        format!("{all}?labelSelector=nobody%3Dhas"),
    ));
    steps.push(Step::new("GET", named));
    steps.push(Step::new("POST", one).with(json!({})));
}
