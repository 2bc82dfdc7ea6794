//! Rows of volumes, storage drivers and devices.

use serde_json::Value;

use super::{View, or_none, text_or};
use crate::read::Read;
use crate::registry::Kind;

pub(super) fn cells(kind: &Kind, view: &View<'_>) -> Option<Vec<Value>> {
    Some(match (kind.group, kind.kind) {
        ("", "PersistentVolume") => volume(view),
        ("", "PersistentVolumeClaim") => claim(view),
        ("storage.k8s.io", "StorageClass") => class(view),
        ("storage.k8s.io", "CSINode") => {
            vec![
                view.name(),
                view.spec.items("drivers").len().into(),
                view.age(),
            ]
        }
        ("storage.k8s.io", "CSIDriver") => driver(view),
        ("storage.k8s.io", "VolumeAttachment") => vec![
            view.name(),
            view.spec.text("attacher").into(),
            view.spec
                .at("source.persistentVolumeName")
                .as_str()
                .unwrap_or("")
                .into(),
            view.spec.text("nodeName").into(),
            view.status.flag("attached").into(),
            view.age(),
        ],
        ("storage.k8s.io", "VolumeAttributesClass") => {
            vec![
                view.name(),
                view.object.text("driverName").into(),
                view.age(),
            ]
        }
        ("resource.k8s.io", "DeviceClass" | "ResourceClaimTemplate") => {
            vec![view.name(), view.age()]
        }
        ("resource.k8s.io", "ResourceClaim") => {
            vec![view.name(), claim_state(view).into(), view.age()]
        }
        ("resource.k8s.io", "ResourceSlice") => vec![
            view.name(),
            view.spec.text("nodeName").into(),
            view.spec.text("driver").into(),
            view.spec.at("pool.name").as_str().unwrap_or("").into(),
            view.age(),
        ],
        ("resource.k8s.io", "DeviceTaintRule") => device_taint(view),
        _ => return None,
    })
}

const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

fn storage_class(view: &View<'_>) -> Value {
    match view.meta.field("annotations").get(BETA_CLASS) {
        Some(class) => class.clone(),
        None => view.spec.text("storageClassName").into(),
    }
}

fn phase(view: &View<'_>) -> Value {
    if view.is_deleted() {
        "Terminating".into()
    } else {
        view.status.text("phase").into()
    }
}

fn access_modes(value: &Value) -> Value {
    let modes = value.items("accessModes");
    let short: Vec<&str> = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ]
    .into_iter()
    .filter(|(name, _)| modes.iter().any(|m| m == name))
    .map(|(_, short)| short)
    .collect();
    short.join(",").into()
}

fn volume(view: &View<'_>) -> Vec<Value> {
    let claim = view.spec.field("claimRef");
    let claim = if claim.is_object() {
        format!("{}/{}", claim.text("namespace"), claim.text("name"))
    } else {
        String::new()
    };
    let size = view.spec.at("capacity.storage").as_str().unwrap_or("0");
    vec![
        view.name(),
        size.into(),
        access_modes(view.spec),
        view.spec.text("persistentVolumeReclaimPolicy").into(),
        phase(view),
        claim.into(),
        storage_class(view),
        text_or(view.spec, "volumeAttributesClassName", "<unset>"),
        view.status.text("reason").into(),
        view.age(),
        text_or(view.spec, "volumeMode", "<unset>"),
    ]
}

fn claim(view: &View<'_>) -> Vec<Value> {
    let bound = !view.spec.text("volumeName").is_empty();
    let size = view.status.at("capacity.storage").as_str().unwrap_or("0");
    vec![
        view.name(),
        phase(view),
        view.spec.text("volumeName").into(),
        if bound { size.into() } else { "".into() },
        if bound {
            access_modes(view.status)
        } else {
            "".into()
        },
        storage_class(view),
        text_or(view.spec, "volumeAttributesClassName", "<unset>"),
        view.age(),
        text_or(view.spec, "volumeMode", "<unset>"),
    ]
}

/// Which class is the default depends on all of them; kubectl is told by the annotation.
fn class(view: &View<'_>) -> Vec<Value> {
    let annotations = view.meta.field("annotations");
    let default = [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    ]
    .iter()
    .any(|name| annotations.text(name) == "true");
    let name = view.meta.text("name");
    let name = if default {
        format!("{name} (default)")
    } else {
        name.to_owned()
    };
    vec![
        name.into(),
        view.object.text("provisioner").into(),
        text_or(view.object, "reclaimPolicy", "Delete"),
        text_or(view.object, "volumeBindingMode", "Immediate"),
        view.object.flag("allowVolumeExpansion").into(),
        view.age(),
    ]
}

fn driver(view: &View<'_>) -> Vec<Value> {
    let list = |values: &[Value], name: Option<&str>| -> String {
        let texts: Vec<&str> = values
            .iter()
            .map(|v| name.map_or_else(|| v.as_str().unwrap_or(""), |name| v.text(name)))
            .collect();
        texts.join(",")
    };
    let tokens = if view.spec.has("tokenRequests") {
        list(view.spec.items("tokenRequests"), Some("audience"))
    } else {
        "<unset>".to_owned()
    };
    vec![
        view.name(),
        view.spec
            .field("attachRequired")
            .as_bool()
            .unwrap_or(true)
            .into(),
        view.spec.flag("podInfoOnMount").into(),
        view.spec.flag("storageCapacity").into(),
        tokens.into(),
        view.spec.flag("requiresRepublish").into(),
        or_none(list(view.spec.items("volumeLifecycleModes"), None)),
        view.age(),
    ]
}

fn claim_state(view: &View<'_>) -> String {
    let mut states = Vec::new();
    if view.is_deleted() {
        states.push("deleted");
    }
    if view.status.has("allocation") {
        states.push("allocated");
        if !view.status.items("reservedFor").is_empty() {
            states.push("reserved");
        }
    } else if !view.is_deleted() {
        states.push("pending");
    }
    states.join(",")
}

fn device_taint(view: &View<'_>) -> Vec<Value> {
    let taint = view.spec.field("taint");
    let added = taint.field("timeAdded");
    vec![
        view.name(),
        taint.text("key").into(),
        taint.text("value").into(),
        taint.text("effect").into(),
        if added.is_null() {
            "".into()
        } else {
            view.since(added).into()
        },
        view.age(),
    ]
}
