//! Containers: regular, init and ephemeral.

use std::collections::HashSet;

use serde_json::Value;

use super::{env, probe, security};
use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::read::Read;
use crate::validation::numbers::one_of;
use crate::validation::resources;

const ALWAYS_ONLY: &str = "may not be set for init containers without restartPolicy=Always";

/// Rules of all containers of a spec, whose volumes have these names.
pub(super) fn validate_all(
    spec: &Value,
    volumes: &HashSet<String>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let containers = spec.items("containers");
    let place = path.child("containers");
    if containers.is_empty() {
        errors.required(&place, "");
    }
    let mut names = HashSet::new();
    for (i, container) in containers.iter().enumerate() {
        let path = place.index(i);
        common(container, volumes, &path, errors);
        if !names.insert(container.text("name")) {
            errors.duplicate(&path.child("name"), container.text("name"));
        }
        probe::lifecycle_and_probes(container, spec, &path, errors);
        restart_rules(container, &path, errors);
    }
    host_port_conflicts(containers, &place, errors);
    init_containers(spec, volumes, &mut names, path, errors);
    ephemeral_containers(spec, volumes, &mut names, path, errors);
}

fn init_containers<'a>(
    spec: &'a Value,
    volumes: &HashSet<String>,
    names: &mut HashSet<&'a str>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let place = path.child("initContainers");
    for (i, container) in spec.items("initContainers").iter().enumerate() {
        let path = place.index(i);
        common(container, volumes, &path, errors);
        restart_rules(container, &path, errors);
        let name = container.text("name");
        if names.contains(name) {
            errors.duplicate(&path.child("name"), name);
        } else if !name.is_empty() {
            names.insert(name);
        }
        host_port_conflicts(std::slice::from_ref(container), &place, errors);
        if container.text("restartPolicy") == "Always" {
            probe::lifecycle_and_probes(container, spec, &path, errors);
            continue;
        }
        for name in [
            "lifecycle",
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
        ] {
            if container.has(name) {
                errors.forbidden(&path.child(name), ALWAYS_ONLY);
            }
        }
    }
}

fn ephemeral_containers<'a>(
    spec: &'a Value,
    volumes: &HashSet<String>,
    names: &mut HashSet<&'a str>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    const FORBIDDEN: [&str; 7] = [
        "ports",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
        "resources",
        "resizePolicy",
    ];
    let place = path.child("ephemeralContainers");
    for (i, container) in spec.items("ephemeralContainers").iter().enumerate() {
        let path = place.index(i);
        common(container, volumes, &path, errors);
        let name = container.text("name");
        if !names.insert(name) {
            errors.duplicate(&path.child("name"), name);
        }
        let target = container.text("targetContainerName");
        let known = |list| {
            spec.items(list)
                .iter()
                .any(|c: &Value| c.text("name") == target)
        };
        if !target.is_empty() && !known("containers") && !known("initContainers") {
            errors.not_found(&path.child("targetContainerName"), target);
        }
        for name in FORBIDDEN {
            let empty = container
                .field(name)
                .as_object()
                .is_some_and(|o| o.is_empty());
            if container.has(name) && !empty {
                errors.forbidden(
                    &path.child(name),
                    "cannot be set for an Ephemeral Container",
                );
            }
        }
    }
}

fn common(container: &Value, volumes: &HashSet<String>, path: &Path<'_>, errors: &mut Errors) {
    let name = container.text("name");
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    } else {
        errors.invalid_all(&path.child("name"), name, formats::dns_label(name));
    }
    if container.text("image").is_empty() {
        errors.required(&path.child("image"), "");
    }
    one_of(
        container.text("terminationMessagePolicy"),
        &["File", "FallbackToLogsOnError"],
        &path.child("terminationMessagePolicy"),
        errors,
    );
    ports(container.items("ports"), &path.child("ports"), errors);
    env::validate(container, path, errors);
    mounts(container, volumes, &path.child("volumeMounts"), errors);
    devices(container, volumes, &path.child("volumeDevices"), errors);
    let policies = ["Always", "IfNotPresent", "Never"];
    one_of(
        container.text("imagePullPolicy"),
        &policies,
        &path.child("imagePullPolicy"),
        errors,
    );
    resources::validate(
        container.field("resources"),
        &path.child("resources"),
        errors,
    );
    let security = container.field("securityContext");
    security::validate_container(security, &path.child("securityContext"), errors);
}

fn ports(ports: &[Value], path: &Path<'_>, errors: &mut Errors) {
    let mut names = HashSet::new();
    for (i, port) in ports.iter().enumerate() {
        let path = path.index(i);
        let name = port.text("name");
        if !name.is_empty() {
            let wrong = formats::port_name(name);
            if !wrong.is_empty() {
                errors.invalid_all(&path.child("name"), name, wrong);
            } else if !names.insert(name) {
                errors.duplicate(&path.child("name"), name);
            }
        }
        match port.int("containerPort").unwrap_or(0) {
            0 => errors.required(&path.child("containerPort"), ""),
            number => port_number(number, &path.child("containerPort"), errors),
        }
        let host = port.int("hostPort").unwrap_or(0);
        if host != 0 {
            port_number(host, &path.child("hostPort"), errors);
        }
        one_of(
            port.text("protocol"),
            &["SCTP", "TCP", "UDP"],
            &path.child("protocol"),
            errors,
        );
    }
}

fn port_number(number: i64, path: &Path<'_>, errors: &mut Errors) {
    for wrong in formats::port_number(number) {
        errors.invalid(path, number, wrong);
    }
}

fn host_port_conflicts(containers: &[Value], path: &Path<'_>, errors: &mut Errors) {
    let mut taken = HashSet::new();
    for (i, container) in containers.iter().enumerate() {
        let container_path = path.index(i);
        let ports = container_path.child("ports");
        for (j, port) in container.items("ports").iter().enumerate() {
            let number = port.int("hostPort").unwrap_or(0);
            if number == 0 {
                continue;
            }
            let key = format!("{}/{}/{number}", port.text("protocol"), port.text("hostIP"));
            if !taken.insert(key.clone()) {
                errors.duplicate(&ports.index(j).child("hostPort"), key);
            }
        }
    }
}

fn mounts(container: &Value, volumes: &HashSet<String>, path: &Path<'_>, errors: &mut Errors) {
    let mut places = HashSet::new();
    let privileged = container.field("securityContext").flag("privileged");
    for (i, mount) in container.items("volumeMounts").iter().enumerate() {
        let at = path.index(i);
        let (name, place) = (mount.text("name"), mount.text("mountPath"));
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        }
        if !volumes.contains(name) {
            errors.not_found(&at.child("name"), name);
        }
        if place.is_empty() {
            errors.required(&at.child("mountPath"), "");
        }
        if !places.insert(place) {
            errors.invalid(&at.child("mountPath"), place, "must be unique");
        }
        let (sub, expression) = (mount.text("subPath"), mount.text("subPathExpr"));
        if !sub.is_empty() {
            descending(sub, &path.child("subPath"), errors);
        }
        if !expression.is_empty() {
            if !sub.is_empty() {
                let detail = "subPathExpr and subPath are mutually exclusive";
                errors.invalid(&at.child("subPathExpr"), expression, detail);
            }
            descending(expression, &path.child("subPathExpr"), errors);
        }
        let propagation = mount.text("mountPropagation");
        let known = ["Bidirectional", "HostToContainer", "None"];
        if !propagation.is_empty() && !known.contains(&propagation) {
            errors.not_supported(&path.child("mountPropagation"), propagation, &known);
        }
        if propagation == "Bidirectional" && !privileged {
            let detail =
                "Bidirectional mount propagation is available only to privileged containers";
            errors.forbidden(&path.child("mountPropagation"), detail);
        }
    }
}

fn devices(container: &Value, volumes: &HashSet<String>, path: &Path<'_>, errors: &mut Errors) {
    let mut places = HashSet::new();
    for (i, device) in container.items("volumeDevices").iter().enumerate() {
        let path = path.index(i);
        let (name, place) = (device.text("name"), device.text("devicePath"));
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else if !volumes.contains(name) {
            errors.not_found(&path.child("name"), name);
        }
        if place.is_empty() {
            errors.required(&path.child("devicePath"), "");
        } else if !places.insert(place) {
            errors.invalid(&path.child("devicePath"), place, "must be unique");
        }
    }
}

/// A relative path that stays where it is.
pub(super) fn descending(place: &str, path: &Path<'_>, errors: &mut Errors) {
    if place.starts_with('/') {
        errors.invalid(path, place, "must be a relative path");
    }
    no_backsteps(place, path, errors);
}

/// A path without `..`.
pub(super) fn no_backsteps(place: &str, path: &Path<'_>, errors: &mut Errors) {
    if place.split('/').any(|part| part == "..") {
        errors.invalid(path, place, "must not contain '..'");
    }
}

fn restart_rules(container: &Value, path: &Path<'_>, errors: &mut Errors) {
    let rules = container.items("restartPolicyRules");
    let place = path.child("restartPolicy");
    match container.field("restartPolicy").as_str() {
        None if rules.is_empty() => {}
        None => errors.required(
            &place,
            "must specify restartPolicy when restart rules are used",
        ),
        Some(policy) => {
            let known = ["Always", "Never", "OnFailure"];
            if !known.contains(&policy) {
                errors.not_supported(&place, policy, &known);
            }
        }
    }
    if rules.len() > 20 {
        errors.too_many(&path.child("restartPolicyRules"), rules.len(), 20);
    }
}
