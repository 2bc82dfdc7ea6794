//! Finished Jobs with `ttlSecondsAfterFinished`: deleted when their time has come.

use std::time::Duration;

use cedge_informer::{Cache, Key, Next, Queue};
use cedge_tasks::clock;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use kube::Api;
use kube::api::{DeleteParams, Preconditions};

use crate::context::{Context, feed};
use crate::error::{Answer as _, Error, optional};

pub(crate) fn start(ctx: &Context) {
    let jobs = ctx.informers.of::<Job>();
    let queue: Queue<Key> = Queue::new("ttl-after-finished");
    feed(&jobs, &queue);
    let this = ctx.clone();
    ctx.work(&queue, &[&jobs.clone()], 1, move |key| {
        let (this, jobs) = (this.clone(), jobs.clone());
        async move { reconcile(&this, &jobs, &key).await }
    });
}

async fn reconcile(ctx: &Context, jobs: &Cache, key: &Key) -> Result<Next, Error> {
    let Some(job) = jobs.decode::<Job>(&key.namespace, &key.name)? else {
        return Ok(Next::OnChange);
    };
    let now = clock::now();
    match left(&job, now) {
        None => return Ok(Next::OnChange),
        Some(Duration::ZERO) => {}
        Some(left) => return Ok(Next::After(left)),
    }
    // The TTL may have been raised a moment ago: what the API says now counts.
    let api: Api<Job> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let Some(live) = optional(api.get(&key.name).await)? else {
        return Ok(Next::OnChange);
    };
    if let Some(left) = left(&live, now).filter(|left| !left.is_zero()) {
        return Ok(Next::After(left));
    }
    if left(&live, now).is_none() {
        return Ok(Next::OnChange);
    }
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: live.metadata.uid,
            resource_version: live.metadata.resource_version,
        }),
        ..DeleteParams::foreground()
    };
    match api.delete(&key.name, &params).await {
        Err(e) if !e.is_not_found() => Err(e.into()),
        _ => Ok(Next::OnChange),
    }
}

/// What is left of a Job's time; `None` if it has no limit, or is not finished, or is being deleted.
fn left(job: &Job, now: Timestamp) -> Option<Duration> {
    let limit = job.spec.as_ref()?.ttl_seconds_after_finished?;
    if job.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let finished = conditions
        .iter()
        .find(|c| matches!(&*c.type_, "Complete" | "Failed") && c.status == "True")?;
    let since = finished.last_transition_time.as_ref()?.0;
    let left = SignedDuration::from_secs(i64::from(limit)) - now.duration_since(since);
    Some(Duration::try_from(left).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_finished_job_with_a_limit_has_an_end() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let job = |ttl: Option<i32>, kind: &str| -> Job {
            serde_json::from_value(json!({"spec": {"template": {}, "ttlSecondsAfterFinished": ttl},
                "status": {"conditions": [{"type": kind, "status": "True", "lastTransitionTime": at(100)}]}}))
            .unwrap()
        };
        assert_eq!(
            left(&job(Some(10), "Complete"), at(104)),
            Some(Duration::from_secs(6))
        );
        assert_eq!(
            left(&job(Some(10), "Failed"), at(204)),
            Some(Duration::ZERO)
        );
        assert_eq!(left(&job(Some(10), "Suspended"), at(204)), None);
        assert_eq!(left(&job(None, "Failed"), at(204)), None);
    }
}
