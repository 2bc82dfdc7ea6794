//! Writes as differences: what others have set in an object, or what this version does not know of, stays. For those whose
//! role lets them `patch`; `update` is for the others.

use cedge_informer::Object;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::error::Error;

/// The merge patch (RFC 7386) that makes `new` of `old`; `None` if nothing differs.
pub(crate) fn difference(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let mut patch = Map::new();
            for key in old.keys().filter(|k| !new.contains_key(*k)) {
                patch.insert(key.clone(), Value::Null);
            }
            for (key, value) in new {
                match old.get(key) {
                    None => _ = patch.insert(key.clone(), value.clone()),
                    Some(before) => {
                        if let Some(p) = difference(before, value) {
                            patch.insert(key.clone(), p);
                        }
                    }
                }
            }
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        _ => (old != new).then(|| new.clone()),
    }
}

/// Applies a merge patch (RFC 7386).
pub(crate) fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, change) in changes {
        if change.is_null() {
            _ = target.as_object_mut().map(|fields| fields.remove(key));
        } else {
            apply(&mut target[key.as_str()], change);
        }
    }
}

/// Writes a status if it differs from the one in `object`; refused by the API if `object` is not the newest.
/// Returns whether something was written.
pub(crate) async fn status<K, S>(
    api: &Api<K>,
    object: &Object,
    old: &S,
    new: &S,
) -> Result<bool, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize,
{
    let Some(patch) = difference(&serde_json::to_value(old)?, &serde_json::to_value(new)?) else {
        return Ok(false);
    };
    let patch = json!({ "metadata": precondition(object), "status": patch });
    api.patch_status(object.name(), &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(true)
}

/// Applies a merge patch to `object`; refused by the API if `object` is not the newest.
pub(crate) async fn merge<K>(api: &Api<K>, object: &Object, mut patch: Value) -> Result<K, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    guard(&mut patch, object);
    let params = PatchParams::default();
    Ok(api
        .patch(object.name(), &params, &Patch::Merge(patch))
        .await?)
}

/// A list for a merge patch: one that is empty is taken out, as Kubernetes has it.
pub(crate) fn list<T: Serialize>(items: &[T]) -> Value {
    if items.is_empty() {
        Value::Null
    } else {
        json!(items)
    }
}

/// `metadata` that lets a patch through only for the object as it was read.
fn precondition(object: &Object) -> Value {
    json!({ "uid": object.uid(), "resourceVersion": object.revision() })
}

/// Adds that to a patch.
pub(crate) fn guard(patch: &mut Value, object: &Object) {
    let metadata = &mut patch["metadata"];
    metadata["uid"] = object.uid().into();
    metadata["resourceVersion"] = object.revision().into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_only_what_changed_and_what_is_gone() {
        let old = json!({"a": 1, "b": {"c": 1, "d": [1, 2]}, "gone": true});
        let new = json!({"a": 1, "b": {"c": 2, "d": [1, 2]}, "more": "x"});
        assert_eq!(
            difference(&old, &new),
            Some(json!({"b": {"c": 2}, "more": "x", "gone": null}))
        );
        assert_eq!(difference(&new, &new), None);
        let mut applied = old.clone();
        apply(&mut applied, &difference(&old, &new).unwrap());
        assert_eq!(applied, new);
    }
}
