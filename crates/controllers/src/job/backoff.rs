//! How long to wait before the next pod after failures. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

/// As in Kubernetes: 10 s, doubled for each failure since the last success, up to 10 minutes.
const FIRST: Duration = Duration::from_secs(10);
const MAX: Duration = Duration::from_mins(10);

/// Failures of a Job since its last success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    failures: u32,
    last: Option<Timestamp>,
}

impl Record {
    /// Takes pods that ended since the last look.
    pub(super) fn with(mut self, succeeded: &[&Pod], failed: &[&Pod], now: Timestamp) -> Self {
        let success = succeeded.iter().map(|p| ended_at(p, now)).max();
        if success.is_some() {
            self = Self::default();
        }
        for at in failed.iter().map(|p| ended_at(p, now)) {
            if success.is_none_or(|s| at > s) {
                self.failures += 1;
                self.last = self.last.max(Some(at));
            }
        }
        self
    }

    /// What is left of the wait.
    pub(super) fn wait(&self, now: Timestamp) -> Duration {
        let Some(last) = self.last.filter(|_| self.failures > 0) else {
            return Duration::ZERO;
        };
        let wait = FIRST
            .saturating_mul(1 << (self.failures - 1).min(16))
            .min(MAX);
        let passed = Duration::try_from(now.duration_since(last)).unwrap_or(Duration::ZERO);
        wait.saturating_sub(passed)
    }
}

/// When the last container of a pod ended; else when its deletion was asked for; else now.
pub(super) fn ended_at(pod: &Pod, now: Timestamp) -> Timestamp {
    let status = pod.status.as_ref();
    let containers = status.and_then(|s| s.container_statuses.as_ref());
    let ends = containers.into_iter().flatten().map(|c| {
        let terminated = c.state.as_ref()?.terminated.as_ref()?;
        Some(terminated.finished_at.as_ref()?.0)
    });
    let ends: Option<Vec<Timestamp>> = ends.collect();
    let deleted = pod.metadata.deletion_timestamp.as_ref().map(|t| t.0);
    ends.and_then(|e| e.into_iter().max())
        .or(deleted)
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(ended: i64) -> Pod {
        let at = Timestamp::from_second(ended).unwrap();
        serde_json::from_value(serde_json::json!({"status": {"containerStatuses": [{"name": "c", "image": "", "imageID": "",
            "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 1, "finishedAt": at}}}]}}))
        .unwrap()
    }

    #[test]
    fn each_failure_doubles_the_wait_and_a_success_ends_it() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let record = Record::default();
        assert_eq!(record.wait(at(0)), Duration::ZERO);
        let record = record.with(&[], &[&pod(100)], at(101));
        assert_eq!(record.wait(at(103)), Duration::from_secs(7));
        let record = record.with(&[], &[&pod(110), &pod(120)], at(121));
        assert_eq!(record.wait(at(120)), Duration::from_secs(40));
        let record = record.with(&[&pod(130)], &[&pod(125)], at(131));
        assert_eq!(record.wait(at(131)), Duration::ZERO);
    }
}
