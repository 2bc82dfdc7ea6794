//! The core group, beside pods, services and controllers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::numbers::{one_of, one_of_if_given};
use super::{metadata, pod, resources, selector};
use crate::error::{Errors, quote};
use crate::formats;
use crate::path::Path;
use crate::read::Read;
use crate::strategy::same;

/// All values of a ConfigMap or Secret together may have this many bytes.
const DATA_MAX: usize = 1024 * 1024;
const FROZEN: &str = "field is immutable when `immutable` is set";

pub(super) fn node(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let meta = Path::root("metadata");
    // Kubernetes tells taints under `metadata`; so do we.
    pod::taints(new["spec"].items("taints"), &meta.child("taints"), errors);
    for list in ["capacity", "allocatable"] {
        let status = Path::root("status");
        let place = status.child(list);
        for (name, amount) in new["status"].entries(list) {
            resources::amount_of(name, amount, &place.key(name), errors);
        }
    }
    let path = Path::root("spec");
    for (i, cidr) in new["spec"]
        .items("podCIDRs")
        .iter()
        .filter_map(Value::as_str)
        .enumerate()
    {
        let place = path.child("podCIDRs");
        if !is_cidr(cidr) {
            let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
            errors.invalid(&place.index(i), cidr, detail);
        }
    }
    if let Some(old) = old {
        node_update(new.field("spec"), old.field("spec"), &path, errors);
    }
}

fn node_update(spec: &Value, before: &Value, path: &Path<'_>, errors: &mut Errors) {
    let old = before.items("podCIDRs");
    if !old.is_empty() && old != spec.items("podCIDRs") {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        errors.forbidden(&path.child("podCIDRs"), detail);
    }
    let (new_id, old_id) = (spec.text("providerID"), before.text("providerID"));
    if !old_id.is_empty() && new_id != old_id {
        let detail = if new_id.is_empty() {
            "field cannot be cleared once set"
        } else {
            "field cannot be modified once set"
        };
        errors.invalid(&path.child("providerID"), Value::Null, detail);
    }
}

/// Whether a text is an address with a prefix.
pub(super) fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let max = match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= max)
}

pub(super) fn config_map(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    frozen(new, old, &["data", "binaryData"], errors);
    let mut size = 0;
    let (data, binary) = (Path::root("data"), Path::root("binaryData"));
    for (key, value) in new.entries("data") {
        errors.invalid_all(&data.key(key), key, formats::config_key(key));
        if new["binaryData"].get(key).is_some() {
            errors.invalid(
                &data.key(key),
                key,
                "duplicate of key present in binaryData",
            );
        }
        size += value.as_str().map_or(0, str::len);
    }
    for (key, value) in new.entries("binaryData") {
        errors.invalid_all(&binary.key(key), key, formats::config_key(key));
        size += decoded_len(value);
    }
    if size > DATA_MAX {
        // The place of all of it, as Kubernetes writes that.
        errors.too_long(&Path::root("[]"), DATA_MAX);
    }
}

/// Bytes behind a base64 text.
fn decoded_len(value: &Value) -> usize {
    let text = value.as_str().unwrap_or("");
    text.trim_end_matches('=').len() * 3 / 4
}

/// What is frozen stays frozen.
fn frozen(new: &Value, old: Option<&Value>, parts: &[&str], errors: &mut Errors) {
    let Some(old) = old.filter(|old| old.flag("immutable")) else {
        return;
    };
    if !new.flag("immutable") {
        errors.forbidden(&Path::root("immutable"), FROZEN);
    }
    for part in parts {
        if !same(new.field(part), old.field(part)) {
            errors.forbidden(&Path::root(part), FROZEN);
        }
    }
}

/// Keys that a type of Secret must have.
const SECRET_KEYS: &[(&str, &[&str])] = &[
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
];

pub(super) fn secret(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    if let Some(old) = old {
        metadata::immutable(
            new.field("type"),
            old.field("type"),
            &Path::root("type"),
            errors,
        );
        frozen(new, Some(old), &["data"], errors);
    }
    let path = Path::root("data");
    let mut size = 0;
    for (key, value) in new.entries("data") {
        errors.invalid_all(&path.key(key), key, formats::config_key(key));
        size += decoded_len(value);
    }
    if size > DATA_MAX {
        errors.too_long(&path, DATA_MAX);
    }
    secret_of_type(new, &path, errors);
}

fn secret_of_type(secret: &Value, path: &Path<'_>, errors: &mut Errors) {
    const ACCOUNT: &str = "kubernetes.io/service-account.name";
    let kind = secret.text("type");
    let has = |key: &str| secret["data"].get(key).is_some();
    if kind == "kubernetes.io/service-account-token" {
        if secret["metadata"]["annotations"].text(ACCOUNT).is_empty() {
            let meta = Path::root("metadata");
            errors.required(&meta.child("annotations").key(ACCOUNT), "");
        }
    } else if kind == "kubernetes.io/basic-auth" {
        if !has("username") && !has("password") {
            errors.required(&path.key("username"), "");
            errors.required(&path.key("password"), "");
        }
    } else if let Some((_, keys)) = SECRET_KEYS.iter().find(|(name, _)| *name == kind) {
        for key in keys.iter().filter(|key| !has(key)) {
            errors.required(&path.key(key), "");
        }
    }
}

/// Rules of an Event in its core form.
pub(super) fn event(new: &Value, errors: &mut Errors) {
    let involved = Path::root("involvedObject");
    let place = involved.child("namespace");
    let own = new["metadata"].text("namespace");
    let theirs = new["involvedObject"].text("namespace");
    let modern = new.has("eventTime");
    let home = if modern { "kube-system" } else { "default" };
    let mismatch = if theirs.is_empty() {
        !matches!(own, "" | "default") && own != home
    } else {
        !modern && own != theirs
    };
    if mismatch {
        errors.invalid(&place, theirs, "does not match event.namespace");
    }
    if modern {
        modern_event(new, errors);
    }
}

fn modern_event(new: &Value, errors: &mut Errors) {
    let controller = new.text("reportingComponent");
    let path = Path::root("reportingComponent");
    if controller.is_empty() {
        errors.required(&path, "");
    }
    errors.invalid_all(&path, controller, formats::label_key(controller));
    for (name, max) in [
        ("reportingInstance", 128),
        ("action", 128),
        ("reason", 128),
        ("message", 1024),
    ] {
        let text = new.text(name);
        let path = Path::root(name);
        if text.is_empty() && name != "message" {
            errors.required(&path, "");
        }
        if text.len() > max {
            errors.invalid(&path, "", format!("can have at most {max} characters"));
        }
    }
}

pub(super) fn endpoints(new: &Value, errors: &mut Errors) {
    let path = Path::root("subsets");
    for (i, subset) in new.items("subsets").iter().enumerate() {
        let at = path.index(i);
        if subset.items("addresses").is_empty() && subset.items("notReadyAddresses").is_empty() {
            errors.required(&at, "must specify `addresses` or `notReadyAddresses`");
        }
        for list in ["addresses", "notReadyAddresses"] {
            let place = at.child(list);
            for (j, address) in subset.items(list).iter().enumerate() {
                let place = place.index(j);
                address_of(address.text("ip"), &place.child("ip"), errors);
            }
        }
        let place = at.child("ports");
        let ports = subset.items("ports");
        for (j, port) in ports.iter().enumerate() {
            let place = place.index(j);
            if ports.len() > 1 && port.text("name").is_empty() {
                errors.required(&place.child("name"), "");
            }
            let number = port.int("port").unwrap_or(0);
            for wrong in formats::port_number(number) {
                errors.invalid(&place.child("port"), number, wrong);
            }
            one_of(
                port.text("protocol"),
                &["SCTP", "TCP", "UDP"],
                &place.child("protocol"),
                errors,
            );
        }
    }
}

fn address_of(ip: &str, path: &Path<'_>, errors: &mut Errors) {
    let Ok(address) = ip.parse::<std::net::IpAddr>() else {
        errors.invalid(
            path,
            ip,
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        );
        errors.invalid(path, ip, "must be a valid IP address");
        return;
    };
    special_address(address, ip, path, errors);
}

/// Endpoints must not lead to the machine itself or nowhere.
pub(super) fn special_address(
    address: std::net::IpAddr,
    ip: &str,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let (loopback, link_local) = match address {
        std::net::IpAddr::V4(v4) => (v4.is_loopback(), v4.is_link_local()),
        std::net::IpAddr::V6(v6) => (v6.is_loopback(), v6.is_unicast_link_local()),
    };
    if address.is_unspecified() {
        let shown = quote(ip).trim_matches('"').to_owned();
        errors.invalid(path, ip, format!("may not be unspecified ({shown})"));
    }
    if loopback {
        errors.invalid(
            path,
            ip,
            "may not be in the loopback range (127.0.0.0/8, ::1/128)",
        );
    }
    if link_local {
        errors.invalid(
            path,
            ip,
            "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
        );
    }
}

const ACCESS_MODES: &[&str] = &[
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];

pub(super) fn claim(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
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
    one_of_if_given(spec, "volumeMode", &["Block", "Filesystem"], &path, errors);
    if let Some(old) = old {
        claim_update(spec, old, &path, errors);
    }
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

pub(super) fn limit_range(new: &Value, errors: &mut Errors) {
    let spec = Path::root("spec");
    let limits = spec.child("limits");
    let mut seen = BTreeSet::new();
    for (i, item) in new["spec"].items("limits").iter().enumerate() {
        let at = limits.index(i);
        let kind = item.text("type");
        limit_type(kind, &at.child("type"), errors);
        if !seen.insert(kind) {
            errors.duplicate(&at.child("type"), kind);
        }
        let mut names = BTreeSet::new();
        for list in [
            "max",
            "min",
            "default",
            "defaultRequest",
            "maxLimitRequestRatio",
        ] {
            let place = at.child(list);
            if kind == "Pod" && list.starts_with("default") {
                if item.entries(list).next().is_some() {
                    errors.forbidden(&place, "may not be specified when `type` is 'Pod'");
                }
                continue;
            }
            for (name, _) in item.entries(list) {
                resources::name_of_resource(name, &place.key(name), errors);
                names.insert(name);
            }
        }
        let storage = |list: &str| item.field(list).has("storage");
        if kind == "PersistentVolumeClaim" && !storage("min") && !storage("max") {
            let detail =
                "either minimum or maximum storage value is required, but neither was provided";
            errors.required(&at.child("limits"), detail);
        }
        for name in names {
            bounds(item, name, &at, errors);
        }
    }
}

fn limit_type(kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let wrong = formats::label_key(kind);
    let fine = wrong.is_empty();
    errors.invalid_all(path, kind, wrong);
    let known = ["Container", "Pod", "PersistentVolumeClaim"].contains(&kind);
    if fine && !known && !kind.contains('/') {
        errors.invalid(
            path,
            kind,
            "must be a standard limit type or fully qualified",
        );
    }
}

/// What a limit range says of one resource must not contradict itself.
fn bounds(item: &Value, name: &str, at: &Path<'_>, errors: &mut Errors) {
    /// The smaller, the larger, where the error is shown and with which of the two values.
    const ORDERS: [(&str, &str, &str, &str); 6] = [
        ("min", "max", "min", "min"),
        ("min", "defaultRequest", "defaultRequest", "defaultRequest"),
        ("defaultRequest", "max", "defaultRequest", "defaultRequest"),
        (
            "defaultRequest",
            "default",
            "defaultRequest",
            "defaultRequest",
        ),
        ("min", "default", "default", "min"),
        ("default", "max", "default", "max"),
    ];
    let value = |list: &str| item.field(list).get(name).map(resources::quantity);
    let word = |list: &'static str, other: &str| match (list, other) {
        ("defaultRequest", _) => "default request",
        ("default", "defaultRequest") => "default limit",
        _ => list,
    };
    for (low, high, place, shown) in ORDERS {
        let (Some(less), Some(more)) = (value(low), value(high)) else {
            continue;
        };
        if less > more {
            let (low_word, high_word) = (word(low, high), word(high, low));
            let detail =
                format!("{low_word} value {less} is greater than {high_word} value {more}");
            let shown = if shown == low { less } else { more };
            errors.invalid(&at.child(place).key(name), shown.to_string(), detail);
        }
    }
    if let Some(ratio) = value("maxLimitRequestRatio").filter(|ratio| ratio.millis() < 1000) {
        let place = at.child("maxLimitRequestRatio");
        let detail = format!("ratio {ratio} is less than 1");
        errors.invalid(&place.key(name), ratio.to_string(), detail);
    }
}

pub(super) fn quota(new: &Value, errors: &mut Errors) {
    let spec = Path::root("spec");
    let hard = spec.child("hard");
    for (name, amount) in new["spec"].entries("hard") {
        let place = hard.key(name);
        if resources::name_of_resource(name, &place, errors) {
            resources::amount_of(name, amount, &place, errors);
        }
        resources::name_for_quota(name, &place, errors);
    }
    quota_scopes(new.field("spec"), &spec.child("scopes"), errors);
}

/// Scopes that are known, and count what the quota limits.
fn quota_scopes(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    const OF_PODS: [&str; 5] = [
        "Terminating",
        "NotTerminating",
        "NotBestEffort",
        "PriorityClass",
        "CrossNamespacePodAffinity",
    ];
    let shown = spec.field("scopes");
    let scopes: Vec<&str> = spec
        .items("scopes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for scope in &scopes {
        let counts: &[&str] = match *scope {
            "BestEffort" => &["pods"],
            "VolumeAttributesClass" => &["persistentvolumeclaims", "requests.storage"],
            scope if OF_PODS.contains(&scope) => QUOTA_OF_PODS,
            _ => {
                errors.invalid(path, shown.clone(), "unsupported scope");
                continue;
            }
        };
        for (name, _) in spec.entries("hard") {
            if STANDARD_QUOTA.contains(&name) && !counts.contains(&name) {
                errors.invalid(path, shown.clone(), "unsupported scope applied to resource");
            }
        }
    }
    for (one, other) in [
        ("BestEffort", "NotBestEffort"),
        ("Terminating", "NotTerminating"),
    ] {
        if scopes.contains(&one) && scopes.contains(&other) {
            errors.invalid(path, shown.clone(), "conflicting scopes");
        }
    }
}

/// What a quota of pods can limit.
const QUOTA_OF_PODS: &[&str] = &[
    "pods",
    "cpu",
    "memory",
    "limits.cpu",
    "limits.memory",
    "requests.cpu",
    "requests.memory",
];

/// What quotas can limit beside counts of objects.
const STANDARD_QUOTA: [&str; 19] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];
