//! Small kinds of many groups.

use serde_json::Value;

use super::numbers::{at_most_all, int_or_percent};
use super::{metadata, pod, resources, selector};
use crate::error::{Errors, dumped};
use crate::formats;
use crate::path::Path;
use crate::read::Read;

/// Highest priority that users may give.
const PRIORITY_MAX: i64 = 1_000_000_000;
/// Priorities that Kubernetes itself makes.
const SYSTEM: [(&str, i64); 2] = [
    ("system-node-critical", 2_000_001_000),
    ("system-cluster-critical", 2_000_000_000),
];

pub(super) fn priority_class(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let value = new.int("value").unwrap_or(0);
    let policy = Path::root("preemptionPolicy");
    if let Some(old) = old {
        if value != old.int("value").unwrap_or(0) {
            errors.forbidden(&Path::root("value"), "may not be changed in an update.");
        }
        let before = old.field("preemptionPolicy");
        return metadata::immutable(new.field("preemptionPolicy"), before, &policy, errors);
    }
    let name = new["metadata"].text("name");
    if name.starts_with("system-") {
        if !SYSTEM.contains(&(name, value)) || new.flag("globalDefault") {
            let meta = Path::root("metadata");
            let why = format!("{name} is not a known system priority class");
            let detail = format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {why}"
            );
            errors.forbidden(&meta.child("name"), detail);
        }
    } else if value > PRIORITY_MAX {
        let detail = format!("maximum allowed value of a user defined priority is {PRIORITY_MAX}");
        errors.forbidden(&Path::root("value"), detail);
    }
    let text = new.text("preemptionPolicy");
    if !matches!(text, "" | "PreemptLowerPriority" | "Never") {
        errors.not_supported(&policy, text, &["PreemptLowerPriority", "Never"]);
    }
}

pub(super) fn runtime_class(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("handler");
    let handler = new.text("handler");
    if let Some(old) = old {
        let before = old.field("handler");
        return metadata::immutable_unshown(new.field("handler"), before, &path, errors);
    }
    if handler.is_empty() {
        errors.required(&path, "");
    } else {
        errors.invalid_all(&path, handler, formats::dns_label(handler));
    }
    let overhead = new.at("overhead.podFixed");
    if overhead.is_object() {
        let limits = serde_json::json!({"limits": overhead});
        resources::validate(&limits, &Path::root("overhead"), errors);
    }
    let scheduling = new.field("scheduling");
    let path = Path::root("scheduling");
    metadata::labels(
        scheduling.field("nodeSelector"),
        &path.child("nodeSelector"),
        errors,
    );
    pod::tolerations(
        scheduling.items("tolerations"),
        &path.child("tolerations"),
        errors,
    );
}

pub(super) fn lease(new: &Value, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    if let Some(seconds) = spec.int("leaseDurationSeconds").filter(|s| *s <= 0) {
        errors.invalid(
            &path.child("leaseDurationSeconds"),
            seconds,
            "must be greater than 0",
        );
    }
    if let Some(count) = spec.int("leaseTransitions").filter(|c| *c < 0) {
        errors.invalid(&path.child("leaseTransitions"), count, super::NOT_NEGATIVE);
    }
}

pub(super) fn disruption_budget(new: &Value, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    if spec.has("minAvailable") && spec.has("maxUnavailable") {
        let detail = "minAvailable and maxUnavailable cannot be both set";
        let fields = [
            ("MaxUnavailable", "maxUnavailable"),
            ("MinAvailable", "minAvailable"),
            ("Selector", "selector"),
            ("UnhealthyPodEvictionPolicy", "unhealthyPodEvictionPolicy"),
        ];
        errors.invalid(&path, dumped(spec, &fields), detail);
    }
    for name in ["minAvailable", "maxUnavailable"] {
        let amount = spec.field(name);
        if !amount.is_null() {
            int_or_percent(amount, &path.child(name), errors);
            at_most_all(amount, &path.child(name), errors);
        }
    }
    selector::validate(spec.field("selector"), &path.child("selector"), errors);
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    super::numbers::one_of_if_given(spec, "unhealthyPodEvictionPolicy", &policies, &path, errors);
}

pub(super) fn storage_class(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    if let Some(old) = old {
        for name in [
            "parameters",
            "provisioner",
            "reclaimPolicy",
            "volumeBindingMode",
        ] {
            metadata::immutable_unshown(
                new.field(name),
                old.field(name),
                &Path::root(name),
                errors,
            );
        }
        return;
    }
    let provisioner = new.text("provisioner");
    let path = Path::root("provisioner");
    if provisioner.is_empty() {
        errors.required(&path, "");
    } else {
        let lower = provisioner.to_lowercase();
        errors.invalid_all(&path, &lower, formats::label_key(&lower));
    }
    let policy = new.text("reclaimPolicy");
    if !matches!(policy, "" | "Delete" | "Retain") {
        errors.not_supported(&Path::root("reclaimPolicy"), policy, &["Delete", "Retain"]);
    }
    let mode = new.text("volumeBindingMode");
    let path = Path::root("volumeBindingMode");
    if mode.is_empty() {
        errors.required(&path, "");
    } else if !matches!(mode, "Immediate" | "WaitForFirstConsumer") {
        errors.not_supported(&path, mode, &["Immediate", "WaitForFirstConsumer"]);
    }
}

/// Parts of storage and ingress objects that stay as they were created.
pub(super) fn fixed_parts(kind: &str, new: &Value, old: &Value, errors: &mut Errors) {
    let spec = Path::root("spec");
    let (new, old) = (new.field("spec"), old.field("spec"));
    match kind {
        "IngressClass" => {
            let place = spec.child("controller");
            metadata::immutable(
                new.field("controller"),
                old.field("controller"),
                &place,
                errors,
            );
        }
        "VolumeAttachment" => metadata::immutable_unshown(new, old, &spec, errors),
        "CSIDriver" => {
            let place = spec.child("attachedRequired");
            let (after, before) = (new.field("attachRequired"), old.field("attachRequired"));
            metadata::immutable(after, before, &place, errors);
            let name = "volumeLifecycleModes";
            let place = spec.child(name);
            metadata::immutable_unshown(new.field(name), old.field(name), &place, errors);
        }
        _ => {}
    }
}

/// An APIService is called as what it serves.
pub(super) fn api_service(new: &Value, errors: &mut Errors) {
    let spec = new.field("spec");
    let path = Path::root("spec");
    let (group, version) = (spec.text("group"), spec.text("version"));
    let wanted = format!("{version}.{group}");
    let metadata = Path::root("metadata");
    for field in ["generateName", "name"] {
        let name = new.field("metadata").text(field);
        if !name.is_empty() && name != wanted && formats::path_segment(name).is_empty() {
            let detail = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
            errors.invalid(&metadata.child(field), name, detail);
        }
    }
    if group.is_empty() && version != "v1" {
        let detail = "only v1 may have an empty group and it better be legacy kube";
        errors.required(&path.child("group"), detail);
    }
    if !group.is_empty() {
        errors.invalid_all(&path.child("group"), group, formats::dns_subdomain(group));
    }
    let place = path.child("version");
    errors.invalid_all(&place, version, formats::dns1035_label(version));
    for (name, max) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1_000)] {
        let number = spec.int(name).unwrap_or(0);
        if !(1..=max).contains(&number) {
            let detail = format!("must be positive and less than {max}");
            errors.invalid(&path.child(name), number, detail);
        }
    }
    served_by(spec, &path, errors);
}

fn served_by(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let unsafe_tls = spec.flag("insecureSkipTLSVerify");
    let place = path.child("insecureSkipTLSVerify");
    let service = spec.field("service");
    if service.is_null() {
        if unsafe_tls {
            let detail = "local APIServices may not have insecureSkipTLSVerify";
            errors.invalid(&place, true, detail);
        }
        return;
    }
    let at = path.child("service");
    for name in ["namespace", "name"] {
        if service.text(name).is_empty() {
            errors.required(&at.child(name), "");
        }
    }
    let port = service.int("port").unwrap_or(0);
    let wrong = formats::port_number(port);
    if !wrong.is_empty() {
        let detail = format!("port is not valid: {}", wrong.join(", "));
        errors.invalid(&at.child("port"), port, detail);
    }
    if unsafe_tls && !spec.text("caBundle").is_empty() {
        errors.invalid(&place, true, "may not be true if caBundle is present");
    }
}

/// What a FlowSchema and a level cannot be without.
pub(super) fn flow(kind: &str, new: &Value, errors: &mut Errors) {
    let path = Path::root("spec");
    if kind == "PriorityLevelConfiguration" && new.at("spec").text("type").is_empty() {
        errors.required(&path.child("type"), "");
    }
    let level = path.child("priorityLevelConfiguration");
    let named = new.at("spec.priorityLevelConfiguration").text("name");
    if kind == "FlowSchema" && named.is_empty() {
        let detail = "must reference a priority level";
        errors.required(&level.child("name"), detail);
    }
}

/// Who attaches which volume to which node.
pub(super) fn volume_attachment(new: &Value, errors: &mut Errors) {
    let spec = new.field("spec");
    let path = Path::root("spec");
    if spec.text("attacher").is_empty() {
        errors.required(&path.child("attacher"), "");
    }
    let source = spec.field("source");
    if source.has("inlineVolumeSpec") == source.has("persistentVolumeName") {
        let detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
        errors.required(&path.child("source"), detail);
    }
    let node = spec.text("nodeName");
    errors.invalid_all(&path.child("nodeName"), node, formats::dns_subdomain(node));
}

/// What a certificate may be good for.
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// Rules of a new request for a certificate; what it asks to be signed is read elsewhere.
pub(super) fn certificate_request(new: &Value, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    let place = path.child("usages");
    let usages = spec.items("usages");
    if usages.is_empty() {
        errors.required(&place, "");
    }
    for (i, usage) in usages.iter().enumerate() {
        let text = usage.as_str().unwrap_or_default();
        if !USAGES.contains(&text) {
            errors.not_supported(&place.index(i), text, &USAGES);
        }
    }
    for (i, usage) in usages.iter().enumerate() {
        if usages[..i].contains(usage) {
            errors.duplicate(&place.index(i), usage.clone());
        }
    }
    if let Some(seconds) = spec.int("expirationSeconds").filter(|s| *s < 600) {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid(&path.child("expirationSeconds"), seconds, detail);
    }
}
