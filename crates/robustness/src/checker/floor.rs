//! What was known when: the largest revision that any answer had shown by a time.

use super::log::Log;
use crate::history::{History, Note, Outcome};

/// Pairs of a time and the largest revision that was known from then on.
#[derive(Debug)]
pub(super) struct Floor(Vec<(u64, u64)>);

// === impl Floor ===

impl Floor {
    pub(super) fn of(history: &History, log: &Log) -> Self {
        let mut points = Vec::new();
        for call in &history.calls {
            let revision = match &call.outcome {
                Outcome::Wrote(seen) | Outcome::Read(Some(seen)) => Some(seen.revision),
                Outcome::Deleted { uid } => log.deletion_of(uid),
                Outcome::Listed { pages, .. } => pages.last().copied(),
                Outcome::Read(None) | Outcome::Refused(_) | Outcome::Unknown(_) => None,
            };
            points.extend(revision.map(|revision| (call.end, revision)));
        }
        for note in history.watchers.iter().flat_map(|w| &w.notes) {
            if let Note::Event { at, seen, .. } = note {
                points.push((*at, seen.revision));
            }
        }
        points.sort_unstable();
        let mut most = 0;
        for (_, revision) in &mut points {
            most = most.max(*revision);
            *revision = most;
        }
        Self(points)
    }

    /// The largest revision that was known before a time.
    pub(super) fn before(&self, time: u64) -> u64 {
        let after = self.0.partition_point(|(at, _)| *at < time);
        after.checked_sub(1).map_or(0, |last| self.0[last].1)
    }
}
