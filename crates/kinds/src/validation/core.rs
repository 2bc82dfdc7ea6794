//! Nodes, ConfigMaps, Secrets, Events and Endpoints.

use serde_json::Value;

use super::numbers::one_of;
use super::{metadata, pod, resources};
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
