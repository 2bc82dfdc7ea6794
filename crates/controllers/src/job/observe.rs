//! Which changes concern which Job.

use cedge_informer::{Change, Key, Object, Queue};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

use super::{API_VERSION, BATCH, FINALIZER, Jobs, KIND, view};
use crate::context::controller_key;
use crate::pods;

pub(super) fn start(jobs: &Jobs, queue: &Queue<Key>, orphans: &Queue<Key>) {
    let (this, to_jobs, to_orphans) = (jobs.clone(), queue.clone(), orphans.clone());
    jobs.jobs
        .subscribe(move |change| this.observe_job(change, &to_jobs, &to_orphans));
    let (this, to_jobs, to_orphans) = (jobs.clone(), queue.clone(), orphans.clone());
    jobs.pods
        .subscribe(move |change| this.observe_pod(change, &to_jobs, &to_orphans));
}

impl Jobs {
    fn observe_job(&self, change: &Change, queue: &Queue<Key>, orphans: &Queue<Key>) {
        let job = change.object();
        queue.add(job.key().clone());
        let is_over = match change {
            Change::Deleted(_) => true,
            Change::Added(_) | Change::Updated { .. } => {
                job.decode::<Job>().is_ok_and(|j| view::is_finished(&j))
            }
        };
        if is_over {
            for pod in self.pods.by_owner(job.uid()) {
                if pod.has_finalizer(FINALIZER) {
                    orphans.add(pod.key().clone());
                }
            }
        }
    }

    fn observe_pod(&self, change: &Change, queue: &Queue<Key>, orphans: &Queue<Key>) {
        let pod = change.object();
        let gone = matches!(change, Change::Deleted(_));
        if pod.has_finalizer(FINALIZER) && !gone && self.is_orphan(pod).unwrap_or(false) {
            orphans.add(pod.key().clone());
        }
        let Some(key) = controller_key(pod, API_VERSION, KIND) else {
            if let Some(key) = change
                .old()
                .and_then(|o| controller_key(o, API_VERSION, KIND))
            {
                queue.add(key);
            }
            return;
        };
        if gone || pod.is_deleting() {
            self.expectations.deleted(&key, pod.uid());
        } else if change.old().is_none() {
            self.expectations.created(&key);
        }
        if gone || !pod.has_finalizer(FINALIZER) {
            self.saw_removal(&key, pod.uid());
        }
        if just_ended(change) {
            queue.add_after(key, BATCH);
        } else {
            queue.add(key);
        }
    }

    fn saw_removal(&self, key: &Key, uid: &str) {
        let mut memory = self.memory();
        if let Some(uids) = memory.removed.get_mut(key) {
            uids.remove(uid);
            if uids.is_empty() {
                memory.removed.remove(key);
            }
        }
    }
}

/// Only its end is new about it: that can wait for its fellows.
fn just_ended(change: &Change) -> bool {
    let ended = |o: &Object| o.decode::<Pod>().is_ok_and(|p| pods::is_terminal(&p));
    change
        .old()
        .is_some_and(|old| !ended(old) && ended(change.object()))
}
