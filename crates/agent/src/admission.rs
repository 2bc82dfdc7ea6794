//! Which pods this node has room for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cedge_pod_lifecycle::{Rejection, Resources, admit};
use k8s_openapi::api::core::v1::Pod;

/// The pods that were let in and are not over.
#[derive(Debug)]
pub(crate) struct Admission {
    allocatable: Resources,
    inside: Mutex<BTreeMap<String, Arc<Pod>>>,
}

impl Admission {
    pub(crate) fn new(allocatable: Resources) -> Self {
        Self {
            allocatable,
            inside: Mutex::default(),
        }
    }

    /// Lets a pod in if there is room; one that was let in before (this agent has restarted) needs no room.
    pub(crate) fn enter(&self, key: &str, pod: &Arc<Pod>, again: bool) -> Result<(), Rejection> {
        let mut inside = self.inside();
        if !again && !inside.contains_key(key) {
            admit(pod, inside.values().map(AsRef::as_ref), &self.allocatable)?;
        }
        inside.insert(key.to_owned(), Arc::clone(pod));
        Ok(())
    }

    /// What pods may use together.
    pub(crate) fn allocatable(&self) -> &Resources {
        &self.allocatable
    }

    pub(crate) fn leave(&self, key: &str) {
        self.inside().remove(key);
    }

    fn inside(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Pod>>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
