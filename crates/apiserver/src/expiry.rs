//! Events last an hour.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::{Api, WriteFailure};
use crate::cache::Object;
use crate::selector::Filter;

/// How long an event is kept after it was last written, as in Kubernetes.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// Never looks more often than this.
const INTERVAL_MIN: Duration = Duration::from_secs(60);

/// Deletes events that have outlived their time. Sleeps until the oldest is due; without events, until there is one.
pub(crate) async fn run(api: Arc<Api>) {
    let kind = api.cache.kind("", "events");
    let mut changed = kind.subscribe();
    loop {
        let wait = match sweep(&api).await {
            Some(due) => due.max(INTERVAL_MIN),
            None => {
                // A change is waited for: then there is an event, and it is not due within an interval.
                match api.tasks.shutdown().or(changed.changed()).await {
                    Some(Ok(())) => INTERVAL_MIN,
                    Some(Err(_)) | None => return,
                }
            }
        };
        if api
            .tasks
            .shutdown()
            .or(tokio::time::sleep(wait))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// Deletes what is due; how long until the next one is.
async fn sweep(api: &Arc<Api>) -> Option<Duration> {
    let events = api.registry.built_in("", "v1", "events");
    let now = api.now();
    let mut next: Option<Duration> = None;
    for object in events.cache.list(&Filter::default(), None, 0, 0).objects {
        let left = written(&object)
            .checked_add(LIFETIME)
            .map_or(SignedDuration::ZERO, |end| end.duration_since(now));
        if let Ok(left) = Duration::try_from(left)
            && !left.is_zero()
        {
            next = Some(next.map_or(left, |n| n.min(left)));
            continue;
        }
        let Ok(value) = object.value() else { continue };
        match api.remove(&events, &value, object.revision()).await {
            // Written again: it lives on.
            Ok(_) | Err(WriteFailure::Conflict) => {}
            Err(WriteFailure::Other(error)) => {
                tracing::warn!(%error, "an old event could not be deleted");
            }
        }
    }
    next
}

/// When an event was last written, as far as it says.
fn written(event: &Object) -> Timestamp {
    let Ok(value) = event.value() else {
        return Timestamp::UNIX_EPOCH;
    };
    let times = [
        &value["series"]["lastObservedTime"],
        &value["lastTimestamp"],
        &value["eventTime"],
        &value["metadata"]["creationTimestamp"],
    ];
    let times = times.into_iter().filter_map(|t| t.as_str()?.parse().ok());
    times.max().unwrap_or(Timestamp::UNIX_EPOCH)
}
