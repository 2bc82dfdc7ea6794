//! Roles and bindings.

use serde_json::Value;

use super::{metadata, selector};
use crate::error::{Errors, dumped};
use crate::formats;
use crate::path::Path;
use crate::read::Read;

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn role(new: &Value, namespaced: bool, errors: &mut Errors) {
    let path = Path::root("rules");
    for (i, rule) in new.items("rules").iter().enumerate() {
        policy_rule(rule, namespaced, &path.index(i), errors);
    }
    let aggregation = new.field("aggregationRule");
    if aggregation.is_object() {
        let path = Path::root("aggregationRule");
        let place = path.child("clusterRoleSelectors");
        let selectors = aggregation.items("clusterRoleSelectors");
        if selectors.is_empty() {
            let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
            errors.required(&place, detail);
        }
        for (i, selector) in selectors.iter().enumerate() {
            selector::validate(selector, &place.index(i), errors);
        }
    }
}

fn policy_rule(rule: &Value, namespaced: bool, path: &Path<'_>, errors: &mut Errors) {
    if rule.items("verbs").is_empty() {
        errors.required(&path.child("verbs"), "");
    }
    let urls = rule.items("nonResourceURLs");
    let has = |name: &str| !rule.items(name).is_empty();
    if !urls.is_empty() {
        let place = path.child("nonResourceURLs");
        if namespaced {
            let detail = "namespaced rules cannot apply to non-resource URLs";
            errors.invalid(&place, urls.to_vec(), detail);
        }
        if has("apiGroups") || has("resources") || has("resourceNames") {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            errors.invalid(&place, urls.to_vec(), detail);
        }
        return;
    }
    if !has("apiGroups") {
        let detail = "resource rules must supply at least one api group";
        errors.required(&path.child("apiGroups"), detail);
    }
    if !has("resources") {
        let detail = "resource rules must supply at least one resource";
        errors.required(&path.child("resources"), detail);
    }
}

pub(super) fn binding(new: &Value, old: Option<&Value>, namespaced: bool, errors: &mut Errors) {
    let path = Path::root("roleRef");
    let role = new.field("roleRef");
    if role.text("apiGroup") != GROUP {
        errors.not_supported(&path.child("apiGroup"), role.text("apiGroup"), &[GROUP]);
    }
    let kinds: &[&str] = if namespaced {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    if !kinds.contains(&role.text("kind")) {
        errors.not_supported(&path.child("kind"), role.text("kind"), kinds);
    }
    match role.text("name") {
        "" => errors.required(&path.child("name"), ""),
        name => errors.invalid_all(&path.child("name"), name, formats::path_segment(name)),
    }
    let subjects = Path::root("subjects");
    for (i, subject) in new.items("subjects").iter().enumerate() {
        self::subject(subject, namespaced, &subjects.index(i), errors);
    }
    if let Some(old) = old {
        let fields = [("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name")];
        let (role, before) = (dumped(role, &fields), dumped(old.field("roleRef"), &fields));
        metadata::immutable(&role, &before, &path, errors);
    }
}

fn subject(subject: &Value, namespaced: bool, path: &Path<'_>, errors: &mut Errors) {
    let (name, group) = (subject.text("name"), subject.text("apiGroup"));
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    }
    match subject.text("kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.invalid_all(&path.child("name"), name, formats::dns_subdomain(name));
            }
            if !group.is_empty() {
                errors.not_supported(&path.child("apiGroup"), group, &[""]);
            }
            if !namespaced && subject.text("namespace").is_empty() {
                errors.required(&path.child("namespace"), "");
            }
        }
        "User" | "Group" => {
            if group != GROUP {
                errors.not_supported(&path.child("apiGroup"), group, &[GROUP]);
            }
        }
        other => {
            let known = ["ServiceAccount", "User", "Group"];
            errors.not_supported(&path.child("kind"), other, &known);
        }
    }
}
