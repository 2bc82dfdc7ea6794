//! Work that takes long, done beside what others wait for: a server has few threads that answer, and a large body, a hostile
//! definition or a rule in its loops can hold one for seconds.
//!
//! So much of it is done at one time as there are places; the rest waits, without holding a thread. What is done keeps its
//! own thread busy, and the threads that answer share the processor with no more than these.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

/// Pieces of work at one time, of each of the two kinds: with as many threads that answer, these keep half of the processor.
const PLACES: usize = 2;

/// The places.
#[derive(Debug)]
pub(crate) struct Aside {
    /// For whole requests, which wait for the store and for others while they hold their place.
    requests: Semaphore,
    /// For what is only thought about: it waits for nothing, so a request that has a place may ask for one of these.
    thoughts: Semaphore,
}

impl Default for Aside {
    fn default() -> Self {
        Self {
            requests: Semaphore::new(PLACES),
            thoughts: Semaphore::new(PLACES),
        }
    }
}

// === impl Aside ===

impl Aside {
    /// Does a whole request beside the others.
    ///
    /// *Cancel safety*: dropped before it has a place, nothing was done; afterwards it cannot be dropped.
    pub(crate) async fn request<T>(&self, work: impl Future<Output = T>) -> T {
        let _place = self.requests.acquire().await;
        if has_threads() {
            block_in_place(|| Handle::current().block_on(work))
        } else {
            work.await
        }
    }

    /// Thinks beside the others.
    ///
    /// *Cancel safety*: as [`Aside::request`].
    pub(crate) async fn think<T>(&self, work: impl FnOnce() -> T) -> T {
        let _place = self.thoughts.acquire().await;
        if has_threads() {
            block_in_place(work)
        } else {
            work()
        }
    }
}

/// A runtime of one thread (a test's) has nobody to take over.
fn has_threads() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn who_thinks_long_holds_nobody_up() {
        let aside = std::sync::Arc::new(Aside::default());
        let (done, waits) = std::sync::mpsc::channel::<()>();
        let thinking = aside.clone();
        let thinking = cedge_tasks::spawn("test/think", async move {
            thinking.think(move || waits.recv()).await
        });
        // The only thread is free for this, and for a second thought.
        let second = tokio::time::timeout(Duration::from_secs(10), aside.think(|| 2)).await;
        assert_eq!(second, Ok(2));
        done.send(()).unwrap();
        assert_eq!(thinking.await.unwrap(), Ok(()));
    }
}
