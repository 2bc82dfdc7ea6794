//! What is asked of a definition beside its specification: what was stored before, and who approved it.

use serde_json::Value;

use cedge_kinds::error::Errors;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;
use cedge_kinds::validation::metadata;

pub(super) fn versions(crd: &Value, path: &Path<'_>, errors: &mut Errors) {
    let stored = crd["status"].items("storedVersions");
    if stored.is_empty() {
        let shown = crd.at("status.storedVersions").clone();
        errors.invalid(path, shown, "must have at least one stored version");
        return;
    }
    let versions = crd["spec"].items("versions");
    for version in versions.iter().filter(|v| v.flag("storage")) {
        let name = version.field("name");
        if !stored.contains(name) {
            let detail = format!("must have the storage version {}", version.text("name"));
            errors.invalid(path, stored.to_vec(), detail);
        }
    }
    for (i, name) in stored.iter().enumerate() {
        if !versions.iter().any(|v| v.field("name") == name) {
            let shown = name.as_str().unwrap_or("");
            errors.invalid(
                &path.index(i),
                shown,
                format!(
                    "missing from spec.versions; {shown} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {shown} and removes {shown} from status.storedVersions"
                ),
            );
        }
    }
}

pub(super) fn immutable_parts(spec: &Value, old: &Value, path: &Path<'_>, errors: &mut Errors) {
    let before = old.field("spec");
    let conditions = old["status"].items("conditions");
    let established = conditions
        .iter()
        .any(|c| c.text("type") == "Established" && c.text("status") == "True");
    let names = path.child("names");
    if established {
        metadata::immutable(
            spec.field("scope"),
            before.field("scope"),
            &path.child("scope"),
            errors,
        );
        metadata::immutable(
            spec.at("names.kind"),
            before.at("names.kind"),
            &names.child("kind"),
            errors,
        );
    }
    metadata::immutable(
        spec.field("group"),
        before.field("group"),
        &path.child("group"),
        errors,
    );
    metadata::immutable(
        spec.at("names.plural"),
        before.at("names.plural"),
        &names.child("plural"),
        errors,
    );
}

/// Groups under `k8s.io` and `kubernetes.io` belong to the community: a definition there says who approved it.
pub(super) fn approval(crd: &Value, old: Option<&Value>, errors: &mut Errors) {
    const ANNOTATION: &str = "api-approved.kubernetes.io";
    let group = crd["spec"].text("group");
    let protected = ["k8s.io", "kubernetes.io"]
        .into_iter()
        .any(|owner| group == owner || group.ends_with(&format!(".{owner}")));
    let value = crd["metadata"]["annotations"].text(ANNOTATION);
    let unchanged = old.is_some_and(|old| old["metadata"]["annotations"].text(ANNOTATION) == value);
    if !protected || unchanged || value.starts_with("unapproved") {
        return;
    }
    let path = Path::root("metadata");
    let path = path.child("annotations");
    let path = path.key(ANNOTATION);
    let is_url = value.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/')
    });
    if value.is_empty() {
        let detail = "protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111";
        errors.required(&path, detail);
    } else if !is_url {
        let detail = "protected groups must have approval annotation \"api-approved.kubernetes.io\" with either a URL or a reason starting with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111";
        errors.invalid(&path, value, detail);
    }
}
