//! A pod that was said to be disrupted and then was not: after a while its condition says so.

use std::time::Duration;

use cedge_informer::{Cache, Key, Next, Queue};
use cedge_tasks::clock;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;

use crate::context::Context;
use crate::error::Error;
use crate::{patch, pods};

const CONDITION: &str = "DisruptionTarget";
/// The node's own word stands: it may take any time until the pod ends.
const OF_THE_NODE: &str = "TerminationByKubelet";
/// As in Kubernetes.
const TIMEOUT: SignedDuration = SignedDuration::from_secs(2 * 60);

pub(super) fn start(ctx: &Context, cache: &Cache) {
    let queue: Queue<Key> = Queue::new("disruption/stale");
    cache.subscribe({
        let queue = queue.clone();
        move |change| {
            let pod = change.object();
            // Few pods have the condition: the others are not decoded.
            if contains(pod.bytes(), CONDITION.as_bytes()) {
                queue.add(pod.key().clone());
            }
        }
    });
    let (this, cache) = (ctx.clone(), cache.clone());
    ctx.work(&queue, &[&cache.clone()], 1, move |key| {
        let (this, cache) = (this.clone(), cache.clone());
        async move { Box::pin(reconcile(&this, &cache, &key)).await }
    });
}

async fn reconcile(ctx: &Context, cache: &Cache, key: &Key) -> Result<Next, Error> {
    let Some(object) = cache.get_key(key) else {
        return Ok(Next::OnChange);
    };
    let pod: Pod = object.decode()?;
    let now = clock::now();
    match left(&pod, now) {
        None => return Ok(Next::OnChange),
        Some(Duration::ZERO) => {}
        Some(left) => return Ok(Next::After(left)),
    }
    let old = pod.status.unwrap_or_default();
    let mut new = old.clone();
    for condition in new.conditions.iter_mut().flatten() {
        if condition.type_ == CONDITION {
            condition.status = "False".to_owned();
            condition.reason = None;
            condition.message = None;
            condition.last_transition_time = Some(Time(now));
        }
    }
    let api: Api<Pod> = Api::namespaced(ctx.client.clone(), &key.namespace);
    patch::status(&api, &object, &old, &new).await?;
    Ok(Next::OnChange)
}

/// What is left until the condition is stale; `None` if it never will be.
fn left(pod: &Pod, now: Timestamp) -> Option<Duration> {
    if !pods::is_active(pod) {
        return None;
    }
    let condition = pods::condition(pod, CONDITION).filter(|c| c.status == "True")?;
    if condition.reason.as_deref() == Some(OF_THE_NODE) {
        return None;
    }
    let since = condition.last_transition_time.as_ref()?.0;
    let left = TIMEOUT - now.duration_since(since);
    Some(Duration::try_from(left).unwrap_or(Duration::ZERO))
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|w| w == word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_word_of_others_grows_stale() {
        let pod = |reason: &str, phase: &str| -> Pod {
            serde_json::from_value(json!({"status": {"phase": phase, "conditions": [{"type": CONDITION,
                "status": "True", "reason": reason, "lastTransitionTime": "1970-01-01T00:00:00Z"}]}}))
            .unwrap()
        };
        let now = Timestamp::from_second(90).unwrap();
        let evicted = pod("EvictionByEvictionAPI", "Running");
        assert_eq!(left(&evicted, now), Some(Duration::from_secs(30)));
        let late = Timestamp::from_second(200).unwrap();
        assert_eq!(left(&evicted, late), Some(Duration::ZERO));
        assert_eq!(left(&pod(OF_THE_NODE, "Running"), late), None);
        assert_eq!(left(&pod("EvictionByEvictionAPI", "Failed"), late), None);
    }
}
