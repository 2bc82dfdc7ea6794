//! Merging of lists, and the order of what comes out.

use std::collections::{HashMap, HashSet};

use cedge_schema::TypeRef;
use serde_json::Value;

use crate::error::PatchError;
use crate::go;
use crate::strategic::{DIRECTIVE, merge_objects, no_merge_key, wrong_type};

/// What the type of a list says about merging it.
pub(super) struct ListRule<'t> {
    pub(super) merges: bool,
    key: Option<&'t str>,
    item: Option<TypeRef<'t>>,
}

// === impl ListRule ===

impl<'t> ListRule<'t> {
    pub(super) fn of(list: Option<TypeRef<'t>>) -> Self {
        Self {
            merges: list.is_some_and(|list| list.patch_strategy().merge),
            key: list.and_then(TypeRef::patch_merge_key),
            item: list.and_then(TypeRef::item),
        }
    }

    /// What tells an item apart from others, as text that can be compared.
    fn identity(&self, item: &Value) -> Result<String, PatchError> {
        match self.key {
            None => Ok(item.to_string()),
            Some(key) => {
                let Value::Object(object) = item else {
                    return Err(wrong_type("map[string]interface {}", item));
                };
                match object.get(key) {
                    Some(value) => Ok(value.to_string()),
                    None => Err(no_merge_key(item, key)),
                }
            }
        }
    }
}

/// Merges two lists of one kind of items.
pub(super) fn merge_lists(
    rule: &ListRule<'_>,
    before: Vec<Value>,
    change: Vec<Value>,
    deletes: bool,
) -> Result<Vec<Value>, PatchError> {
    if before.is_empty() && change.is_empty() {
        return Ok(before);
    }
    if item_type(&before, &change)? != "map[string]interface {}" {
        return Ok(merge_scalars(before, &change, deletes));
    }
    if rule.key.is_none() {
        return Err(PatchError::Other(format!(
            "cannot merge lists without merge key for {}",
            if rule.item.is_some() {
                "struct"
            } else {
                "slice"
            }
        )));
    }
    let (before, change) = directives(rule, before, change)?;
    let merged = merge_items(rule, before.clone(), &change)?;
    ordered(rule, merged, &change, &before)
}

/// The common type of all items of both lists.
pub(super) fn item_type(before: &[Value], change: &[Value]) -> Result<&'static str, PatchError> {
    let mut found = None;
    for item in before.iter().chain(change) {
        let this = go::type_of(item);
        match found {
            None if item.is_array() => {
                return Err(PatchError::Unprocessable(
                    "lists of lists are not supported".to_owned(),
                ));
            }
            None => found = Some(this),
            Some(known) if known == this => {}
            Some(_) => {
                let lists = [before, change].map(|list| go::plain(&Value::Array(list.to_vec())));
                return Err(PatchError::Other(format!(
                    "list element types are not identical: [{} {}]",
                    lists[0], lists[1]
                )));
            }
        }
    }
    found.ok_or_else(|| PatchError::Other("no elements in any of the given slices".to_owned()))
}

fn merge_scalars(before: Vec<Value>, change: &[Value], deletes: bool) -> Vec<Value> {
    let changed: HashSet<String> = change.iter().map(Value::to_string).collect();
    if deletes {
        let kept = before.into_iter();
        return kept
            .filter(|item| !changed.contains(&item.to_string()))
            .collect();
    }
    // Items of the patch come in its order; items that only the object has keep theirs, in front of the first item
    // of the patch that stood behind them.
    let rule = ListRule {
        merges: true,
        key: None,
        item: None,
    };
    let mut seen = HashSet::new();
    let all = before.iter().cloned().chain(change.iter().cloned());
    let merged = all.filter(|item| seen.insert(item.to_string())).collect();
    ordered(&rule, merged, change, &before).expect("scalars have an identity")
}

/// Takes the items with `$patch` out of the change and does what they say.
fn directives(
    rule: &ListRule<'_>,
    mut before: Vec<Value>,
    change: Vec<Value>,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut plain = Vec::with_capacity(change.len());
    let mut replaces = false;
    let mut deleted = HashSet::new();
    for item in change {
        let Some(directive) = item.get(DIRECTIVE) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                deleted.insert(rule.identity(&item)?);
            }
            Some("replace") => replaces = true,
            Some("merge") => {
                return Err(PatchError::Other(
                    "merging lists cannot yet be specified in the patch".to_owned(),
                ));
            }
            _ => {
                return Err(PatchError::Other(format!(
                    "unknown patch type: {} in map: {}",
                    go::plain(directive),
                    go::plain(&item)
                )));
            }
        }
    }
    if replaces {
        return Ok((plain, Vec::new()));
    }
    if !deleted.is_empty() {
        // An item of the object without its key is nobody's.
        before.retain(|item| {
            rule.identity(item)
                .map_or(true, |identity| !deleted.contains(&identity))
        });
    }
    Ok((before, plain))
}

/// Merges each item of the change into the one with the same key, or appends it.
fn merge_items(
    rule: &ListRule<'_>,
    mut items: Vec<Value>,
    change: &[Value],
) -> Result<Vec<Value>, PatchError> {
    let mut places = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        if let Ok(identity) = rule.identity(item) {
            places.entry(identity).or_insert(at);
        }
    }
    for item in change {
        let identity = rule.identity(item)?;
        let Some(&at) = places.get(&identity) else {
            places.insert(identity, items.len());
            items.push(item.clone());
            continue;
        };
        if let (Value::Object(before), Value::Object(item)) = (items[at].take(), item) {
            items[at] = Value::Object(merge_objects(rule.item, before, item.clone())?);
        }
    }
    Ok(items)
}

/// The order in which the object's items stand when a patch orders them explicitly: an item that the patch adds takes
/// the place of one that it deletes, as in Kubernetes, which reuses the freed room at the end of the list.
pub(super) fn standing(
    rule: &ListRule<'_>,
    before: &[Value],
    change: Option<&[Value]>,
) -> Vec<Value> {
    let change = change.unwrap_or(&[]);
    let directive = |item: &Value| {
        item.get(DIRECTIVE)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let any_replace = change
        .iter()
        .any(|item| directive(item).as_deref() == Some("replace"));
    if rule.key.is_none() || any_replace {
        return before.to_vec();
    }
    let identities = |wanted: Option<&str>| -> HashSet<String> {
        let items = change
            .iter()
            .filter(|item| directive(item).as_deref() == wanted);
        items.filter_map(|item| rule.identity(item).ok()).collect()
    };
    let deleted = identities(Some("delete"));
    let is_deleted = |item: &&Value| {
        rule.identity(item)
            .is_ok_and(|name| deleted.contains(&name))
    };
    let mut out: Vec<Value> = before
        .iter()
        .filter(|item| !is_deleted(item))
        .cloned()
        .collect();
    let known: HashSet<String> = out
        .iter()
        .filter_map(|item| rule.identity(item).ok())
        .collect();
    let is_new = |item: &&Value| {
        directive(item).is_none() && rule.identity(item).is_ok_and(|name| !known.contains(&name))
    };
    out.extend(change.iter().filter(is_new).cloned());
    out.truncate(before.len());
    out
}

/// Brings merged items into order: those of the patch as `order` has them, the others as they stood in the object.
pub(super) fn ordered(
    rule: &ListRule<'_>,
    merged: Vec<Value>,
    order: &[Value],
    before: &[Value],
) -> Result<Vec<Value>, PatchError> {
    let index = |list: &[Value]| -> Result<HashMap<String, usize>, PatchError> {
        let mut places = HashMap::with_capacity(list.len());
        for (at, item) in list.iter().enumerate() {
            places.entry(rule.identity(item)?).or_insert(at);
        }
        Ok(places)
    };
    let (in_order, in_before) = (index(order)?, index(before)?);
    let mut patched = Vec::new();
    let mut others = Vec::new();
    for item in merged {
        let identity = rule.identity(&item)?;
        let stood = in_before.get(&identity).copied();
        match in_order.get(&identity) {
            Some(&at) => patched.push((at, stood, item)),
            None => others.push((stood, item)),
        }
    }
    patched.sort_by_key(|row| row.0);
    others.sort_by_key(|row| row.0);
    let mut out = Vec::with_capacity(patched.len() + others.len());
    let mut others = others.into_iter().peekable();
    for (_, stood, item) in patched {
        let earlier = |other: &(Option<usize>, Value)| matches!((other.0, stood), (Some(other), Some(stood)) if other < stood);
        while let Some(other) = others.next_if(earlier) {
            out.push(other.1);
        }
        out.push(item);
    }
    out.extend(others.map(|row| row.1));
    Ok(out)
}

/// Checks that the items of a patch stand in the order that the patch itself asks for, and are all in there.
pub(super) fn check_order(
    rule: &ListRule<'_>,
    change: &[Value],
    order: &[Value],
) -> Result<(), PatchError> {
    if change.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut rest = order.iter();
    for item in change {
        if rule.key.is_some() && item.get(DIRECTIVE).is_some() {
            continue;
        }
        let identity = rule.identity(item)?;
        let mut found = false;
        for next in rest.by_ref() {
            if rule.identity(next)? == identity {
                found = true;
                break;
            }
        }
        if !found {
            return Err(PatchError::Other(format!(
                "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                go::plain(&Value::Array(change.to_vec())),
                go::plain(&Value::Array(order.to_vec()))
            )));
        }
    }
    Ok(())
}
