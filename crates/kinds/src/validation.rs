//! What makes an object valid, with the paths and the words that Kubernetes uses.
//!
//! Rules of `metadata` hold for every kind; what else a kind demands stands in the module of its group. Mistakes
//! come in the order in which Kubernetes finds them; one and the same mistake may come twice, as it does there
//! (the message of a `Status` shows it once, its causes twice).

use serde_json::Value;

use crate::convert;
use crate::error::{Errors, FieldError};
use crate::path::Path;
use crate::read::Read;
use crate::registry::Kind;

mod autoscaling;
mod claims;
mod core;
mod jobs;
mod limits;
pub mod metadata;
mod network;
mod numbers;
mod others;
mod pod;
mod rbac;
mod resources;
pub mod selector;
mod service;
mod statuses;
mod workloads;

use metadata::{NameRule, path_segment_name};

/// What a number below zero is told.
pub(crate) const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

/// What is wrong with an object that is to be created (`old` is `None`) or to replace `old`, written to the
/// resource itself or to one of its subresources.
#[must_use]
pub fn validate(
    kind: &Kind,
    subresource: Option<&str>,
    new: &Value,
    old: Option<&Value>,
) -> Vec<FieldError> {
    let storage = kind.storage();
    if storage != kind {
        // Rules are those of the stored form, whichever door an object comes through.
        let stored = |object: &Value| {
            let mut stored = object.clone();
            convert(kind, storage, &mut stored);
            stored
        };
        let (new, old) = (stored(new), old.map(stored));
        let mut found = validate(storage, subresource, &new, old.as_ref());
        if kind.is("events.k8s.io", "Event")
            && let Some(old) = &old
        {
            let mut errors = Errors::new();
            statuses::event_update(&new, old, &mut errors);
            found.append(&mut errors.0);
        }
        return found;
    }
    let mut errors = Errors::new();
    common(kind, new, old, &mut errors);
    match (subresource, old) {
        (None, _) => rules(kind, new, old, &mut errors),
        (Some("ephemeralcontainers"), Some(old)) => pod::validate_ephemeral(new, old, &mut errors),
        (Some("resize"), Some(old)) => pod::validate_resize(new, old, &mut errors),
        (Some("status"), Some(old)) => statuses::validate(kind, new, old, &mut errors),
        _ => {}
    }
    if errors.is_empty() && old.is_none() && ignores_metadata(kind) {
        let meta = new.field("metadata");
        let path = Path::root("metadata");
        metadata::validate(meta, kind.namespaced, path_segment_name, &path, &mut errors);
    }
    errors.0
}

/// Kinds whose own rules never look at the metadata of a new object: what every object must have is told
/// only when they find nothing.
fn ignores_metadata(kind: &Kind) -> bool {
    kind.is("", "Event") || kind.is("policy", "PodDisruptionBudget")
}

/// Rules of `metadata`.
fn common(kind: &Kind, new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("metadata");
    let meta = new.field("metadata");
    if ignores_metadata(kind) && old.is_none() {
        return;
    }
    let Some(old) = old else {
        metadata::validate(meta, kind.namespaced, name_rule(kind), &path, errors);
        return metadata::qualified_finalizers(meta, &path.child("finalizers"), errors);
    };
    let before = old.field("metadata");
    metadata::validate(meta, kind.namespaced, path_segment_name, &path, errors);
    metadata::validate_update(meta, before, &path, errors);
    metadata::validate_update(meta, before, &path, errors);
}

/// Rules of everything else.
fn rules(kind: &Kind, new: &Value, old: Option<&Value>, errors: &mut Errors) {
    match (kind.group, kind.kind) {
        ("", "Pod") => match old {
            None => pod::validate_create(new, errors),
            Some(old) => pod::validate_update(new, old, errors),
        },
        ("", "PodTemplate") => {
            pod::validate_template(new.field("template"), &Path::root("template"), errors);
        }
        ("", "Service") => service::validate(new, old, errors),
        ("", "ReplicationController") => workloads::replication_controller(new, errors),
        ("", name) => core_rules(name, new, old, errors),
        ("apps", "Deployment") => workloads::deployment(new, old, errors),
        ("apps", "ReplicaSet") => workloads::replica_set(new, old, errors),
        ("apps", "DaemonSet") => workloads::daemon_set(new, old, errors),
        ("apps", "StatefulSet") => workloads::stateful_set(new, old, errors),
        ("batch", "Job") => jobs::job(new, old, errors),
        ("batch", "CronJob") => jobs::cron_job(new, old, errors),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => {
            rbac::role(new, kind.namespaced, errors);
        }
        ("rbac.authorization.k8s.io", _) => rbac::binding(new, old, kind.namespaced, errors),
        ("networking.k8s.io", "Ingress") => network::ingress(new, errors),
        ("networking.k8s.io", "NetworkPolicy") => network::network_policy(new, errors),
        ("discovery.k8s.io", "EndpointSlice") => network::endpoint_slice(new, old, errors),
        _ => other_rules(kind, new, old, errors),
    }
}

fn core_rules(name: &str, new: &Value, old: Option<&Value>, errors: &mut Errors) {
    match name {
        "Node" => core::node(new, old, errors),
        "ConfigMap" => core::config_map(new, old, errors),
        "Secret" => core::secret(new, old, errors),
        "Event" => core::event(new, errors),
        "Endpoints" => core::endpoints(new, errors),
        "PersistentVolumeClaim" => claims::claim(new, old, errors),
        "PersistentVolume" => claims::volume(new, old, errors),
        "LimitRange" => limits::limit_range(new, errors),
        "ResourceQuota" => limits::quota(new, errors),
        _ => {}
    }
}

fn other_rules(kind: &Kind, new: &Value, old: Option<&Value>, errors: &mut Errors) {
    match (kind.group, kind.kind) {
        ("apiregistration.k8s.io", "APIService") => others::api_service(new, errors),
        ("flowcontrol.apiserver.k8s.io", name) => others::flow(name, new, errors),
        ("storage.k8s.io", "VolumeAttachment") if old.is_none() => {
            others::volume_attachment(new, errors);
        }
        ("scheduling.k8s.io", "PriorityClass") => others::priority_class(new, old, errors),
        ("node.k8s.io", "RuntimeClass") => others::runtime_class(new, old, errors),
        ("coordination.k8s.io", "Lease") => others::lease(new, errors),
        ("policy", "PodDisruptionBudget") => others::disruption_budget(new, errors),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaling::autoscaler(new, errors),
        ("certificates.k8s.io", "CertificateSigningRequest") if old.is_none() => {
            others::certificate_request(new, errors);
        }
        ("storage.k8s.io", "StorageClass") => others::storage_class(new, old, errors),
        ("networking.k8s.io", "IngressClass") if new.at("spec.controller").is_null() => {
            errors.required(&Path::root("spec").child("controller"), "");
        }
        ("networking.k8s.io" | "storage.k8s.io", name) => {
            if let Some(old) = old {
                others::fixed_parts(name, new, old, errors);
            }
        }
        _ => {}
    }
}

/// How objects of a kind may be named.
fn name_rule(kind: &Kind) -> NameRule {
    match (kind.group, kind.kind) {
        ("", "Namespace") => metadata::label_name,
        ("", "Service") | ("apps", "StatefulSet") => metadata::label_name,
        // The name of an APIService is told by its own rule.
        ("rbac.authorization.k8s.io", _) | ("apiregistration.k8s.io", _) => path_segment_name,
        _ => metadata::subdomain_name,
    }
}
