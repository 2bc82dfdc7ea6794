//! Whether a history can be what a correct server did.
//!
//! The watchers' events, put together, are the log of what happened: a revision means one change, whoever tells of it
//! ([`log`]). Against that log every watcher is held ([`watches`]), every write ([`writes`]) and every read ([`reads`]).
//! What one may know before a call begins, from any answer that had arrived by then, is the floor below which the call
//! must not fall ([`floor`]).
//! Pure: no clock, no I/O. That it finds each kind of mistake is shown by its tests.

mod floor;
mod log;
mod reads;
mod watches;
mod writes;

use std::fmt;

use crate::history::{History, Key};
use floor::Floor;
use log::Log;

/// What a correct server does not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A write was acknowledged at a revision, and no watcher was told of it.
    LostWrite(Key, u64),
    /// A deletion was acknowledged, and no watcher was told of it.
    LostDelete(Key, String),
    /// An event shows a state that no call wrote, or a deletion that nobody asked for.
    FromNowhere(Key, u64),
    /// A write happened that was refused.
    RefusedHappened(Key, u64),
    /// A write happened twice.
    Twice(Key, u64),
    /// A write was acknowledged at one revision and happened at another.
    OtherRevision(Key, u64, u64),
    /// A call began when a revision was known already, and was given that or a smaller one: known, given.
    OutOfOrder(u64, u64),
    /// An update that named a revision was put upon another: named, found.
    NotOnItsBase(Key, u64, u64),
    /// An update or a deletion was refused as a conflict, and nothing was in its way.
    ConflictOutOfNowhere(Key, u64),
    /// A deletion removed what its preconditions do not allow.
    WrongDeleted(Key, u64),
    /// A write took away what it did not touch.
    Trampled(Key, u64),
    /// The changes of an object do not follow from each other: at this revision.
    Impossible(Key, u64),
    /// Two watchers were told different things of one revision.
    Disagree(u64),
    /// A watcher was told of a revision twice, or late: before, then.
    WatchOutOfOrder(usize, u64, u64),
    /// A watcher was not told of a revision.
    LostEvent(usize, u64),
    /// A watcher's bookmark ran ahead of an event: bookmark, event.
    BookmarkAhead(usize, u64, u64),
    /// No watcher of a kind can tell what happened between two revisions.
    Unseen(usize, u64, u64),
    /// A read showed what was known to be replaced when it began: known, shown (0: absent).
    Stale(Key, u64, u64),
    /// A read showed a state that never was.
    Phantom(Key, u64),
    /// The pages of a list are of different revisions.
    Torn(usize, Vec<u64>),
    /// A list is not the state at its revision; the first object that differs.
    WrongList(usize, u64, u32),
}

/// What a history was made of, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is wrong.
    pub violations: Vec<Violation>,
    /// Changes that the watchers told of.
    pub changes: usize,
    /// Writes and deletions of which nobody was told whether they happen, and which did.
    pub unknown_happened: usize,
}

/// Checks everything.
#[must_use]
pub fn check(history: &History) -> Verdict {
    let mut found = Vec::new();
    let log = Log::of(history, &mut found);
    let floor = Floor::of(history, &log);
    watches::check(history, &log, &mut found);
    let unknown_happened = writes::check(history, &log, &floor, &mut found);
    reads::check(history, &log, &floor, &mut found);
    Verdict {
        violations: found,
        changes: log.len(),
        unknown_happened,
    }
}

// === impl Verdict ===

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} violations", self.violations.len())?;
        for violation in self.violations.iter().take(20) {
            write!(f, "\n  {violation:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
