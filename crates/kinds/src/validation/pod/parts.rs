//! What may change in a Pod through `ephemeralcontainers` and `resize`.

use serde_json::{Map, Value, json};

use super::validate_metadata_and_spec;
use crate::error::Errors;
use crate::path::Path;
use crate::read::{Read, put};
use crate::strategy::{quality_of_service, same};

/// Ephemeral containers are added, and stay as they are.
pub(in crate::validation) fn validate_ephemeral(new: &Value, old: &Value, errors: &mut Errors) {
    validate_metadata_and_spec(new, errors);
    let path = Path::root("spec");
    let place = path.child("ephemeralContainers");
    for before in old.at("spec").items("ephemeralContainers") {
        let name = before.text("name");
        let mut all = new.at("spec").items("ephemeralContainers").iter();
        match all.find(|c| c.text("name") == name) {
            None => {
                let detail = format!("existing ephemeral containers {name:?} may not be removed\n");
                errors.forbidden(&place, detail);
            }
            Some(after) if !same(after, before) => {
                let detail = format!("existing ephemeral containers {name:?} may not be changed");
                errors.forbidden(&place, detail);
            }
            Some(_) => {}
        }
    }
}

/// Only processors and memory are resized, and no less than before is said of them.
pub(in crate::validation) fn validate_resize(new: &Value, old: &Value, errors: &mut Errors) {
    validate_metadata_and_spec(new, errors);
    let path = Path::root("spec");
    let (spec, before) = (new.field("spec"), old.field("spec"));
    if quality_of_service(spec) != quality_of_service(before) {
        let class = new.at("status.qosClass").clone();
        let detail = "Pod QOS Class may not change as a result of resizing";
        errors.invalid(&path, class, detail);
    }
    if !ordered(spec, before, &path, errors) {
        return;
    }
    for list in ["initContainers", "containers"] {
        let place = path.child(list);
        let both = spec.items(list).iter().zip(before.items(list));
        for (i, (after, before)) in both.enumerate() {
            let at = place.index(i);
            nothing_removed(after, before, &at.child("resources"), errors);
        }
    }
    let both = spec
        .items("containers")
        .iter()
        .zip(before.items("containers"));
    for (after, before) in both {
        if !same(&resized_back(after, before), before) {
            errors.forbidden(&path, "only cpu and memory resources are mutable");
        }
    }
}

fn ordered(spec: &Value, before: &Value, path: &Path<'_>, errors: &mut Errors) -> bool {
    let mut fine = true;
    for list in ["initContainers", "containers"] {
        let place = path.child(list);
        let (after, before) = (spec.items(list), before.items(list));
        if after.len() != before.len() {
            errors.forbidden(
                &place,
                format!("{list} may not be added or removed on resize"),
            );
            fine = false;
            continue;
        }
        for (i, (after, before)) in after.iter().zip(before).enumerate() {
            if after.text("name") != before.text("name") {
                let at = place.index(i);
                let detail = format!("{list} may not be renamed or reordered on resize");
                errors.forbidden(&at.child("name"), detail);
                fine = false;
            }
        }
    }
    fine
}

fn nothing_removed(after: &Value, before: &Value, path: &Path<'_>, errors: &mut Errors) {
    for list in ["requests", "limits"] {
        let of = |container: &Value| container.field("resources").field(list).clone();
        let (after, before) = (of(after), of(before));
        let mut names = before.as_object().into_iter().flat_map(Map::keys);
        if names.any(|name| !after.has(name)) {
            let detail = format!("resource {list} cannot be removed");
            errors.forbidden(&path.child(list), detail);
        }
    }
}

/// A container with the processors and the memory that it had before.
fn resized_back(container: &Value, before: &Value) -> Value {
    let mut back = container.clone();
    for list in ["requests", "limits"] {
        for name in ["cpu", "memory"] {
            let old = before.field("resources").field(list).get(name).cloned();
            if back.field("resources").field(list).is_object() {
                put(&mut back["resources"][list], name, old);
            } else if let Some(old) = old {
                back["resources"][list] = json!({ name: old });
            }
        }
    }
    back
}
