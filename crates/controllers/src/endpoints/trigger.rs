//! When that happened which endpoints follow: tells how long it takes until a change of a pod is known everywhere.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use cedge_informer::Key;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Service};

use crate::pods;

/// The times that were seen, by Service.
#[derive(Default)]
pub(super) struct Triggers {
    seen: Mutex<HashMap<Key, Seen>>,
}

#[derive(Default)]
struct Seen {
    service: Option<Timestamp>,
    pods: HashMap<String, Timestamp>,
}

impl Triggers {
    /// Notes how things are; returns the earliest time that is new. For a Service seen first, when it was made.
    pub(super) fn note(&self, key: &Key, service: &Service, all: &[Pod]) -> Option<Timestamp> {
        let created = service.metadata.creation_timestamp.as_ref().map(|t| t.0);
        let mut now = Seen {
            service: created,
            pods: HashMap::new(),
        };
        for pod in all {
            let ready = pods::condition(pod, "Ready");
            if let Some(at) = ready.and_then(|c| c.last_transition_time.as_ref()) {
                now.pods.insert(pods::name(pod).to_owned(), at.0);
            }
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = seen.get(key) else {
            seen.insert(key.clone(), now);
            return created;
        };
        let moved = now.pods.iter();
        let moved = moved.filter(|(name, at)| before.pods.get(*name).is_none_or(|b| *at > b));
        let service = created.filter(|at| before.service.is_none_or(|b| *at > b));
        let earliest = moved.map(|(_, at)| *at).chain(service).min();
        seen.insert(key.clone(), now);
        earliest
    }

    /// The Service is gone.
    pub(super) fn forget(&self, key: &Key) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_earliest_change_since_the_last_look_is_told() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let service: Service =
            serde_json::from_value(json!({"metadata": {"creationTimestamp": at(5)}})).unwrap();
        let pod = |name: &str, s| -> Pod {
            serde_json::from_value(json!({"metadata": {"name": name}, "status": {
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at(s)}]}}))
            .unwrap()
        };
        let (triggers, key) = (Triggers::default(), Key::new("a", "s"));
        let note = |pods: &[Pod]| triggers.note(&key, &service, pods);
        assert_eq!(note(&[pod("p", 10)]), Some(at(5)));
        assert_eq!(note(&[pod("p", 10)]), None);
        assert_eq!(note(&[pod("p", 12), pod("q", 11)]), Some(at(11)));
        triggers.forget(&key);
        assert_eq!(note(&[]), Some(at(5)));
    }
}
