//! Volumes and claims.

use serde_json::Value;

use super::numbers::one_of_if_given;
use super::{metadata, resources, selector};
use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::read::Read;
use crate::strategy::same;

const ACCESS_MODES: &[&str] = &[
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];

pub(super) fn claim(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    claim_spec(spec, &path, errors);
    if let Some(old) = old {
        claim_update(spec, old, &path, errors);
    }
}

/// The claim of an ephemeral volume: of its metadata only labels and annotations may be given.
pub(super) fn template(template: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (meta, place) = (template.field("metadata"), path.child("metadata"));
    let annotations = meta.field("annotations");
    metadata::annotations(annotations, &place.child("annotations"), errors);
    metadata::labels(meta.field("labels"), &place.child("labels"), errors);
    for (name, value) in meta.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "annotations" | "labels") && !value.is_null() {
            errors.forbidden(&place.child(name), "cannot be set");
        }
    }
    claim_spec(template.field("spec"), &path.child("spec"), errors);
}

fn claim_spec(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let modes = spec.items("accessModes");
    if modes.is_empty() {
        errors.required(
            &path.child("accessModes"),
            "at least 1 access mode is required",
        );
    }
    selector::validate(spec.field("selector"), &path.child("selector"), errors);
    access_modes(modes, &path.child("accessModes"), errors);
    let place = path.child("resources");
    let place = place.key("storage");
    let amount = spec.at("resources.requests.storage");
    if amount.is_null() {
        errors.required(&place, "");
    } else {
        let size = resources::quantity(amount);
        if size.is_negative() || size.is_zero() {
            errors.invalid(&place, size.to_string(), "must be greater than zero");
        }
    }
    let class = spec.text("storageClassName");
    if !class.is_empty() {
        errors.invalid_all(
            &path.child("storageClassName"),
            class,
            formats::dns_subdomain(class),
        );
    }
    one_of_if_given(spec, "volumeMode", &["Block", "Filesystem"], path, errors);
}

fn claim_update(spec: &Value, old: &Value, path: &Path<'_>, errors: &mut Errors) {
    let before = old.field("spec");
    let mut expected = before.clone();
    // Only what is bound can grow.
    if old["status"].text("phase") == "Bound" {
        for name in ["resources", "volumeAttributesClassName"] {
            crate::read::put(&mut expected, name, spec.get(name).cloned());
        }
    }
    if before.text("volumeName").is_empty() {
        crate::read::put(&mut expected, "volumeName", spec.get("volumeName").cloned());
    }
    if before.field("storageClassName").is_null() {
        crate::read::put(
            &mut expected,
            "storageClassName",
            spec.get("storageClassName").cloned(),
        );
    }
    if !same(spec, &expected) {
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.forbidden(path, detail);
    }
    let size = |spec: &Value| resources::quantity(spec.at("resources.requests.storage"));
    let capacity = resources::quantity(old.at("status.capacity.storage"));
    if size(spec) < size(before) && size(spec) <= capacity {
        let place = path.child("resources");
        errors.forbidden(
            &place.child("requests").child("storage"),
            "field can not be less than status.capacity",
        );
    }
}

fn access_modes(modes: &[Value], path: &Path<'_>, errors: &mut Errors) {
    for mode in modes
        .iter()
        .filter_map(Value::as_str)
        .filter(|m| !ACCESS_MODES.contains(m))
    {
        errors.not_supported(path, mode, ACCESS_MODES);
    }
    let single = modes.iter().any(|m| m == "ReadWriteOncePod");
    if single && modes.len() > 1 {
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

/// Fields of a volume beside its source.
const OTHER: &[&str] = &[
    "capacity",
    "accessModes",
    "claimRef",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "mountOptions",
    "volumeMode",
    "nodeAffinity",
    "volumeAttributesClassName",
];

pub(super) fn volume(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    if let Some(old) = old {
        volume_update(new.field("spec"), old.field("spec"), errors);
    }
    let path = Path::root("spec");
    let spec = new.field("spec");
    let modes = spec.items("accessModes");
    if modes.is_empty() {
        errors.required(&path.child("accessModes"), "");
    }
    access_modes(modes, &path.child("accessModes"), errors);
    let capacity = path.child("capacity");
    if spec.entries("capacity").next().is_none() {
        errors.required(&capacity, "");
    }
    if spec.at("capacity.storage").is_null() {
        errors.not_supported(&capacity, spec.field("capacity").clone(), &["storage"]);
    }
    for (name, amount) in spec.entries("capacity") {
        let size = resources::quantity(amount);
        if size.is_negative() || size.is_zero() {
            errors.invalid(
                &capacity.key(name),
                size.to_string(),
                "must be greater than zero",
            );
        }
    }
    let policies = ["Delete", "Recycle", "Retain"];
    one_of_if_given(
        spec,
        "persistentVolumeReclaimPolicy",
        &policies,
        &path,
        errors,
    );
    let fields = spec.as_object().into_iter().flatten();
    let sources = fields
        .filter(|(name, v)| !OTHER.contains(&name.as_str()) && !v.is_null())
        .count();
    if sources == 0 {
        errors.required(&path, "must specify a volume type");
    }
    one_of_if_given(spec, "volumeMode", &["Block", "Filesystem"], &path, errors);
}

/// What a volume is made of stays.
fn volume_update(new: &Value, old: &Value, errors: &mut Errors) {
    let source = |spec: &Value| -> Value {
        let fields = spec.as_object().into_iter().flatten();
        let fields = fields.filter(|(name, _)| !OTHER.contains(&name.as_str()));
        Value::Object(
            fields
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    };
    let (after, before) = (source(new), source(old));
    let only_a_secret_is_new = {
        let mut after = after.clone();
        let secret = after.get_mut("csi").and_then(Value::as_object_mut);
        secret
            .and_then(|csi| csi.remove("controllerExpandSecretRef"))
            .is_some()
            && same(&after, &before)
    };
    if !same(&after, &before) && !only_a_secret_is_new {
        let detail = "spec.persistentvolumesource is immutable after creation";
        errors.forbidden(&Path::root("spec").child("persistentvolumesource"), detail);
    }
    let (after, before) = (new.field("volumeMode"), old.field("volumeMode"));
    metadata::immutable(after, before, &Path::root("volumeMode"), errors);
}
