//! Pods and pod templates.

use serde_json::Value;

use super::numbers::one_of;
use super::{NOT_NEGATIVE, metadata, resources};
use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::read::Read;

mod container;
mod env;
mod parts;
mod placement;
mod probe;
mod security;
mod update;
mod volume;

pub(super) use parts::{validate_ephemeral, validate_resize};
pub(super) use placement::{ip, taints, tolerations};
pub(super) use update::{validate_status_update, validate_update};

/// Rules of a new Pod.
pub(super) fn validate_create(pod: &Value, errors: &mut Errors) {
    validate_metadata_and_spec(pod, errors);
    let path = Path::root("spec");
    let spec = pod.field("spec");
    if !spec.items("ephemeralContainers").is_empty() {
        errors.forbidden(
            &path.child("ephemeralContainers"),
            "cannot be set on create",
        );
    }
    if !spec.text("nodeName").is_empty() && !spec.items("schedulingGates").is_empty() {
        let detail = "cannot be set until all schedulingGates have been cleared";
        errors.forbidden(&path.child("nodeName"), detail);
    }
}

/// What holds for a Pod at any time.
fn validate_metadata_and_spec(pod: &Value, errors: &mut Errors) {
    let meta = Path::root("metadata");
    annotations(
        pod.at("metadata.annotations"),
        &meta.child("annotations"),
        errors,
    );
    let path = Path::root("spec");
    let spec = pod.field("spec");
    validate_spec(spec, Some(pod.field("metadata")), &path, errors);
    if let Some(seconds) = spec.int("terminationGracePeriodSeconds").filter(|s| *s < 0) {
        errors.invalid(
            &path.child("terminationGracePeriodSeconds"),
            seconds,
            NOT_NEGATIVE,
        );
    }
    for list in ["containers", "initContainers"] {
        let list_path = path.child(list);
        for (i, container) in spec.items(list).iter().enumerate() {
            let image = container.text("image");
            if image.trim() != image {
                let detail = "must not have leading or trailing whitespace";
                errors.invalid(&list_path.index(i).child("image"), image, detail);
            }
        }
    }
}

fn annotations(annotations: &Value, path: &Path<'_>, errors: &mut Errors) {
    const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    let cost = annotations.text(COST);
    let plain = cost == "0" || !cost.starts_with(['0', '+']);
    if !cost.is_empty() && (!plain || cost.parse::<i32>().is_err()) {
        errors.invalid(&path.key(COST), cost, "must be a 32bit integer");
    }
}

/// Rules of a `PodTemplateSpec`.
pub(super) fn validate_template(template: &Value, path: &Path<'_>, errors: &mut Errors) {
    let meta = template.field("metadata");
    metadata::labels(meta.field("labels"), &path.child("labels"), errors);
    metadata::annotations(
        meta.field("annotations"),
        &path.child("annotations"),
        errors,
    );
    annotations(
        meta.field("annotations"),
        &path.child("annotations"),
        errors,
    );
    let spec = template.field("spec");
    let spec_path = path.child("spec");
    validate_spec(spec, None, &spec_path, errors);
    if !spec.items("ephemeralContainers").is_empty() {
        let detail = "ephemeral containers not allowed in pod template";
        errors.forbidden(&spec_path.child("ephemeralContainers"), detail);
    }
}

/// Rules of a `PodSpec`; `meta` is that of the Pod, if it is one.
fn validate_spec(spec: &Value, meta: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    if spec.int("terminationGracePeriodSeconds").is_none() {
        errors.required(&path.child("terminationGracePeriodSeconds"), "");
    }
    let pod = meta.map_or("", |meta| meta.text("name"));
    let volumes = volume::validate_all(spec, pod, &path.child("volumes"), errors);
    container::validate_all(spec, &volumes, path, errors);
    host_network_ports(spec, meta.is_some(), path, errors);
    let always = ["Always", "OnFailure", "Never"];
    one_of(
        spec.text("restartPolicy"),
        &always,
        &path.child("restartPolicy"),
        errors,
    );
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(
        spec.text("dnsPolicy"),
        &policies,
        &path.child("dnsPolicy"),
        errors,
    );
    metadata::labels(
        spec.field("nodeSelector"),
        &path.child("nodeSelector"),
        errors,
    );
    security::validate_pod(
        spec.field("securityContext"),
        &path.child("securityContext"),
        errors,
    );
    if spec.flag("shareProcessNamespace") && spec.flag("hostPID") {
        let shown = spec.flag("shareProcessNamespace");
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid(&path.child("shareProcessNamespace"), shown, detail);
    }
    placement::validate(spec, path, errors);
    names(spec, path, errors);
    if let Some(seconds) = spec.int("activeDeadlineSeconds") {
        for wrong in formats::in_range(seconds, 1, i64::from(i32::MAX)) {
            errors.invalid(&path.child("activeDeadlineSeconds"), seconds, wrong);
        }
    }
    tolerations(
        spec.items("tolerations"),
        &path.child("tolerations"),
        errors,
    );
    more_names(spec, path, errors);
    if spec.has("overhead") {
        let overhead = serde_json::json!({"limits": spec.field("overhead")});
        resources::validate(&overhead, &path.child("overhead"), errors);
    }
}

fn host_network_ports(spec: &Value, is_pod: bool, path: &Path<'_>, errors: &mut Errors) {
    if !spec.flag("hostNetwork") {
        return;
    }
    let containers = path.child("containers");
    for (i, container) in spec.items("containers").iter().enumerate() {
        let container_path = containers.index(i);
        let ports = container_path.child("ports");
        for (j, port) in container.items("ports").iter().enumerate() {
            let host = port.int("hostPort").unwrap_or(0);
            if (is_pod || host != 0) && host != port.int("containerPort").unwrap_or(0) {
                let detail = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(&ports.index(j).child("hostPort"), host, detail);
            }
        }
    }
}

/// Names that the spec refers to, in the order in which Kubernetes looks at them.
fn names(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let account = spec.text("serviceAccountName");
    if !account.is_empty() {
        let wrong = formats::dns_subdomain(account);
        errors.invalid_all(&path.child("serviceAccountName"), account, wrong);
    }
    let node = spec.text("nodeName");
    if !node.is_empty() {
        errors.invalid_all(&path.child("nodeName"), node, formats::dns_subdomain(node));
    }
    for name in ["hostname", "subdomain"] {
        let text = spec.text(name);
        if !text.is_empty() {
            errors.invalid_all(&path.child(name), text, formats::dns_label(text));
        }
    }
}

fn more_names(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    for name in ["priorityClassName", "runtimeClassName"] {
        if let Some(text) = spec
            .field(name)
            .as_str()
            .filter(|t| !t.is_empty() || name == "runtimeClassName")
        {
            errors.invalid_all(&path.child(name), text, formats::dns_subdomain(text));
        }
    }
    if let Some(policy) = spec.field("preemptionPolicy").as_str() {
        let known = ["PreemptLowerPriority", "Never"];
        one_of(policy, &known, &path.child("preemptionPolicy"), errors);
    }
}
