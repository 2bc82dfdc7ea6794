//! Replays what a real kube-apiserver 1.37.2 answered (`testdata/README.md`).

use super::*;
use crate::{PatchError, json_patch, merge_patch, strategic};

const NOW: &str = "2026-11-23T00:00:00Z";

/// The schema of the custom resource in the exchanges.
fn thing() -> Types {
    let schema = include_str!("../../../testdata/thing.json");
    Types::from_openapi(&serde_json::from_str(schema).unwrap()).unwrap()
}

struct Replay {
    step: Value,
    before: Option<Value>,
}

impl Replay {
    fn text(&self, key: &str) -> &str {
        self.step[key].as_str().unwrap_or("")
    }

    fn reset(&self) -> &'static [&'static str] {
        let group = self
            .text("apiVersion")
            .split_once('/')
            .map_or("", |gv| gv.0);
        reset_fields(group, self.text("plural"), self.text("subresource"))
    }

    fn apply(&self, ty: TypeRef<'_>) -> Result<Value, ApplyError> {
        let mut api_version = self.text("apiVersion");
        if api_version == "example.com/v2" {
            api_version = "example.com/v1";
        }
        apply(&ApplyArgs {
            versions: &OneVersion { api_version, ty },
            api_version,
            live: self.before.as_ref(),
            applied: &self.step["body"],
            manager: self.text("manager"),
            force: self.step["force"] == json!(true),
            subresource: self.text("subresource"),
            now: NOW,
            reset_fields: self.reset(),
        })
    }

    fn patched(&self, ty: TypeRef<'_>) -> Option<Result<Value, PatchError>> {
        let (before, body) = (self.before.as_ref()?, &self.step["body"]);
        Some(match self.text("verb") {
            "json" => json_patch(before, body),
            "merge" => merge_patch(before, body),
            "strategic" => strategic(ty, before, body),
            _ => return None,
        })
    }

    fn tracked(&self, ty: TypeRef<'_>, after: &Value, sent: Option<Value>) -> Value {
        let mut new = after.clone();
        managers::take(&mut new);
        managers::put(&mut new, sent);
        let api_version = self.text("apiVersion");
        let args = UpdateArgs {
            versions: &OneVersion { api_version, ty },
            api_version,
            live: self.before.as_ref(),
            manager: self.text("manager"),
            subresource: self.text("subresource"),
            now: NOW,
            reset_fields: self.reset(),
        };
        track_update(&args, &mut new);
        managers::take(&mut new).unwrap_or_default()
    }
}

/// Managed fields without times, in an order of their own.
fn normal(entries: &Value) -> Vec<Value> {
    let mut entries: Vec<Value> = entries.as_array().cloned().unwrap_or_default();
    for entry in &mut entries {
        if let Some(entry) = entry.as_object_mut() {
            entry.remove("time");
        }
    }
    entries.sort_by_key(Value::to_string);
    entries
}

/// Whether all of ours is in theirs: theirs is defaulted.
fn missing(ours: &Value, theirs: &Value, path: &str, out: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, ours) in ours {
                let path = format!("{path}.{key}");
                match theirs.get(key) {
                    Some(theirs) => missing(ours, theirs, &path, out),
                    None if ours.is_null() => {}
                    // The caller prunes custom resources.
                    None if path.starts_with(".spec.half.known.") => {}
                    None => out.push(format!("{path}: only ours: {ours}")),
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                missing(ours, theirs, &format!("{path}[{at}]"), out);
            }
        }
        (ours, theirs) if ours != theirs => out.push(format!("{path}: {ours} != {theirs}")),
        _ => {}
    }
}

/// A value as the server would have decoded it.
fn decoded(ty: TypeRef<'_>, mut value: Value) -> Value {
    cedge_schema::normalize(ty, &mut value);
    value
}

/// Fields that admission and the resource's own strategy set after ownership was recorded.
const LATER: [&str; 8] = [
    "/spec/tolerations",
    "/spec/preemptionPolicy",
    "/spec/priority",
    "/spec/finalizers",
    "/metadata/finalizers",
    "/metadata/labels/batch.kubernetes.io~1job-name",
    "/spec/template/metadata/labels/batch.kubernetes.io~1job-name",
    "/spec/template/metadata/creationTimestamp",
];

fn without_later(replay: &Replay, after: &Value) -> Value {
    let mut after = after.clone();
    for path in LATER {
        let (way, key) = path.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/");
        let sent = replay.step["body"].pointer(path).is_some();
        let Some(object) = after.pointer_mut(way).and_then(Value::as_object_mut) else {
            continue;
        };
        if replay.text("verb") == "create"
            && !sent
            && object.remove(&key).is_some()
            && key.contains("job-name")
        {
            for label in [
                "batch.kubernetes.io/controller-uid",
                "controller-uid",
                "job-name",
            ] {
                object.remove(label);
            }
            after["spec"].as_object_mut().unwrap().remove("selector");
        }
    }
    after
}

fn check(replay: &Replay, ty: TypeRef<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let after = &replay.step["after"];
    if after.is_object() && decoded(ty, after.clone()) != *after {
        missing(&decoded(ty, after.clone()), after, "normalized", &mut wrong);
        missing(
            after,
            &decoded(ty, after.clone()),
            "not normalized",
            &mut wrong,
        );
    }
    if replay.text("verb") == "apply" {
        check_apply(replay, ty, &mut wrong);
    } else {
        check_write(replay, ty, &mut wrong);
    }
    wrong
}

fn check_apply(replay: &Replay, ty: TypeRef<'_>, wrong: &mut Vec<String>) {
    let after = &replay.step["after"];
    let (code, message) = (&replay.step["code"], replay.text("message"));
    match replay.apply(ty) {
        Ok(ours) if after.is_object() => {
            let mine = normal(&ours["metadata"]["managedFields"]);
            let theirs = normal(&after["metadata"]["managedFields"]);
            if mine != theirs {
                wrong.push(format!(
                    "managed fields\n ours   {}\n theirs {}",
                    json!(mine),
                    json!(theirs)
                ));
            }
            let mut plain = decoded(ty, ours);
            managers::take(&mut plain);
            missing(&plain, after, "", wrong);
        }
        Ok(_) if *code == json!(422) => {}
        Ok(ours) => wrong.push(format!("ours applies: {ours}\n theirs: {message}")),
        Err(error) if after.is_object() => wrong.push(format!("ours fails: {error}")),
        Err(error) => {
            if (json!(error.code()), error.to_string().as_str()) != (code.clone(), message) {
                wrong.push(format!("ours   {}\n theirs {code} {message}", error));
            }
        }
    }
}

fn check_write(replay: &Replay, ty: TypeRef<'_>, wrong: &mut Vec<String>) {
    let after = &replay.step["after"];
    let (code, message) = (&replay.step["code"], replay.text("message"));
    let mut sent = None;
    match replay.patched(ty) {
        Some(Ok(mut ours)) if after.is_object() => {
            sent = managers::take(&mut ours);
            missing(&decoded(ty, ours), after, "", wrong);
        }
        // What is patched is judged later, by others.
        Some(Ok(ours))
            if ![422, 415].contains(&code.as_u64().unwrap_or(0))
                && !message.contains("undeterminable") =>
        {
            wrong.push(format!("ours patches: {ours}\n theirs: {code} {message}"));
        }
        Some(Err(error)) if after.is_object() => wrong.push(format!("ours fails: {error}")),
        Some(Err(error)) => {
            let ours = (json!(error.code()), error.message());
            if ours != (code.clone(), message.to_owned()) {
                wrong.push(format!(
                    "ours   {} {}\n theirs {code} {message}",
                    ours.0, ours.1
                ));
            }
        }
        Some(Ok(_)) => {}
        None if replay.text("verb") == "update" => {
            sent = replay.step["body"]
                .pointer("/metadata/managedFields")
                .cloned();
        }
        None => {}
    }
    if after.is_object() {
        let mine = normal(&replay.tracked(ty, &decoded(ty, without_later(replay, after)), sent));
        let theirs = normal(&after["metadata"]["managedFields"]);
        if mine != theirs {
            wrong.push(format!(
                "managed fields\n ours   {}\n theirs {}",
                json!(mine),
                json!(theirs)
            ));
        }
    }
}

#[test]
fn chosen_exchanges_end_as_with_the_real_server() {
    check_all(include_str!("../../../testdata/exchanges.jsonl"));
}

#[test]
fn random_exchanges_end_as_with_the_real_server() {
    check_all(include_str!("../../../testdata/exchanges-random.jsonl"));
}

fn check_all(lines: &str) {
    let thing = thing();
    let mut last = None;
    let mut wrong = Vec::new();
    for (number, line) in lines.lines().enumerate() {
        let mut step: Value = serde_json::from_str(line).unwrap();
        let before = match &step["before"] {
            Value::Null => None,
            Value::String(_) => last.clone(),
            before => Some(before.clone()),
        };
        if step["after"].is_string() {
            step["after"] = before.clone().unwrap();
        }
        let (api_version, kind) = (
            step["apiVersion"].as_str().unwrap(),
            step["kind"].as_str().unwrap(),
        );
        let ty = Types::builtin()
            .of_api_version(api_version, kind)
            .unwrap_or(thing.root());
        last = if step["after"].is_object() {
            Some(step["after"].clone())
        } else {
            before.clone()
        };
        let replay = Replay { step, before };
        let found = check(&replay, ty);
        if !found.is_empty() {
            let what = format!(
                "{number} {} {} by {}",
                replay.text("case"),
                replay.text("verb"),
                replay.text("manager")
            );
            wrong.push(format!(
                "== {what}: {}\n{}",
                replay.step["body"],
                found.join("\n")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
