//! Every watcher is told of every change after where it began, once, in order.

use super::Violation;
use super::log::Log;
use crate::history::{History, Note, Watching};

/// Holds every watcher against the log.
pub(super) fn check(history: &History, log: &Log, found: &mut Vec<Violation>) {
    let kinds = history.watchers.iter().map(|w| w.kind + 1).max();
    let mut covered = vec![Vec::new(); kinds.unwrap_or_default()];
    for (number, watching) in history.watchers.iter().enumerate() {
        for (from, to) in one(number, watching, log, found) {
            covered[watching.kind].push((from, to));
        }
    }
    for (kind, spans) in covered.iter_mut().enumerate() {
        spans.sort_unstable();
        let mut seen = spans.first().map_or(0, |span| span.0);
        for (from, to) in spans {
            if *from > seen {
                found.push(Violation::Unseen(kind, seen, *from));
            }
            seen = seen.max(*to);
        }
    }
}

/// What one watcher can tell of: spans of revisions, from one list to the next.
fn one(
    number: usize,
    watching: &Watching,
    log: &Log,
    found: &mut Vec<Violation>,
) -> Vec<(u64, u64)> {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    let changes = log.of_kind(watching.kind);
    // Where the last thing that it was told stands, and whether that was a bookmark.
    let (mut at, mut marked) = (0, false);
    for note in &watching.notes {
        match note {
            Note::Listed { revision, .. } => {
                (at, marked) = (*revision, false);
                spans.push((at, at));
            }
            Note::Resumed { .. } => {}
            Note::Event { seen, .. } => {
                let revision = seen.revision;
                if revision <= at {
                    found.push(if marked {
                        Violation::BookmarkAhead(number, at, revision)
                    } else {
                        Violation::WatchOutOfOrder(number, at, revision)
                    });
                    continue;
                }
                missed(number, changes, at, revision - 1, found);
                (at, marked) = (revision, false);
            }
            Note::Bookmark { revision } => {
                if *revision < at {
                    found.push(Violation::WatchOutOfOrder(number, at, *revision));
                    continue;
                }
                missed(number, changes, at, *revision, found);
                (at, marked) = (*revision, true);
            }
        }
        if let Some(span) = spans.last_mut() {
            span.1 = at;
        }
    }
    // Whoever watches goes on until the last change of its kind.
    missed(number, changes, at, u64::MAX, found);
    spans
}

/// The changes after `from`, up to and with `to`.
fn missed(number: usize, changes: &[u64], from: u64, to: u64, found: &mut Vec<Violation>) {
    let first = changes.partition_point(|r| *r <= from);
    let end = changes.partition_point(|r| *r <= to);
    for revision in changes.get(first..end).unwrap_or_default() {
        found.push(Violation::LostEvent(number, *revision));
    }
}
