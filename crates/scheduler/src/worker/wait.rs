//! Carries out that a pod waits: says why, and makes less important pods go if that helps.

use cedge_tasks::clock;
use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};

use super::{REQUEST_TIME, Worker, reference};
use crate::decide::{Preemption, Unfit};
use crate::pod::{NAME, Pod};

/// Longest text of an event, as Kubernetes cuts it.
const EVENT_MESSAGE_MAX: usize = 1024;
const UNSCHEDULABLE: &str = "Unschedulable";
const FAILED: &str = "SchedulerError";

// === impl Worker: waiting ===

impl Worker {
    pub(super) async fn wait(&self, pod: &Pod, unfit: &Unfit) {
        let node = match &unfit.preemption {
            Some(preemption) => Some(json!(&*preemption.node)),
            None => unfit.ends_nomination.then_some(Value::Null),
        };
        self.explain(pod, UNSCHEDULABLE, &unfit.message, node).await;
        if let Some(preemption) = &unfit.preemption
            && !self.make_room(pod, preemption).await
        {
            let victims = preemption.victims.iter().map(|victim| victim.key.clone());
            self.cluster().spared(&pod.key(), victims);
            self.changed.notify_one();
        }
    }

    /// It had a node, but did not get it.
    pub(super) async fn fail(&self, pod: &Pod, message: &str) {
        self.explain(pod, FAILED, message, None).await;
    }

    /// Tells the pod's owner why it waits: once for each reason. `node` is where room is made for it, or null if that
    /// is over.
    async fn explain(&self, pod: &Pod, reason: &str, message: &str, node: Option<Value>) {
        let text = cut(message, EVENT_MESSAGE_MAX);
        self.recorder
            .warning(pod.reference(), "FailedScheduling", text);
        let mut status = json!({});
        if let Some(condition) = condition(pod, reason, message) {
            status["conditions"] = json!([condition]);
        }
        // A pod remembers its node in the cluster's state; `pod` shows the latest that we decided.
        if let Some(node) = node.filter(|node| node.as_str() != pod.nominated()) {
            status["nominatedNodeName"] = node;
        }
        if status.as_object().is_some_and(|status| !status.is_empty()) {
            let patch = json!({ "metadata": { "uid": pod.metadata.uid }, "status": status });
            self.patch_status(&self.api(pod), &pod.metadata.name, patch)
                .await;
        }
    }

    /// Makes the victims go, gently. Says whether all go.
    async fn make_room(&self, pod: &Pod, preemption: &Preemption) -> bool {
        for outbid in &preemption.outbid {
            let api = Api::namespaced(self.client.clone(), &outbid.namespace);
            let patch = json!({ "status": { "nominatedNodeName": null } });
            self.patch_status(&api, &outbid.name, patch).await;
        }
        let mut all = true;
        for victim in preemption.victims.iter().filter(|v| !v.is_deleting) {
            let api: Api<ApiPod> = Api::namespaced(self.client.clone(), &victim.key.namespace);
            let patch = json!({
                "metadata": { "uid": victim.uid },
                "status": { "conditions": [{
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "PreemptionByScheduler",
                    "message": format!("{NAME}: preempting to accommodate a higher priority pod"),
                    "lastTransitionTime": clock::now_rfc3339(),
                }] },
            });
            if !self.patch_status(&api, &victim.key.name, patch).await {
                all = false;
                continue;
            }
            let gone = delete(&api, &victim.key.name, &victim.uid).await;
            all &= gone;
            if gone {
                let message = format!(
                    "Preempted by pod {} on node {}",
                    pod.metadata.uid, preemption.node
                );
                let victim_pod = reference(&victim.key, &victim.uid);
                self.recorder.normal(victim_pod, "Preempted", message);
                tracing::info!(pod = %pod.key(), victim = %victim.key, node = %preemption.node,
                    "a less important pod goes");
            }
        }
        all
    }

    /// Says whether it is written, or the pod gone, or another by now.
    async fn patch_status(&self, api: &Api<ApiPod>, name: &str, patch: Value) -> bool {
        let params = PatchParams::default();
        let patch = Patch::Strategic(patch);
        let request = api.patch_status(name, &params, &patch);
        match tokio::time::timeout(REQUEST_TIME, request).await {
            Ok(Ok(_)) => true,
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => true,
            Ok(Err(e)) => {
                tracing::warn!(pod = name, error = %e, "could not write what a pod waits for");
                false
            }
            Err(_) => {
                tracing::warn!(pod = name, "could not write in time what a pod waits for");
                false
            }
        }
    }
}

/// Says whether it goes, or is gone. A pod gets the time that it asked for to end.
async fn delete(api: &Api<ApiPod>, name: &str, uid: &str) -> bool {
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match tokio::time::timeout(REQUEST_TIME, api.delete(name, &params)).await {
        Ok(Ok(_)) => true,
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => true,
        Ok(Err(e)) => {
            tracing::warn!(pod = name, error = %e, "a less important pod could not be deleted");
            false
        }
        Err(_) => false,
    }
}

/// The condition of a pod that gets no node; `None` if it says so already.
fn condition(pod: &Pod, reason: &str, message: &str) -> Option<Value> {
    let known = pod.condition("PodScheduled");
    let is_false = known.is_some_and(|c| c.status == "False");
    let same = known.is_some_and(|c| {
        is_false && c.reason.as_deref() == Some(reason) && c.message.as_deref() == Some(message)
    });
    if same {
        return None;
    }
    let mut condition = json!({
        "type": "PodScheduled",
        "status": "False",
        "reason": reason,
        "message": message,
    });
    if !is_false {
        condition["lastTransitionTime"] = clock::now_rfc3339().into();
    }
    if let Some(generation) = pod.metadata.generation {
        condition["observedGeneration"] = generation.into();
    }
    Some(condition)
}

/// At most so many bytes, with an end that shows it.
fn cut(message: &str, max: usize) -> String {
    const END: &str = " ...";
    if message.len() <= max {
        return message.to_owned();
    }
    let mut end = max - END.len();
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{END}", &message[..end])
}
