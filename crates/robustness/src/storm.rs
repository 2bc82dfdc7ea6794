//! The clients of a storm: writers that do what comes to their minds and note what they are answered, and watchers.

mod plan;
mod watcher;
mod writer;

use tokio::time::Instant;

pub use plan::Plan;
pub use watcher::Watcher;
pub use writer::Writer;

/// The one clock of a storm.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

// === impl Clock ===

impl Clock {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since then.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
