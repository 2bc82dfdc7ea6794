//! `allOf`, `anyOf`, `oneOf` and `not`.

use serde_json::Value;

use cedge_kinds::error::quote;

use super::found::Found;
use super::judge;
use crate::node::Node;

pub(super) fn judge_alternatives(value: &Value, node: &Node, path: &str, found: &mut Found) {
    found.matches += 1;
    if !node.any_of.is_empty() {
        match try_all(value, &node.any_of, path) {
            (1.., _, Some(first)) => found.merge(first),
            (_, best, _) => {
                found.composite(format!(
                    "{} must validate at least one schema (anyOf)",
                    quote(path)
                ));
                found.merge(best.unwrap_or_default());
            }
        }
    }
    if !node.one_of.is_empty() {
        match try_all(value, &node.one_of, path) {
            (1, _, Some(first)) => found.merge(first),
            (valid, best, _) => {
                let (more, best) = match valid {
                    0 => ("Found none valid".to_owned(), best),
                    n => (format!("Found {n} valid alternatives"), None),
                };
                found.composite(format!(
                    "{} must validate one and only one schema (oneOf). {more}",
                    quote(path)
                ));
                found.merge(best.unwrap_or_default());
            }
        }
    }
    if !node.all_of.is_empty() {
        judge_all_of(value, node, path, found);
    }
    if let Some(not) = &node.not {
        let mut inner = Found::default();
        judge(value, None, not, path, &mut inner);
        if inner.issues.is_empty() {
            found.composite(format!(
                "{} must not validate the schema (not)",
                quote(path)
            ));
        }
    }
}

pub(super) fn judge_all_of(value: &Value, node: &Node, path: &str, found: &mut Found) {
    let mut valid = 0;
    for schema in &node.all_of {
        let mut inner = Found::default();
        judge(value, None, schema, path, &mut inner);
        valid += usize::from(inner.issues.is_empty());
        found.merge(inner);
    }
    if valid != node.all_of.len() {
        let none = if valid == 0 { ". None validated" } else { "" };
        found.composite(format!(
            "{} must validate all the schemas (allOf){none}",
            quote(path)
        ));
    }
}

/// How many alternatives hold, the best of those that do not, and the first that does.
fn try_all(
    value: &Value,
    alternatives: &[Node],
    path: &str,
) -> (usize, Option<Found>, Option<Found>) {
    let (mut valid, mut best, mut first) = (0, None::<Found>, None);
    for schema in alternatives {
        let mut inner = Found::default();
        judge(value, None, schema, path, &mut inner);
        if inner.issues.is_empty() {
            valid += 1;
            first.get_or_insert(inner);
        } else if best.as_ref().is_none_or(|b| inner.matches > b.matches) {
            best = Some(inner);
        }
    }
    (valid, best, first)
}
