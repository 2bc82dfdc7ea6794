//! Volumes.

use std::collections::HashSet;

use serde_json::Value;

use super::container::{descending, no_backsteps};
use super::env;
use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::read::Read;
use crate::validation::claims;
use crate::validation::resources::quantity;

const FILE_MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
const MORE: &str = "may not specify more than 1 volume type";
/// In the order in which Kubernetes looks at them.
const SOURCES: &[&str] = &[
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];

/// Rules of all volumes; returns the names of those that are sound. The name of the Pod is empty in a template.
pub(super) fn validate_all(
    spec: &Value,
    pod: &str,
    path: &Path<'_>,
    errors: &mut Errors,
) -> HashSet<String> {
    let mut names = HashSet::new();
    for (i, volume) in spec.items("volumes").iter().enumerate() {
        let path = path.index(i);
        let name = volume.text("name");
        let mut own = Errors::new();
        source(volume, &path, &mut own);
        let claims = first_source(volume) == Some("ephemeral");
        if claims && !pod.is_empty() && !name.is_empty() {
            claim_name(pod, name, &path, &mut own);
        }
        if name.is_empty() {
            own.required(&path.child("name"), "");
        } else {
            own.invalid_all(&path.child("name"), name, formats::dns_label(name));
        }
        if names.contains(name) {
            own.duplicate(&path.child("name"), name);
        }
        if own.is_empty() {
            names.insert(name.to_owned());
        } else {
            errors.0.append(&mut own.0);
        }
    }
    names
}

fn first_source(volume: &Value) -> Option<&'static str> {
    let mut given = SOURCES.iter().filter(|source| volume.has(source));
    given.next().copied()
}

/// The claim that is made for an ephemeral volume is called after the Pod and the volume.
fn claim_name(pod: &str, volume: &str, path: &Path<'_>, errors: &mut Errors) {
    let claim = format!("{pod}-{volume}");
    for wrong in formats::dns_subdomain(&claim) {
        let detail = format!("PVC name \"{claim}\": {wrong}");
        errors.invalid(&path.child("name"), volume, detail);
    }
}

fn source(volume: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut given = SOURCES.iter().filter(|source| volume.has(source));
    let Some(first) = given.next() else {
        return errors.required(path, "must specify a volume type");
    };
    let (body, place) = (volume.field(first), path.child(first));
    match *first {
        "emptyDir" => empty_dir(body, &place, errors),
        "hostPath" => host_path(body, &place, errors),
        "secret" => files(body, "secretName", &place, errors),
        "configMap" => files(body, "name", &place, errors),
        "downwardAPI" => {
            mode(body, "defaultMode", &place, errors);
            for file in body.items("items") {
                downward_file(file, &place, errors);
            }
        }
        "projected" => projected(body, &place, errors),
        "persistentVolumeClaim" => required(body, &["claimName"], &place, errors),
        "nfs" => {
            required(body, &["server", "path"], &place, errors);
            let at = body.text("path");
            if !at.is_empty() && !at.starts_with('/') {
                errors.invalid(&place.child("path"), at, "must be an absolute path");
            }
        }
        "csi" => required(body, &["driver"], &place, errors),
        "ephemeral" => {
            let place = place.child("volumeClaimTemplate");
            if body.has("volumeClaimTemplate") {
                claims::template(body.field("volumeClaimTemplate"), &place, errors);
            } else {
                errors.required(&place, "");
            }
        }
        "gitRepo" => required(body, &["repository"], &place, errors),
        "image" => required(body, &["reference"], &place, errors),
        _ => {}
    }
    for more in given {
        errors.forbidden(&path.child(more), MORE);
    }
}

fn required(value: &Value, names: &[&str], path: &Path<'_>, errors: &mut Errors) {
    for name in names.iter().filter(|name| value.text(name).is_empty()) {
        errors.required(&path.child(name), "");
    }
}

fn empty_dir(body: &Value, path: &Path<'_>, errors: &mut Errors) {
    if quantity(body.field("sizeLimit")).is_negative() {
        let detail = "SizeLimit field must be a valid resource quantity";
        errors.forbidden(&path.child("sizeLimit"), detail);
    }
}

fn host_path(body: &Value, path: &Path<'_>, errors: &mut Errors) {
    const TYPES: &[&str] = &[
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    ];
    let place = body.text("path");
    if place.is_empty() {
        return errors.required(&path.child("path"), "");
    }
    no_backsteps(place, &path.child("path"), errors);
    let kind = body.text("type");
    if !TYPES.contains(&kind) {
        errors.not_supported(&path.child("type"), kind, TYPES);
    }
}

fn mode(value: &Value, name: &str, path: &Path<'_>, errors: &mut Errors) {
    if let Some(bits) = value.int(name).filter(|bits| !(0..=0o777).contains(bits)) {
        errors.invalid(&path.child(name), bits, FILE_MODE);
    }
}

/// A ConfigMap or Secret as files.
fn files(body: &Value, name: &str, path: &Path<'_>, errors: &mut Errors) {
    required(body, &[name], path, errors);
    mode(body, "defaultMode", path, errors);
    let items = path.child("items");
    for (i, item) in body.items("items").iter().enumerate() {
        key_to_path(item, &items.index(i), errors);
    }
}

fn key_to_path(item: &Value, path: &Path<'_>, errors: &mut Errors) {
    required(item, &["key", "path"], path, errors);
    local(item.text("path"), &path.child("path"), errors);
    mode(item, "mode", path, errors);
}

/// A relative path whose first part is not reserved.
fn local(place: &str, path: &Path<'_>, errors: &mut Errors) {
    descending(place, path, errors);
    if place.starts_with("..") && !place.starts_with("../") {
        errors.invalid(path, place, "must not start with '..'");
    }
}

fn downward_file(file: &Value, path: &Path<'_>, errors: &mut Errors) {
    required(file, &["path"], path, errors);
    local(file.text("path"), &path.child("path"), errors);
    let resource = file.field("resourceFieldRef");
    if file.has("fieldRef") {
        env::field_ref(
            file.field("fieldRef"),
            env::VOLUME_FIELDS,
            &path.child("fieldRef"),
            errors,
        );
        if resource.is_object() {
            let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
            errors.invalid(path, "resource", detail);
        }
    } else if resource.is_object() {
        env::resource_ref(resource, true, &path.child("resourceFieldRef"), errors);
    } else {
        errors.required(path, "one of fieldRef and resourceFieldRef is required");
    }
    mode(file, "mode", path, errors);
}

fn projected(body: &Value, path: &Path<'_>, errors: &mut Errors) {
    const KINDS: [&str; 6] = [
        "secret",
        "configMap",
        "downwardAPI",
        "serviceAccountToken",
        "clusterTrustBundle",
        "podCertificate",
    ];
    mode(body, "defaultMode", path, errors);
    let mut taken = HashSet::new();
    let sources = path.child("sources");
    for (i, source) in body.items("sources").iter().enumerate() {
        let at = sources.index(i);
        for name in ["secret", "configMap"] {
            if source.has(name) {
                projected_files(
                    source.field(name),
                    &at.child(name),
                    path,
                    &mut taken,
                    errors,
                );
            }
        }
        for file in source.field("downwardAPI").items("items") {
            downward_file(file, &at.child("downwardAPI"), errors);
            unique(
                file.text("path"),
                file.text("path"),
                path,
                &mut taken,
                errors,
            );
        }
        let token = source.field("serviceAccountToken");
        if token.is_object() {
            projected_token(token, &at.child("serviceAccountToken"), path, errors);
        }
        if KINDS.iter().filter(|kind| source.has(kind)).count() > 1 {
            errors.forbidden(&at, "may not specify more than 1 volume type per source");
        }
    }
}

fn projected_files<'a>(
    body: &'a Value,
    at: &Path<'_>,
    path: &Path<'_>,
    taken: &mut HashSet<&'a str>,
    errors: &mut Errors,
) {
    required(body, &["name"], at, errors);
    let items = at.child("items");
    for (j, item) in body.items("items").iter().enumerate() {
        key_to_path(item, &items.index(j), errors);
        unique(item.text("path"), body.text("name"), path, taken, errors);
    }
}

fn unique<'a>(
    place: &'a str,
    shown: &str,
    path: &Path<'_>,
    taken: &mut HashSet<&'a str>,
    errors: &mut Errors,
) {
    if !place.is_empty() && !taken.insert(place) {
        errors.invalid(path, shown, "conflicting duplicate paths");
    }
}

fn projected_token(token: &Value, at: &Path<'_>, path: &Path<'_>, errors: &mut Errors) {
    let place = at.child("expirationSeconds");
    match token.int("expirationSeconds") {
        None => errors.required(&place, ""),
        Some(seconds @ ..600) => {
            errors.invalid(
                &place,
                seconds,
                "may not specify a duration less than 10 minutes",
            );
        }
        Some(seconds) if seconds > 1 << 32 => {
            let detail = "may not specify a duration larger than 2^32 seconds";
            errors.invalid(&place, seconds, detail);
        }
        Some(_) => {}
    }
    match token.text("path") {
        "" => errors.required(&path.child("path"), ""),
        text => local(text, &path.child("path"), errors),
    }
}
