//! Workers that empty a queue.

use std::fmt;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use cedge_tasks::Group;
use futures::FutureExt as _;

use crate::Queue;

/// Failures in a row that are ordinary (a conflict with another writer, a cache that lags) and not worth a warning.
const QUIET_FAILURES: u32 = 5;

/// When a reconciler wants to be called again for this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// When something changes.
    OnChange,
    /// After this time, or when something changes.
    After(Duration),
}

impl Next {
    /// The earlier of two wishes.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        match (self, other) {
            (Self::After(a), Self::After(b)) => Self::After(a.min(b)),
            (Self::After(a), Self::OnChange) | (Self::OnChange, Self::After(a)) => Self::After(a),
            (Self::OnChange, Self::OnChange) => Self::OnChange,
        }
    }
}

/// Starts `count` workers in `group` that call `reconcile` for the keys of `queue`, each key by one worker at a time.
///
/// A key whose reconciler fails or panics comes back after its back-off. At shutdown the running calls are dropped at
/// their next await.
pub fn work<K, F, R, E>(queue: &Queue<K>, group: &Group, count: usize, reconcile: F)
where
    K: Eq + Hash + Clone + fmt::Debug + Send + Sync + 'static,
    F: Fn(K) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Next, E>> + Send,
    E: std::error::Error + Send,
{
    for i in 0..count {
        let (queue, reconcile) = (queue.clone(), reconcile.clone());
        let shutdown = group.shutdown().clone();
        group.spawn(format!("{}/{i}", queue.name()), async move {
            shutdown.or(run(&queue, &reconcile)).await;
        });
    }
}

async fn run<K, F, R, E>(queue: &Queue<K>, reconcile: &F)
where
    K: Eq + Hash + Clone + fmt::Debug,
    F: Fn(K) -> R,
    R: Future<Output = Result<Next, E>>,
    E: std::error::Error,
{
    loop {
        let lease = queue.next().await;
        let key = lease.key();
        let call = AssertUnwindSafe(async { reconcile(key.clone()).await });
        match call.catch_unwind().await {
            Ok(Ok(next)) => {
                queue.forget(key);
                if let Next::After(delay) = next {
                    queue.add_after(key.clone(), delay);
                }
            }
            Ok(Err(e)) => {
                let failures = queue.retry(key.clone());
                report(queue.name(), key, failures, &e);
            }
            Err(_) => {
                queue.retry(key.clone());
                tracing::error!(queue = queue.name(), ?key, "reconciler panicked");
            }
        }
    }
}

fn report(queue: &str, key: &impl fmt::Debug, failures: u32, error: &dyn std::error::Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text += &format!(": {e}");
        cause = e.source();
    }
    if failures > QUIET_FAILURES {
        tracing::warn!(queue, ?key, failures, error = text, "reconciler fails");
    } else {
        tracing::debug!(
            queue,
            ?key,
            failures,
            error = text,
            "reconciler is called again"
        );
    }
}
