//! Tasks that belong together.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::{Backoff, Shutdown};

/// What to do when a task ends with an error or panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Say so, and start it again after a back-off.
    Restart,
    /// Say so, and leave it.
    Log,
}

/// Tasks that are started together and waited for together.
#[derive(Debug, Clone, Default)]
pub struct Group {
    tracker: TaskTracker,
    shutdown: Shutdown,
}

impl Group {
    /// A group whose tasks end with `shutdown`.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            tracker: TaskTracker::new(),
            shutdown,
        }
    }

    /// The signal that ends this group.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Starts a task that runs once. It must watch the shutdown by itself.
    pub fn spawn<F>(&self, name: impl Into<String>, work: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let name = name.into();
        self.track(async move {
            tracing::debug!(task = name, "task started");
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!(task = name, "task panicked");
            }
        })
    }

    /// Starts a task that is begun again by `OnError::Restart` when it fails; it is dropped at shutdown.
    pub fn supervise<M, F, E>(&self, name: impl Into<String>, on_error: OnError, mut make: M)
    where
        M: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send,
    {
        let name = name.into();
        let shutdown = self.shutdown.clone();
        self.track(async move {
            let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
            loop {
                let run = AssertUnwindSafe(make()).catch_unwind();
                match shutdown.or(run).await {
                    None | Some(Ok(Ok(()))) => return,
                    // What it needs may have ended before it.
                    Some(Ok(Err(_))) if shutdown.is_asked() => return,
                    Some(Ok(Err(e))) => {
                        tracing::warn!(task = name, error = format!("{e:#}"), "task failed");
                    }
                    Some(Err(_)) => tracing::error!(task = name, "task panicked"),
                }
                if on_error == OnError::Log {
                    return;
                }
                if shutdown
                    .or(tokio::time::sleep(backoff.next_delay()))
                    .await
                    .is_none()
                {
                    return;
                }
            }
        });
    }

    /// Waits until every task has ended, for `limit` at most; says whether all did.
    pub async fn wait(&self, limit: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait())
            .await
            .is_ok()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    fn track<F: Future<Output = ()> + Send + 'static>(&self, work: F) -> JoinHandle<()> {
        tokio::spawn(self.tracker.track_future(work))
    }
}

/// Starts a task outside any group: for work that ends by itself soon, or with the connection that it serves.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn<F>(name: &'static str, work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    tracing::trace!(task = name, "task started");
    tokio::spawn(work)
}
