//! How often a parent wants to hear of its child: on a metered link every word costs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cedge_api::exchange::Assignment;
use cedge_link::DialerHandle;
use cedge_propagation::ports::{Outgoing, PortError};
use cedge_tasks::Group;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// What the parent asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    /// An idle link is spoken on after so many seconds.
    pub(crate) heartbeat_seconds: Option<u32>,
    /// Reports go up at most once in this time.
    pub(crate) report: Duration,
}

impl Pace {
    pub(crate) fn of(assignment: &Assignment) -> Self {
        let report = assignment.report_seconds.unwrap_or_default();
        Self {
            heartbeat_seconds: assignment.heartbeat_seconds,
            report: Duration::from_secs(report.into()),
        }
    }
}

/// How much silence a link bears whose ends speak that often: a word may be lost or late.
pub(crate) fn silence(heartbeat_seconds: Option<u32>, otherwise: Duration) -> Duration {
    heartbeat_seconds.map_or(otherwise, |s| Duration::from_secs(u64::from(s)) * 9 / 5)
}

/// Keeps the live link at the pace that the parent asks for.
pub(super) fn keep(
    dialer: &DialerHandle,
    mut pace: watch::Receiver<Pace>,
    otherwise: Duration,
    tasks: &Group,
) {
    let (dialer, mut state) = (dialer.clone(), dialer.state());
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("uplink/pace", async move {
        loop {
            state.borrow_and_update();
            let wanted = pace.borrow_and_update().heartbeat_seconds;
            if let Some(session) = dialer.session() {
                session.set_silence(silence(wanted, otherwise));
            }
            let news = async {
                tokio::select! {
                    biased;
                    // Each may be dropped: the loop reads both anew.
                    news = state.changed() => news.is_ok(),
                    news = pace.changed() => news.is_ok(),
                }
            };
            if shutdown.or(news).await != Some(true) {
                return;
            }
        }
    });
}

/// A table upwards that is written at most once in a while: the latest value of each key, all together. What waits is
/// made again from the API after a crash.
#[derive(Debug)]
pub(crate) struct Paced {
    table: Arc<dyn Outgoing>,
    pace: watch::Receiver<Pace>,
    waiting: Mutex<BTreeMap<String, Bytes>>,
    due: Notify,
    /// Held while what waited is written, or removed: what is gone must not come back.
    turn: tokio::sync::Mutex<()>,
}

impl Paced {
    /// The table, and the task that writes what waits.
    pub(crate) fn start(
        table: Arc<dyn Outgoing>,
        pace: watch::Receiver<Pace>,
        tasks: &Group,
    ) -> Arc<Self> {
        let paced = Arc::new(Self {
            table,
            pace,
            waiting: Mutex::default(),
            due: Notify::new(),
            turn: tokio::sync::Mutex::default(),
        });
        let (writing, shutdown) = (paced.clone(), tasks.shutdown().clone());
        tasks.spawn("uplink/reports", async move {
            shutdown.or(writing.run()).await;
        });
        paced
    }

    async fn run(&self) {
        let mut pace = self.pace.clone();
        loop {
            self.due.notified().await;
            self.flush().await;
            let written = Instant::now();
            // A pace that becomes quicker acts at once.
            let rested = |pace: &Pace| written.elapsed() >= pace.report;
            while !rested(&pace.borrow_and_update()) {
                let until = written + pace.borrow().report;
                let news = async {
                    if pace.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                };
                let _ = tokio::time::timeout_at(until, news).await;
            }
        }
    }

    async fn flush(&self) {
        let keys: Vec<String> = self.lock().keys().cloned().collect();
        for key in keys {
            let _turn = self.turn.lock().await;
            let Some(value) = self.lock().get(&key).cloned() else {
                continue;
            };
            if let Err(error) = self.table.put(&key, value.clone()).await {
                tracing::warn!(%error, "a report is written again later");
                self.due.notify_one();
                continue;
            }
            let mut waiting = self.lock();
            if waiting.get(&key) == Some(&value) {
                waiting.remove(&key);
            } else {
                self.due.notify_one();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outgoing for Paced {
    fn get(&self, key: &str) -> Option<Bytes> {
        let waiting = self.lock().get(key).cloned();
        waiting.or_else(|| self.table.get(key))
    }

    fn keys(&self) -> Vec<String> {
        let mut keys = self.table.keys();
        keys.extend(self.lock().keys().cloned());
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn acked(&self, key: &str) -> bool {
        !self.lock().contains_key(key) && self.table.acked(key)
    }

    fn is_given(&self, key: &str) -> bool {
        self.lock().contains_key(key) || self.table.is_given(key)
    }

    fn put<'a>(&'a self, key: &'a str, value: Bytes) -> BoxFuture<'a, Result<(), PortError>> {
        if self.pace.borrow().report.is_zero() && self.lock().is_empty() {
            return self.table.put(key, value);
        }
        self.lock().insert(key.to_owned(), value);
        self.due.notify_one();
        async { Ok(()) }.boxed()
    }

    /// That a Mission is gone is told at once: the parent waits for it.
    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), PortError>> {
        async move {
            let _turn = self.turn.lock().await;
            self.lock().remove(key);
            self.table.remove(key).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
