//! Whether an object is well, by the rules of kstatus (cli-utils, `pkg/kstatus`): what a kind is known to say,
//! else the conditions `Ready`, `Reconciling`, `Stalled`. Pure.

use serde_json::Value;

use super::render::text;

/// How an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// As wanted.
    Current,
    /// On its way; why.
    InProgress(Reason),
    /// Cannot get there by itself; why.
    Failed(Reason),
}

/// A word for machines and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// CamelCase.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// Replicas of a workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replicas {
    /// Wanted.
    pub wanted: u32,
    /// Ready.
    pub ready: u32,
}

fn in_progress(reason: &str, message: impl Into<String>) -> Health {
    Health::InProgress(Reason {
        reason: reason.to_owned(),
        message: message.into(),
    })
}

fn failed(reason: &str, message: impl Into<String>) -> Health {
    Health::Failed(Reason {
        reason: reason.to_owned(),
        message: message.into(),
    })
}

fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    all.iter().find(|c| text(c, "/type") == kind)
}

fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|c| text(c, "/status") == "True")
}

/// Judges one object.
#[must_use]
pub fn judge(object: &Value) -> Health {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return in_progress("Terminating", "is being deleted");
    }
    let generation = number(object, "/metadata/generation");
    let observed = number(object, "/status/observedGeneration");
    if let (Some(generation), Some(observed)) = (generation, observed)
        && observed < generation
    {
        return in_progress(
            "NotObserved",
            "its controller has not seen the latest version",
        );
    }
    let group = text(object, "/apiVersion")
        .split_once('/')
        .map_or("", |(g, _)| g);
    match (group, text(object, "/kind")) {
        ("apps", "Deployment") => deployment(object),
        ("apps", "ReplicaSet") => scaled(object, "/status/readyReplicas"),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("batch", "Job") => job(object),
        ("", "Pod") => pod(object),
        ("", "PersistentVolumeClaim") => phase(object, "Bound"),
        ("", "Namespace") => phase(object, "Active"),
        ("", "Service") => service(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        _ => generic(object),
    }
}

/// Replicas wanted and ready, for kinds that have them.
#[must_use]
pub fn replicas(object: &Value) -> Replicas {
    let count = |pointer: &str| u32::try_from(number(object, pointer).unwrap_or(0)).unwrap_or(0);
    match text(object, "/kind") {
        "Deployment" | "ReplicaSet" | "StatefulSet" => Replicas {
            wanted: number(object, "/spec/replicas").map_or(1, |n| u32::try_from(n).unwrap_or(0)),
            ready: count("/status/readyReplicas"),
        },
        "DaemonSet" => Replicas {
            wanted: count("/status/desiredNumberScheduled"),
            ready: count("/status/numberReady"),
        },
        _ => Replicas::default(),
    }
}

/// Kinds whose controller writes `observedGeneration`: without it nothing has been judged yet.
fn unseen(object: &Value) -> Option<Health> {
    number(object, "/status/observedGeneration")
        .is_none()
        .then(|| in_progress("NotObserved", "its controller has not seen it"))
}

fn deployment(object: &Value) -> Health {
    if let Some(progressing) = condition(object, "Progressing")
        && text(progressing, "/reason") == "ProgressDeadlineExceeded"
    {
        return failed("ProgressDeadlineExceeded", text(progressing, "/message"));
    }
    if let Some(health) = unseen(object) {
        return health;
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let of = |pointer: &str| number(object, pointer).unwrap_or(0);
    let (total, updated) = (of("/status/replicas"), of("/status/updatedReplicas"));
    if updated < wanted {
        return in_progress(
            "ReplicasNotUpdated",
            format!("{updated} of {wanted} replicas updated"),
        );
    }
    if total > updated {
        return in_progress(
            "OldReplicas",
            format!("{} old replicas are still there", total - updated),
        );
    }
    for (pointer, reason, word) in [
        ("/status/readyReplicas", "ReplicasNotReady", "ready"),
        (
            "/status/availableReplicas",
            "ReplicasNotAvailable",
            "available",
        ),
    ] {
        let have = of(pointer);
        if have < wanted {
            return in_progress(reason, format!("{have} of {wanted} replicas {word}"));
        }
    }
    Health::Current
}

fn scaled(object: &Value, ready: &str) -> Health {
    if let Some(failure) =
        condition(object, "ReplicaFailure").filter(|c| text(c, "/status") == "True")
    {
        return in_progress("ReplicaFailure", text(failure, "/message"));
    }
    if let Some(health) = unseen(object) {
        return health;
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let have = number(object, ready).unwrap_or(0);
    if have < wanted {
        return in_progress(
            "ReplicasNotReady",
            format!("{have} of {wanted} replicas ready"),
        );
    }
    Health::Current
}

fn stateful_set(object: &Value) -> Health {
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Health::Current;
    }
    let health = scaled(object, "/status/readyReplicas");
    if health != Health::Current {
        return health;
    }
    let (current, update) = (
        text(object, "/status/currentRevision"),
        text(object, "/status/updateRevision"),
    );
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    if partition == 0 && current != update {
        return in_progress("ReplicasNotUpdated", "an update is rolling out");
    }
    Health::Current
}

fn daemon_set(object: &Value) -> Health {
    if let Some(health) = unseen(object) {
        return health;
    }
    let of = |pointer: &str| number(object, pointer).unwrap_or(0);
    let wanted = of("/status/desiredNumberScheduled");
    for (pointer, reason, word) in [
        (
            "/status/currentNumberScheduled",
            "PodsNotScheduled",
            "scheduled",
        ),
        (
            "/status/updatedNumberScheduled",
            "PodsNotUpdated",
            "updated",
        ),
        ("/status/numberAvailable", "PodsNotAvailable", "available"),
        ("/status/numberReady", "PodsNotReady", "ready"),
    ] {
        let have = of(pointer);
        if have < wanted {
            return in_progress(reason, format!("{have} of {wanted} pods {word}"));
        }
    }
    Health::Current
}

fn job(object: &Value) -> Health {
    for kind in ["Failed", "FailureTarget"] {
        if let Some(c) = condition(object, kind).filter(|c| text(c, "/status") == "True") {
            return failed(text(c, "/reason"), text(c, "/message"));
        }
    }
    if is_true(object, "Complete") || is_true(object, "Suspended") {
        return Health::Current;
    }
    match object.pointer("/status/startTime") {
        Some(_) => Health::Current,
        None => in_progress("JobNotStarted", "the Job has not started"),
    }
}

fn pod(object: &Value) -> Health {
    match text(object, "/status/phase") {
        "Succeeded" => Health::Current,
        "Failed" => failed("PodFailed", text(object, "/status/message")),
        "Running" if is_true(object, "Ready") => Health::Current,
        _ => {
            let waiting = object.pointer("/status/containerStatuses/0/state/waiting");
            match waiting.map(|w| (text(w, "/reason"), text(w, "/message"))) {
                Some((reason, message)) if !reason.is_empty() => in_progress(reason, message),
                _ => in_progress("PodNotReady", "the Pod is not ready"),
            }
        }
    }
}

fn phase(object: &Value, wanted: &str) -> Health {
    let phase = text(object, "/status/phase");
    if phase == wanted {
        Health::Current
    } else {
        in_progress("NotReady", format!("phase {phase:?}"))
    }
}

fn service(object: &Value) -> Health {
    let balanced = text(object, "/spec/type") == "LoadBalancer";
    let ingress = object
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array);
    if balanced && ingress.is_none_or(Vec::is_empty) {
        return in_progress("NoIngress", "waits for the address of its load balancer");
    }
    Health::Current
}

fn definition(object: &Value) -> Health {
    if let Some(c) = condition(object, "NamesAccepted").filter(|c| text(c, "/status") == "False") {
        return failed(text(c, "/reason"), text(c, "/message"));
    }
    if is_true(object, "Established") {
        Health::Current
    } else {
        in_progress("NotEstablished", "the definition is not established")
    }
}

fn generic(object: &Value) -> Health {
    if let Some(c) = condition(object, "Stalled").filter(|c| text(c, "/status") == "True") {
        return failed(text(c, "/reason"), text(c, "/message"));
    }
    if let Some(c) = condition(object, "Reconciling").filter(|c| text(c, "/status") == "True") {
        return in_progress(text(c, "/reason"), text(c, "/message"));
    }
    match condition(object, "Ready") {
        Some(c) if text(c, "/status") != "True" => {
            let reason = text(c, "/reason");
            let reason = if reason.is_empty() {
                "NotReady"
            } else {
                reason
            };
            in_progress(reason, text(c, "/message"))
        }
        _ => Health::Current,
    }
}

#[cfg(test)]
mod tests;
