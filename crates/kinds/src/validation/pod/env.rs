//! Environment variables and where they come from.

use serde_json::Value;

use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::read::Read;

const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields that a downward API volume can show.
pub(super) const VOLUME_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
/// Every field that a downward reference may name.
const KNOWN_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
    "spec.host",
];

/// Rules of `env` and `envFrom`.
pub(super) fn validate(container: &Value, path: &Path<'_>, errors: &mut Errors) {
    let place = path.child("env");
    for (i, variable) in container.items("env").iter().enumerate() {
        let path = place.index(i);
        let name = variable.text("name");
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else {
            errors.invalid_all(&path.child("name"), name, formats::relaxed_env_name(name));
        }
        if variable.has("valueFrom") {
            source(variable, &path.child("valueFrom"), errors);
        }
    }
    env_from(container.items("envFrom"), &path.child("envFrom"), errors);
}

fn source(variable: &Value, path: &Path<'_>, errors: &mut Errors) {
    let from = variable.field("valueFrom");
    let mut sources = 0;
    if from.has("fieldRef") {
        sources += 1;
        field_ref(
            from.field("fieldRef"),
            ENV_FIELDS,
            &path.child("fieldRef"),
            errors,
        );
    }
    if from.has("resourceFieldRef") {
        sources += 1;
        let place = path.child("resourceFieldRef");
        resource_ref(from.field("resourceFieldRef"), false, &place, errors);
    }
    for name in ["configMapKeyRef", "secretKeyRef"] {
        if from.has(name) {
            sources += 1;
            key_ref(from.field(name), &path.child(name), errors);
        }
    }
    sources += usize::from(from.has("fileKeyRef"));
    if sources == 0 {
        errors.invalid(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        );
    } else if !variable.text("value").is_empty() {
        errors.invalid(path, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        errors.invalid(
            path,
            "",
            "may not have more than one field specified at a time",
        );
    }
}

/// A reference to a field of the pod itself.
pub(super) fn field_ref(reference: &Value, known: &[&str], path: &Path<'_>, errors: &mut Errors) {
    let field = reference.text("fieldPath");
    if reference.text("apiVersion").is_empty() {
        return errors.required(&path.child("apiVersion"), "");
    }
    if field.is_empty() {
        return errors.required(&path.child("fieldPath"), "");
    }
    let subscripted = field.strip_suffix("']").and_then(|f| f.split_once("['"));
    let base = subscripted.map_or(field, |(base, _)| base);
    if !KNOWN_FIELDS.contains(&base) {
        let detail = format!("error converting fieldPath: field label not supported: {field}");
        return errors.invalid(&path.child("fieldPath"), field, detail);
    }
    match subscripted {
        Some(("metadata.annotations", key)) => {
            let lower = key.to_lowercase();
            errors.invalid_all(path, &lower, formats::label_key(&lower));
        }
        Some(("metadata.labels", key)) => errors.invalid_all(path, key, formats::label_key(key)),
        Some((base, _)) => errors.invalid(path, base, "does not support subscript"),
        None if !known.contains(&field) => {
            errors.not_supported(&path.child("fieldPath"), field, known);
        }
        None => {}
    }
}

/// A reference to a container's requests or limits.
pub(super) fn resource_ref(
    reference: &Value,
    in_volume: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let resource = reference.text("resource");
    let huge =
        resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if in_volume && reference.text("containerName").is_empty() {
        errors.required(&path.child("containerName"), "");
    } else if resource.is_empty() {
        errors.required(&path.child("resource"), "");
    } else if !RESOURCES.contains(&resource) && !huge {
        errors.not_supported(&path.child("resource"), resource, RESOURCES);
    }
    let divisor = reference.text("divisor");
    if matches!(divisor, "" | "0") {
        return;
    }
    let (known, words): (&[&str], &str) = if resource.ends_with(".cpu") {
        (
            &["1m", "1"],
            "only divisor's values 1m and 1 are supported with the cpu resource",
        )
    } else if resource.ends_with(".memory") {
        (
            BYTES,
            "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the memory resource",
        )
    } else {
        (
            BYTES,
            "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the local ephemeral storage resource",
        )
    };
    if !known.contains(&divisor) {
        errors.invalid(&path.child("divisor"), resource, words);
    }
}

const BYTES: &[&str] = &[
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
];

fn key_ref(reference: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (name, key) = (reference.text("name"), reference.text("key"));
    errors.invalid_all(&path.child("name"), name, formats::dns_subdomain(name));
    if key.is_empty() {
        errors.required(&path.child("key"), "");
    } else {
        errors.invalid_all(&path.child("key"), key, formats::config_key(key));
    }
}

fn env_from(sources: &[Value], path: &Path<'_>, errors: &mut Errors) {
    for (i, source) in sources.iter().enumerate() {
        let at = path.index(i);
        let prefix = source.text("prefix");
        if !prefix.is_empty() {
            errors.invalid_all(
                &at.child("prefix"),
                prefix,
                formats::relaxed_env_name(prefix),
            );
        }
        let mut given = 0;
        for name in ["configMapRef", "secretRef"] {
            if !source.has(name) {
                continue;
            }
            given += 1;
            let place = at.child(name);
            match source[name].text("name") {
                "" => errors.required(&place.child("name"), ""),
                text => {
                    errors.invalid_all(&place.child("name"), text, formats::dns_subdomain(text));
                }
            }
        }
        if given == 0 {
            errors.invalid(
                path,
                "",
                "must specify one of: `configMapRef` or `secretRef`",
            );
        } else if given > 1 {
            errors.invalid(
                path,
                "",
                "may not have more than one field specified at a time",
            );
        }
    }
}
