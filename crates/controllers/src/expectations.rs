//! What a controller has just done and its cache does not show yet.
//!
//! Without this a controller that acts faster than its watch creates the same pods twice. Before it creates or deletes,
//! it notes how much; each event of the watch takes one off; until nothing is left it does not act on that key again.
//! Events can be lost for it (an object that comes and goes between two lists), so a note that is five minutes old
//! counts no more.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cedge_informer::Key;
use tokio::time::Instant;

/// As in Kubernetes.
const FORGET_AFTER: Duration = Duration::from_mins(5);

#[derive(Clone, Default)]
pub(crate) struct Expectations {
    notes: Arc<Mutex<HashMap<Key, Note>>>,
}

struct Note {
    creations: usize,
    deletions: HashSet<Box<str>>,
    since: Instant,
}

impl Expectations {
    /// Whether the cache shows everything that was done for this key.
    pub(crate) fn are_met(&self, key: &Key) -> bool {
        self.lock().get(key).is_none_or(|note| {
            (note.creations == 0 && note.deletions.is_empty())
                || note.since.elapsed() > FORGET_AFTER
        })
    }

    /// Notes what is about to be done. Replaces an older note.
    pub(crate) fn expect<'a>(
        &self,
        key: &Key,
        creations: usize,
        deletions: impl IntoIterator<Item = &'a str>,
    ) {
        let note = Note {
            creations,
            deletions: deletions.into_iter().map(Into::into).collect(),
            since: Instant::now(),
        };
        self.lock().insert(key.clone(), note);
    }

    /// A creation was seen, or has failed.
    pub(crate) fn created(&self, key: &Key) {
        self.not_created(key, 1);
    }

    /// Some creations did not happen.
    pub(crate) fn not_created(&self, key: &Key, count: usize) {
        if let Some(note) = self.lock().get_mut(key) {
            note.creations = note.creations.saturating_sub(count);
        }
    }

    /// A deletion was seen, or has failed.
    pub(crate) fn deleted(&self, key: &Key, uid: &str) {
        if let Some(note) = self.lock().get_mut(key) {
            note.deletions.remove(uid);
        }
    }

    /// The key's owner is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_waits_until_everything_was_seen_or_time_has_passed() {
        let (e, key) = (Expectations::default(), Key::new("a", "b"));
        assert!(e.are_met(&key));
        e.expect(&key, 2, ["x"]);
        e.created(&key);
        e.deleted(&key, "x");
        e.deleted(&key, "other");
        assert!(!e.are_met(&key));
        e.created(&key);
        assert!(e.are_met(&key));
        e.expect(&key, 1, []);
        tokio::time::advance(FORGET_AFTER * 2).await;
        assert!(e.are_met(&key));
    }
}
