//! Where a pod may run: affinity, tolerations, spread, gates, and its names.

use std::collections::HashSet;

use serde_json::Value;

use crate::error::{ErrorKind, Errors};
use crate::formats;
use crate::path::Path;
use crate::read::Read;
use crate::validation::selector;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Rules of everything that places a pod, but tolerations.
pub(super) fn validate(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let affinity = spec.field("affinity");
    let place = path.child("affinity");
    node_affinity(
        affinity.field("nodeAffinity"),
        &place.child("nodeAffinity"),
        errors,
    );
    pod_affinity(
        affinity.field("podAffinity"),
        &place.child("podAffinity"),
        errors,
    );
    pod_affinity(
        affinity.field("podAntiAffinity"),
        &place.child("podAntiAffinity"),
        errors,
    );
    dns_config(spec, &path.child("dnsConfig"), errors);
    let gates = path.child("readinessGates");
    for (i, gate) in spec.items("readinessGates").iter().enumerate() {
        let kind = gate.text("conditionType");
        let at = gates.index(i);
        errors.invalid_all(&at.child("conditionType"), kind, formats::label_key(kind));
    }
    scheduling_gates(spec, &path.child("schedulingGates"), errors);
    spread(spec, &path.child("topologySpreadConstraints"), errors);
}

fn node_affinity(affinity: &Value, path: &Path<'_>, errors: &mut Errors) {
    if affinity.has(REQUIRED) {
        node_selector(affinity.field(REQUIRED), &path.child(REQUIRED), errors);
    }
    let preferred = path.child(PREFERRED);
    for (i, term) in affinity.items(PREFERRED).iter().enumerate() {
        let at = preferred.index(i);
        weight(term, &at, errors);
        node_term(term.field("preference"), &at.child("preference"), errors);
    }
}

fn weight(term: &Value, path: &Path<'_>, errors: &mut Errors) {
    let weight = term.int("weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.child("weight"), weight, "must be in the range 1-100");
    }
}

fn node_selector(selector: &Value, path: &Path<'_>, errors: &mut Errors) {
    let place = path.child("nodeSelectorTerms");
    let terms = selector.items("nodeSelectorTerms");
    if terms.is_empty() {
        errors.required(&place, "must have at least one node selector term");
    }
    for (i, term) in terms.iter().enumerate() {
        node_term(term, &place.index(i), errors);
    }
}

fn node_term(term: &Value, path: &Path<'_>, errors: &mut Errors) {
    let place = path.child("matchExpressions");
    for (i, requirement) in term.items("matchExpressions").iter().enumerate() {
        node_requirement(requirement, &place.index(i), errors);
    }
    let place = path.child("matchFields");
    for (i, requirement) in term.items("matchFields").iter().enumerate() {
        field_requirement(requirement, &place.index(i), errors);
    }
}

fn node_requirement(requirement: &Value, path: &Path<'_>, errors: &mut Errors) {
    let values = requirement.items("values");
    let place = path.child("values");
    match requirement.text("operator") {
        "In" | "NotIn" if values.is_empty() => {
            let detail = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.required(&place, detail);
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.forbidden(&place, detail);
        }
        "Gt" | "Lt" if values.len() != 1 => {
            let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
            errors.required(&place, detail);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.invalid(
            &path.child("operator"),
            other,
            "not a valid selector operator",
        ),
    }
    let key = requirement.text("key");
    errors.invalid_all(&path.child("key"), key, formats::label_key(key));
    for (i, value) in values.iter().filter_map(Value::as_str).enumerate() {
        errors.invalid_all(&place.index(i), value, formats::label_value(value));
    }
}

fn field_requirement(requirement: &Value, path: &Path<'_>, errors: &mut Errors) {
    let operator = requirement.text("operator");
    if !matches!(operator, "In" | "NotIn") {
        errors.invalid(
            &path.child("operator"),
            operator,
            "not a valid selector operator",
        );
    } else if requirement.items("values").len() != 1 {
        let detail =
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
        errors.required(&path.child("values"), detail);
    }
    let key = requirement.text("key");
    if key != "metadata.name" {
        errors.invalid(&path.child("key"), key, "not a valid field selector key");
    }
}

fn pod_affinity(affinity: &Value, path: &Path<'_>, errors: &mut Errors) {
    let required = path.child(REQUIRED);
    for (i, term) in affinity.items(REQUIRED).iter().enumerate() {
        pod_term(term, &required.index(i), errors);
    }
    let preferred = path.child(PREFERRED);
    for (i, term) in affinity.items(PREFERRED).iter().enumerate() {
        let at = preferred.index(i);
        weight(term, &at, errors);
        pod_term(
            term.field("podAffinityTerm"),
            &at.child("podAffinityTerm"),
            errors,
        );
    }
}

fn pod_term(term: &Value, path: &Path<'_>, errors: &mut Errors) {
    selector::validate(
        term.field("labelSelector"),
        &path.child("labelSelector"),
        errors,
    );
    selector::validate(
        term.field("namespaceSelector"),
        &path.child("namespaceSelector"),
        errors,
    );
    for name in term.items("namespaces").iter().filter_map(Value::as_str) {
        errors.invalid_all(&path.child("namespace"), name, formats::dns_label(name));
    }
    let key = term.text("topologyKey");
    if key.is_empty() {
        errors.required(&path.child("topologyKey"), "can not be empty");
    }
    errors.invalid_all(&path.child("topologyKey"), key, formats::label_key(key));
}

fn dns_config(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let config = spec.field("dnsConfig");
    let servers = config.items("nameservers");
    if spec.text("dnsPolicy") == "None" {
        if !config.is_object() {
            let detail = "must provide `dnsConfig` when `dnsPolicy` is None";
            return errors.required(path, detail);
        }
        if servers.is_empty() {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return errors.required(&path.child("nameservers"), detail);
        }
    }
    if servers.len() > 3 {
        let detail = "must not have more than 3 nameservers";
        errors.invalid(&path.child("nameservers"), servers.to_vec(), detail);
    }
    let place = path.child("nameservers");
    for (i, server) in servers.iter().filter_map(Value::as_str).enumerate() {
        ip(server, &place.index(i), errors);
    }
    let searches = config.items("searches");
    if searches.len() > 32 {
        let detail = "must not have more than 32 search paths";
        errors.invalid(&path.child("searches"), searches.to_vec(), detail);
    }
    let place = path.child("searches");
    for (i, search) in searches.iter().filter_map(Value::as_str).enumerate() {
        if search != "." {
            let search = search.strip_suffix('.').unwrap_or(search);
            let wrong = formats::dns_subdomain_underscored(search);
            errors.invalid_all(&place.index(i), search, wrong);
        }
    }
    let place = path.child("options");
    for (i, option) in config.items("options").iter().enumerate() {
        if option.text("name").is_empty() {
            errors.required(&place.index(i), "must not be empty");
        }
    }
}

/// An address, of either family.
pub(in crate::validation) fn ip(text: &str, path: &Path<'_>, errors: &mut Errors) {
    if text.parse::<std::net::IpAddr>().is_err() {
        errors.invalid(
            path,
            text,
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        );
    }
}

fn scheduling_gates(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (i, gate) in spec.items("schedulingGates").iter().enumerate() {
        let name = gate.text("name");
        errors.invalid_all(&path.index(i), name, formats::label_key(name));
        if !seen.insert(name) {
            errors.duplicate(&path.index(i), name);
        }
    }
}

fn spread(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let constraints = spec.items("topologySpreadConstraints");
    for (i, constraint) in constraints.iter().enumerate() {
        let at = path.index(i);
        let skew = constraint.int("maxSkew").unwrap_or(0);
        if skew <= 0 {
            errors.invalid(&at.child("maxSkew"), skew, "must be greater than zero");
        }
        let key = constraint.text("topologyKey");
        if key.is_empty() {
            errors.required(&at.child("topologyKey"), "can not be empty");
        } else {
            errors.invalid_all(&at.child("topologyKey"), key, formats::label_key(key));
        }
        let when = constraint.text("whenUnsatisfiable");
        let known = ["DoNotSchedule", "ScheduleAnyway"];
        if !known.contains(&when) {
            errors.not_supported(&at.child("whenUnsatisfiable"), when, &known);
        }
        let repeated = constraints[i + 1..]
            .iter()
            .any(|c| c.text("topologyKey") == key && c.text("whenUnsatisfiable") == when);
        if repeated {
            let shown = format!("{{{key}, {when}}}");
            errors.duplicate(&at.child("{topologyKey, whenUnsatisfiable}"), shown);
        }
        if let Some(domains) = constraint.int("minDomains") {
            if domains <= 0 {
                errors.invalid(
                    &at.child("minDomains"),
                    domains,
                    "must be greater than zero",
                );
            }
            if when != "DoNotSchedule" {
                let detail = "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway";
                errors.invalid(&at.child("minDomains"), domains, detail);
            }
        }
        selector::validate(
            constraint.field("labelSelector"),
            &at.child("labelSelector"),
            errors,
        );
    }
}

/// Rules of tolerations.
pub(in crate::validation) fn tolerations(list: &[Value], path: &Path<'_>, errors: &mut Errors) {
    for (i, toleration) in list.iter().enumerate() {
        let at = path.index(i);
        let (key, operator) = (toleration.text("key"), toleration.text("operator"));
        let (value, effect) = (toleration.text("value"), toleration.text("effect"));
        if !key.is_empty() {
            errors.invalid_all(&at.child("key"), key, formats::label_key(key));
        } else if operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(&at.child("operator"), operator, detail);
        }
        if toleration.has("tolerationSeconds") && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(&at.child("effect"), effect, detail);
        }
        match operator {
            "" | "Equal" => {
                let wrong = formats::label_value(value).join(";");
                if !wrong.is_empty() {
                    errors.invalid(&at.child("operator"), value, wrong);
                }
            }
            "Exists" if !value.is_empty() => {
                let detail = "value must be empty when `operator` is 'Exists'";
                errors.invalid(&at.child("operator"), value, detail);
            }
            "Exists" => {}
            "Lt" | "Gt" => {
                let known = ["Equal", "Exists", "Lt", "Gt"];
                errors.not_supported(&at.child("operator"), operator, &known);
            }
            _ => errors.not_supported(&at.child("operator"), operator, &["Equal", "Exists"]),
        }
        if !effect.is_empty() && !EFFECTS.contains(&effect) {
            errors.not_supported(&at.child("effect"), effect, &EFFECTS);
        }
    }
}

/// Rules of a node's taints.
pub(in crate::validation) fn taints(list: &[Value], path: &Path<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (i, taint) in list.iter().enumerate() {
        let at = path.index(i);
        let (key, effect) = (taint.text("key"), taint.text("effect"));
        errors.invalid_all(&at.child("key"), key, formats::label_key(key));
        let wrong = formats::label_value(taint.text("value")).join(";");
        if !wrong.is_empty() {
            errors.invalid(&at.child("value"), taint.text("value"), wrong);
        }
        if effect.is_empty() {
            errors.required(&at.child("effect"), "");
        } else if !EFFECTS.contains(&effect) {
            errors.not_supported(&at.child("effect"), effect, &EFFECTS);
        }
        if !seen.insert((key, effect)) {
            let detail = "taints must be unique by key and effect pair";
            let shown = serde_json::json!({
                "Key": key, "Value": taint.text("value"), "Effect": effect,
                "TimeAdded": taint.field("timeAdded"),
            });
            errors.add(ErrorKind::Duplicate, &at, Some(shown), detail);
        }
    }
}
