//! Each kind of mistake, put into a history without one, is found.

use super::{Violation, check};
use crate::history::{Call, Change, Deed, History, Key, Last, Note, Outcome, Seen, Watching};

const A: Key = Key { kind: 0, index: 1 };
const B: Key = Key { kind: 0, index: 2 };

fn seen(revision: u64, uid: &str, tag: u64, seed: u64) -> Seen {
    Seen {
        revision,
        uid: uid.to_owned(),
        tag,
        seed: Some(seed),
    }
}

fn call(start: u64, deed: Deed, outcome: Outcome) -> Call {
    Call {
        client: 0,
        start,
        end: start + 5,
        deed,
        outcome,
    }
}

fn event(at: u64, change: Change, key: Key, seen: Seen) -> Note {
    Note::Event {
        at,
        change,
        index: key.index,
        seen,
    }
}

/// a is created at 11, updated at 13, patched at 14 by who was never answered, deleted at 15; b is created at 12.
fn right() -> History {
    let get = |revision, tag| Outcome::Read(Some(seen(revision, "a", tag, 1)));
    let calls = vec![
        call(
            10,
            Deed::Create { key: A, tag: 1 },
            Outcome::Wrote(seen(11, "a", 1, 1)),
        ),
        call(
            20,
            Deed::Create { key: B, tag: 2 },
            Outcome::Wrote(seen(12, "b", 2, 2)),
        ),
        call(30, Deed::Get { key: A }, get(11, 1)),
        call(
            40,
            Deed::Update {
                key: A,
                tag: 3,
                base: 11,
            },
            Outcome::Wrote(seen(13, "a", 3, 1)),
        ),
        call(
            50,
            Deed::Patch { key: A, tag: 4 },
            Outcome::Unknown("cut".into()),
        ),
        call(60, Deed::Get { key: A }, get(14, 4)),
        call(
            70,
            Deed::Update {
                key: A,
                tag: 5,
                base: 13,
            },
            Outcome::Refused(409),
        ),
        call(
            80,
            Deed::List { kind: 0 },
            Outcome::Listed {
                pages: vec![14, 14],
                items: vec![(1, 14), (2, 12)],
            },
        ),
        call(
            90,
            Deed::Delete {
                key: A,
                uid: Some("a".into()),
                revision: Some(14),
            },
            Outcome::Deleted { uid: "a".into() },
        ),
        call(100, Deed::Get { key: A }, Outcome::Read(None)),
    ];
    let notes = vec![
        Note::Listed {
            start: 1,
            revision: 10,
            items: Vec::new(),
        },
        event(12, Change::Added, A, seen(11, "a", 1, 1)),
        event(22, Change::Added, B, seen(12, "b", 2, 2)),
        Note::Bookmark { revision: 12 },
        event(42, Change::Modified, A, seen(13, "a", 3, 1)),
        Note::Resumed { after: 13 },
        event(52, Change::Modified, A, seen(14, "a", 4, 1)),
        event(92, Change::Deleted, A, seen(15, "a", 4, 1)),
    ];
    let watching = Watching { kind: 0, notes };
    History {
        calls,
        watchers: vec![watching.clone(), watching],
        last: vec![Last {
            kind: 0,
            revision: 15,
            items: vec![(2, 12)],
        }],
    }
}

/// What is found when the history is changed like this.
fn after(change: impl FnOnce(&mut History)) -> Vec<Violation> {
    let mut history = right();
    change(&mut history);
    check(&history).violations
}

#[track_caller]
fn finds(wanted: &Violation, change: impl FnOnce(&mut History)) {
    let found = after(change);
    assert!(found.contains(wanted), "{wanted:?} not in {found:?}");
}

/// Takes a note from every watcher.
fn forget(history: &mut History, note: usize) {
    for watcher in &mut history.watchers {
        watcher.notes.remove(note);
    }
}

#[test]
fn a_right_history_is_right() {
    let verdict = check(&right());
    assert_eq!(verdict.violations, []);
    assert_eq!((verdict.changes, verdict.unknown_happened), (5, 1));
}

#[test]
fn a_lost_write_is_found() {
    finds(&Violation::LostWrite(B, 12), |h| forget(h, 2));
}

#[test]
fn a_lost_deletion_is_found() {
    finds(&Violation::LostDelete(A, "a".into()), |h| forget(h, 7));
}

#[test]
fn a_state_that_nobody_wrote_is_found() {
    finds(&Violation::FromNowhere(A, 14), |h| {
        h.calls.remove(4);
    });
}

#[test]
fn a_deletion_that_nobody_asked_for_is_found() {
    finds(&Violation::FromNowhere(A, 15), |h| {
        h.calls.remove(8);
    });
    // Whoever named another revision did not delete this one.
    finds(&Violation::FromNowhere(A, 15), |h| {
        h.calls[8].deed = Deed::Delete {
            key: A,
            uid: None,
            revision: Some(13),
        };
        h.calls[8].outcome = Outcome::Unknown("cut".into());
    });
    let unanswered = after(|h| h.calls[8].outcome = Outcome::Unknown("cut".into()));
    assert_eq!(unanswered, []);
}

#[test]
fn a_refused_write_that_happened_is_found() {
    finds(&Violation::RefusedHappened(A, 14), |h| {
        h.calls[4].outcome = Outcome::Refused(500);
    });
}

#[test]
fn a_write_that_happened_twice_is_found() {
    finds(&Violation::Twice(A, 4), |h| {
        for watcher in &mut h.watchers {
            watcher.notes[4] = event(42, Change::Modified, A, seen(13, "a", 4, 1));
        }
    });
}

#[test]
fn a_write_at_another_revision_is_found() {
    finds(&Violation::OtherRevision(A, 99, 13), |h| {
        h.calls[3].outcome = Outcome::Wrote(seen(99, "a", 3, 1));
    });
}

#[test]
fn revisions_that_run_against_time_are_found() {
    // The write at 12 began when 13 was known.
    finds(&Violation::OutOfOrder(13, 12), |h| {
        (h.calls[1].start, h.calls[1].end) = (46, 49);
    });
    finds(&Violation::OutOfOrder(15, 14), |h| {
        (h.calls[7].start, h.calls[7].end) = (96, 99);
    });
}

#[test]
fn an_update_that_is_not_on_its_base_is_found() {
    finds(&Violation::NotOnItsBase(A, 10, 11), |h| {
        h.calls[3].deed = Deed::Update {
            key: A,
            tag: 3,
            base: 10,
        };
    });
}

#[test]
fn a_conflict_without_a_reason_is_found() {
    finds(&Violation::ConflictOutOfNowhere(B, 12), |h| {
        h.calls[6].deed = Deed::Update {
            key: B,
            tag: 5,
            base: 12,
        };
    });
    // What replaced it began after the refusal.
    finds(&Violation::ConflictOutOfNowhere(A, 13), |h| {
        h.calls[4].start = 76;
    });
}

#[test]
fn a_deletion_against_its_preconditions_is_found() {
    for (uid, revision) in [(Some("x".to_owned()), None), (None, Some(13))] {
        finds(&Violation::WrongDeleted(A, 15), |h| {
            h.calls[8].deed = Deed::Delete {
                key: A,
                uid,
                revision,
            };
        });
    }
}

#[test]
fn a_write_that_tramples_is_found() {
    finds(&Violation::Trampled(A, 13), |h| {
        for watcher in &mut h.watchers {
            watcher.notes[4] = event(42, Change::Modified, A, seen(13, "a", 3, 9));
        }
    });
}

#[test]
fn changes_that_do_not_follow_are_found() {
    finds(&Violation::Impossible(A, 13), |h| {
        for watcher in &mut h.watchers {
            watcher.notes[4] = event(42, Change::Added, A, seen(13, "a", 3, 1));
        }
    });
    finds(&Violation::Impossible(A, 13), |h| {
        for watcher in &mut h.watchers {
            watcher.notes[4] = event(42, Change::Modified, A, seen(13, "other", 3, 1));
        }
    });
}

#[test]
fn watchers_that_disagree_are_found() {
    finds(&Violation::Disagree(13), |h| {
        h.watchers[1].notes[4] = event(42, Change::Modified, A, seen(13, "a", 4, 1));
    });
}

#[test]
fn an_event_told_twice_or_late_is_found() {
    finds(&Violation::WatchOutOfOrder(1, 13, 13), |h| {
        let again = h.watchers[1].notes[4].clone();
        h.watchers[1].notes.insert(5, again);
    });
    finds(&Violation::WatchOutOfOrder(1, 14, 13), |h| {
        h.watchers[1].notes.swap(4, 6);
    });
}

#[test]
fn an_event_that_one_watcher_lacks_is_found() {
    finds(&Violation::LostEvent(1, 13), |h| {
        h.watchers[1].notes.remove(4);
    });
    finds(&Violation::LostEvent(1, 12), |h| {
        h.watchers[1].notes.remove(2);
    });
}

#[test]
fn a_bookmark_ahead_of_an_event_is_found() {
    finds(&Violation::BookmarkAhead(1, 13, 13), |h| {
        h.watchers[1].notes[3] = Note::Bookmark { revision: 13 };
    });
}

#[test]
fn what_no_watcher_saw_is_said() {
    finds(&Violation::Unseen(0, 13, 14), |h| {
        for watcher in &mut h.watchers {
            let items = vec![(1, 14), (2, 12)];
            watcher.notes[5] = Note::Listed {
                start: 53,
                revision: 14,
                items,
            };
            watcher.notes.remove(6);
        }
    });
}

#[test]
fn a_stale_read_is_found() {
    finds(&Violation::Stale(A, 14, 13), |h| {
        h.calls[5].start = 66;
        h.calls[5].outcome = Outcome::Read(Some(seen(13, "a", 3, 1)));
        h.calls[4].outcome = Outcome::Wrote(seen(14, "a", 4, 1));
    });
    finds(&Violation::Stale(A, 14, 0), |h| {
        (h.calls[9].start, h.calls[9].end) = (66, 69);
        for watcher in &mut h.watchers {
            watcher.notes.pop();
        }
    });
}

#[test]
fn a_state_that_never_was_is_found() {
    finds(&Violation::Phantom(A, 11), |h| {
        h.calls[2].outcome = Outcome::Read(Some(seen(11, "a", 2, 1)));
    });
}

#[test]
fn a_list_of_two_states_is_found() {
    finds(&Violation::Torn(0, vec![14, 15]), |h| {
        let items = vec![(1, 14), (2, 12)];
        h.calls[7].outcome = Outcome::Listed {
            pages: vec![14, 15],
            items,
        };
    });
}

#[test]
fn a_list_that_is_not_the_state_is_found() {
    for items in [
        vec![(1, 14)],
        vec![(1, 13), (2, 12)],
        vec![(1, 14), (2, 12), (2, 12)],
    ] {
        let found = after(|h| {
            h.calls[7].outcome = Outcome::Listed {
                pages: vec![14],
                items,
            };
        });
        assert!(
            matches!(found[..], [Violation::WrongList(0, 14, _)]),
            "{found:?}"
        );
    }
    finds(&Violation::WrongList(0, 15, 1), |h| {
        h.last[0].items.insert(0, (1, 14));
    });
}
