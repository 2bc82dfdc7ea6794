//! What was stored and is not durable yet. Should the file have to be opened again before it is, it is stored again.

use std::time::Duration;

use cedge_sync::Save;
use tokio::time::Instant;

/// Relaxed commits become durable after this time at the latest.
pub(super) const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// Relaxed saves since the last durable commit, in their order.
#[derive(Default)]
pub(super) struct Tail {
    saves: Vec<(u32, Save)>,
    since: Option<Instant>,
    /// The file was opened again: they may not be there any more.
    pub(super) lost: bool,
}

impl Tail {
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// How long the oldest of them may still wait.
    pub(super) fn left(&self) -> Option<Duration> {
        Some(FLUSH_AFTER.saturating_sub(self.since?.elapsed()))
    }

    /// What is to be stored before anything else.
    pub(super) fn to_repeat(&self) -> &[(u32, Save)] {
        if self.lost { &self.saves } else { &[] }
    }

    pub(super) fn push(&mut self, saves: impl Iterator<Item = (u32, Save)>) {
        self.saves.extend(saves);
        self.since.get_or_insert_with(Instant::now);
    }
}
