//! Security contexts.

use serde_json::Value;

use crate::error::{Errors, dumped};
use crate::formats;
use crate::path::Path;
use crate::read::Read;
use crate::validation::numbers::one_of_if_given;

/// The fields of a container's security context, as a message shows them.
const SHOWN: &[(&str, &str)] = &[
    ("AllowPrivilegeEscalation", "allowPrivilegeEscalation"),
    ("AppArmorProfile", "appArmorProfile"),
    ("Capabilities", "capabilities"),
    ("Privileged", "privileged"),
    ("ProcMount", "procMount"),
    ("ReadOnlyRootFilesystem", "readOnlyRootFilesystem"),
    ("RunAsGroup", "runAsGroup"),
    ("RunAsNonRoot", "runAsNonRoot"),
    ("RunAsUser", "runAsUser"),
    ("SELinuxOptions", "seLinuxOptions"),
    ("SeccompProfile", "seccompProfile"),
    ("WindowsOptions", "windowsOptions"),
];

/// Rules of a pod's security context.
pub(super) fn validate_pod(context: &Value, path: &Path<'_>, errors: &mut Errors) {
    ids(
        context,
        &["fsGroup", "runAsUser", "runAsGroup"],
        path,
        errors,
    );
    let groups = path.child("supplementalGroups");
    for (i, group) in context.items("supplementalGroups").iter().enumerate() {
        let id = group.as_i64().unwrap_or(0);
        for wrong in formats::unix_id(id) {
            errors.invalid(&groups.index(i), id, wrong);
        }
    }
    let policies = ["Always", "OnRootMismatch"];
    one_of_if_given(context, "fsGroupChangePolicy", &policies, path, errors);
    one_of_if_given(
        context,
        "supplementalGroupsPolicy",
        &["Merge", "Strict"],
        path,
        errors,
    );
    seccomp(
        context.field("seccompProfile"),
        &path.child("seccompProfile"),
        errors,
    );
}

/// Rules of a container's security context.
pub(super) fn validate_container(context: &Value, path: &Path<'_>, errors: &mut Errors) {
    if !context.is_object() {
        return;
    }
    ids(context, &["runAsUser", "runAsGroup"], path, errors);
    one_of_if_given(context, "procMount", &["Default", "Unmasked"], path, errors);
    seccomp(
        context.field("seccompProfile"),
        &path.child("seccompProfile"),
        errors,
    );
    if context.field("allowPrivilegeEscalation").as_bool() == Some(false) {
        let shown = dumped(context, SHOWN);
        let adds = context.field("capabilities").items("add");
        if context.flag("privileged") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.invalid(path, shown, detail);
        } else if adds.iter().any(|c| c == "CAP_SYS_ADMIN") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.invalid(path, shown, detail);
        }
    }
}

fn ids(context: &Value, names: &[&str], path: &Path<'_>, errors: &mut Errors) {
    for name in names {
        if let Some(id) = context.int(name) {
            for wrong in formats::unix_id(id) {
                errors.invalid(&path.child(name), id, wrong);
            }
        }
    }
}

fn seccomp(profile: &Value, path: &Path<'_>, errors: &mut Errors) {
    if !profile.is_object() {
        return;
    }
    let kind = profile.text("type");
    let local = profile.field("localhostProfile").as_str();
    match kind {
        "" => errors.required(
            &path.child("type"),
            "type is required when seccompProfile is set",
        ),
        "Localhost" if local.is_none() => {
            let detail = "must be set when seccomp type is Localhost";
            errors.required(&path.child("localhostProfile"), detail);
        }
        "Localhost" => {}
        "RuntimeDefault" | "Unconfined" => {
            if let Some(local) = local {
                let detail = "can only be set when seccomp type is Localhost";
                errors.invalid(&path.child("localhostProfile"), local, detail);
            }
        }
        _ => {
            let known = ["Localhost", "RuntimeDefault", "Unconfined"];
            errors.not_supported(&path.child("type"), kind, &known);
        }
    }
}
