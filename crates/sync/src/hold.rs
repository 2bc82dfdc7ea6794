//! When deletions are too many to be believed.
//!
//! A tombstone that could be part of a mass deletion is not carried out at once: it settles. If no other comes for
//! [`SETTLE_QUIET`], what has settled is carried out; if they keep coming, after [`SETTLE_MAX`] at the latest. As soon
//! as the settling ones, the held ones, and those carried out within the last [`HOLD_WINDOW`] are ten or more and more
//! than half of what there was, all that settle are held instead, until somebody confirms exactly that batch. Where
//! fewer than ten rows are held nothing can be a mass deletion, and a tombstone acts at once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::Key;

/// Fewer deletions than this are never held.
pub const HOLD_COUNT_MIN: usize = 10;
/// Deletions carried out this long ago still count as part of the same mass deletion.
pub const HOLD_WINDOW: Duration = Duration::from_secs(30);
/// How long it must be quiet before settling deletions are carried out: `kubectl delete --all` sends one every few
/// milliseconds, a slow loop of a script a few a second.
pub const SETTLE_QUIET: Duration = Duration::from_secs(1);
/// How long a deletion settles at most while others keep coming.
pub const SETTLE_MAX: Duration = Duration::from_secs(30);

/// Deletions that wait for a confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Names exactly this set of keys and tombstones.
    pub id: String,
    /// The keys, in order.
    pub keys: Vec<Key>,
}

/// Deletions that settle, and those of the last half minute.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    pub(crate) keys: BTreeMap<Key, u64>,
    since: Option<Duration>,
    latest: Duration,
    more_follow: bool,
    carried_out: VecDeque<(Duration, usize)>,
}

/// What is to be done with the deletions that settle.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wait,
    CarryOut,
    Hold,
}

impl Settling {
    pub(crate) fn add(&mut self, key: Key, version: u64, now: Duration) {
        let known = self.keys.entry(key).or_insert(0);
        *known = version.max(*known);
        self.since.get_or_insert(now);
        self.latest = now;
    }

    /// Whether the sender has announced more: then quiet means nothing yet.
    pub(crate) fn announce(&mut self, more: bool) {
        self.more_follow = more;
    }

    pub(crate) fn carried_out(&mut self, count: usize, now: Duration) {
        self.carried_out.push_back((now, count));
    }

    pub(crate) fn recent(&mut self, now: Duration) -> usize {
        while let Some((at, _)) = self.carried_out.front()
            && now.saturating_sub(*at) > HOLD_WINDOW
        {
            self.carried_out.pop_front();
        }
        self.carried_out.iter().map(|(_, count)| count).sum()
    }

    /// Looks at what settles; `rows` are all that are there (the settling and the held ones included).
    pub(crate) fn verdict(&mut self, rows: usize, held: usize, now: Duration) -> Verdict {
        if self.keys.is_empty() {
            return Verdict::Wait;
        }
        let recent = self.recent(now);
        let deletions = self.keys.len() + held + recent;
        if deletions >= HOLD_COUNT_MIN && 2 * deletions > rows + recent {
            return Verdict::Hold;
        }
        if self.deadline().is_some_and(|at| at <= now) {
            Verdict::CarryOut
        } else {
            Verdict::Wait
        }
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        let last = self.since? + SETTLE_MAX;
        if self.more_follow {
            Some(last)
        } else {
            Some(last.min(self.latest + SETTLE_QUIET))
        }
    }

    pub(crate) fn take(&mut self) -> BTreeMap<Key, u64> {
        self.since = None;
        self.more_follow = false;
        std::mem::take(&mut self.keys)
    }
}

/// The name of a set of held deletions.
pub(crate) fn batch_id<'a>(held: impl Iterator<Item = (&'a Key, u64)>) -> String {
    use std::fmt::Write as _;
    let mut hasher = blake3::Hasher::new();
    for (key, version) in held {
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key.as_bytes());
        hasher.update(&version.to_le_bytes());
    }
    let mut id = String::with_capacity(12);
    for byte in &hasher.finalize().as_bytes()[..6] {
        let _ = write!(id, "{byte:02x}");
    }
    id
}
