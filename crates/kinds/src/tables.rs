//! How `kubectl get` shows an object: columns and cells.
//!
//! The columns of all kinds stand in `data/columns.txt`; how the cells of a kind are made stands in the module of
//! its group. A kind without columns of its own shows its name and when it was created.

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::read::Read;
use crate::registry::{Kind, of};
use crate::{convert, time};

mod access;
mod autoscaler;
mod core;
mod network;
mod pods;
mod storage;
mod workloads;

/// One column of a table, as `meta/v1` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `Name`, in the writing that the API uses; kubectl prints it in capitals.
    pub name: &'static str,
    /// `string`, `integer`, `boolean` or `date`.
    pub kind: &'static str,
    /// `name` for the column that names the object.
    pub format: &'static str,
    /// What the column says.
    pub description: String,
    /// 0: always shown, 1: with `-o wide`.
    pub priority: i32,
}

type Columns = HashMap<(&'static str, &'static str), Vec<Column>>;

static COLUMNS: LazyLock<Columns> = LazyLock::new(|| parse(include_str!("../data/columns.txt")));

/// The columns of a kind.
#[must_use]
pub fn table_columns(kind: &Kind) -> &'static [Column] {
    let group = if kind.kind == "Event" { "" } else { kind.group };
    COLUMNS
        .get(&(group, kind.kind))
        .or_else(|| COLUMNS.get(&("rbac.authorization.k8s.io", "Role")))
        .map_or(&[], Vec::as_slice)
}

/// The cells of one object, in the order of [`table_columns`].
#[must_use]
pub fn table_row(kind: &Kind, object: &Value, now: Timestamp) -> Vec<Value> {
    let storage = kind.storage();
    if storage == kind {
        return row(kind, object, now);
    }
    let mut stored = object.clone();
    convert(kind, storage, &mut stored);
    row(storage, &stored, now)
}

/// Puts objects into the order in which a table shows them: flow schemas as they are matched, all else as it is listed.
pub fn sort_rows(kind: &Kind, objects: &mut [Value]) {
    if kind.is("flowcontrol.apiserver.k8s.io", "FlowSchema") {
        objects.sort_by_key(|schema| {
            let precedence = schema["spec"].int("matchingPrecedence").unwrap_or(0);
            (precedence, schema["metadata"].text("name").to_owned())
        });
    }
}

/// What `conditions` of a row say: whether the object has come to its end.
#[must_use]
pub fn row_conditions(kind: &Kind, object: &Value) -> Vec<Value> {
    if !kind.is("", "Pod") {
        return Vec::new();
    }
    let phase = object["status"].text("phase");
    let message = match phase {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => return Vec::new(),
    };
    vec![json!({"type": "Completed", "status": "True", "reason": phase, "message": message})]
}

fn row(kind: &Kind, object: &Value, now: Timestamp) -> Vec<Value> {
    let view = View::new(object, now);
    core::cells(kind, &view)
        .or_else(|| workloads::cells(kind, &view))
        .or_else(|| network::cells(kind, &view))
        .or_else(|| storage::cells(kind, &view))
        .or_else(|| access::cells(kind, &view))
        .unwrap_or_else(|| vec![view.name(), view.meta.text("creationTimestamp").into()])
}

/// An object whose row is made.
struct View<'a> {
    object: &'a Value,
    meta: &'a Value,
    spec: &'a Value,
    status: &'a Value,
    now: Timestamp,
}

impl<'a> View<'a> {
    fn new(object: &'a Value, now: Timestamp) -> Self {
        Self {
            object,
            meta: object.field("metadata"),
            spec: object.field("spec"),
            status: object.field("status"),
            now,
        }
    }

    fn name(&self) -> Value {
        self.meta.text("name").into()
    }

    fn age(&self) -> Value {
        self.since(self.meta.field("creationTimestamp")).into()
    }

    fn since(&self, time: &Value) -> String {
        time::since(time, self.now)
    }

    fn is_deleted(&self) -> bool {
        self.meta.has("deletionTimestamp")
    }
}

/// A number of the status or spec, 0 if absent.
fn count(value: &Value, name: &str) -> Value {
    value.int(name).unwrap_or(0).into()
}

/// A text, or what stands for none.
fn text_or(value: &Value, name: &str, none: &str) -> Value {
    match value.text(name) {
        "" => none.into(),
        text => text.into(),
    }
}

/// Labels as `a=b,c=d`.
fn labels(labels: &Value) -> Value {
    let pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")))
        .collect();
    or_none(pairs.join(","))
}

fn or_none(text: String) -> Value {
    if text.is_empty() {
        "<none>".into()
    } else {
        text.into()
    }
}

/// A `LabelSelector` as `a=b,c in (d,e)`; empty if it selects all or nothing.
fn selector(selector: &Value) -> String {
    let mut parts: Vec<(&str, String)> = selector
        .entries("matchLabels")
        .map(|(key, value)| (key, format!("{key}={}", value.as_str().unwrap_or(""))))
        .collect();
    for expression in selector.items("matchExpressions") {
        let key = expression.text("key");
        let mut values: Vec<&str> = expression
            .items("values")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        values.sort_unstable();
        let values = values.join(",");
        let text = match expression.text("operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        parts.push((key, text));
    }
    parts.sort_by(|a, b| a.0.cmp(b.0));
    let parts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    parts.join(",")
}

/// Names and images of containers, each list with commas.
fn containers(spec: &Value) -> (Value, Value) {
    let join = |name: &str| -> Value {
        let items: Vec<&str> = spec
            .items("containers")
            .iter()
            .map(|c| c.text(name))
            .collect();
        items.join(",").into()
    };
    (join("name"), join("image"))
}

/// At most `max` of a list, with the number of those left out.
fn with_more(list: &[String], max: usize, none: &str) -> Value {
    if list.is_empty() {
        return none.into();
    }
    let shown = list[..list.len().min(max)].join(",");
    if list.len() > max {
        format!("{shown} + {} more...", list.len() - max).into()
    } else {
        shown.into()
    }
}

fn parse(text: &'static str) -> Columns {
    let mut shared: HashMap<&str, &str> = HashMap::new();
    let mut all = Columns::new();
    let mut current = ("", "");
    for line in text
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        if let Some(head) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            let (group_version, kind) = head.split_once(' ').unwrap_or(("", head));
            let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
            debug_assert!(
                of(group, version, kind).is_some(),
                "{head} is a kind of ours"
            );
            current = (group, kind);
        } else if let Some((name, description)) =
            line.split_once('=').filter(|_| line.starts_with('$'))
        {
            shared.insert(name, description);
        } else if let Some(column) = parse_column(line, &shared) {
            all.entry(current).or_default().push(column);
        }
    }
    all
}

fn parse_column(line: &'static str, shared: &HashMap<&str, &str>) -> Option<Column> {
    let mut parts = line.splitn(5, '|');
    let (name, kind, format) = (parts.next()?, parts.next()?, parts.next()?);
    let priority = parts.next()?.parse().ok()?;
    let description = parts.next()?;
    Some(Column {
        name,
        kind,
        format,
        priority,
        description: shared
            .get(description)
            .unwrap_or(&description)
            .replace("\\n", "\n"),
    })
}

#[cfg(test)]
mod tests;
