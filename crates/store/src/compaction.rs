//! Which history is kept, and how the rest is removed: in steps, each part of a commit.

use std::collections::VecDeque;
use std::time::Duration;

use redb::ReadableTable as _;
use tokio::time::Instant;

use crate::apply::Tables;
use crate::options::Retention;
use crate::tables::{Place, Record, find};

/// Marks that cover the age that is kept; each is a time and the revision then.
const MARKS: u32 = 16;

/// When which revision was current, so that what is older than the wanted age is known.
#[derive(Debug)]
pub(crate) struct Ages {
    retention: Retention,
    marks: VecDeque<(Instant, u64)>,
}

// === impl Ages ===

impl Ages {
    /// Knows that everything up to `revision` is from before `now`.
    pub(crate) fn new(retention: Retention, now: Instant, revision: u64) -> Self {
        Self {
            retention,
            marks: VecDeque::from([(now, revision)]),
        }
    }

    /// Notes that `revision` is current now.
    pub(crate) fn note(&mut self, now: Instant, revision: u64) {
        let due = match self.marks.back() {
            Some((last, noted)) => *noted < revision && now - *last >= self.step(),
            None => true,
        };
        if due {
            self.marks.push_back((now, revision));
        }
    }

    /// Up to which revision history may be removed, given what is current.
    pub(crate) fn floor(&mut self, now: Instant, revision: u64) -> u64 {
        if self.retention.age.is_zero() {
            return 0;
        }
        let mut floor = revision.saturating_sub(self.retention.revisions);
        while let Some(&(at, noted)) = self.marks.front()
            && now.saturating_duration_since(at) >= self.retention.age
        {
            floor = floor.max(noted);
            self.marks.pop_front();
        }
        floor
    }

    /// When the next mark comes of age.
    pub(crate) fn due(&self) -> Option<Instant> {
        let (at, _) = self.marks.front()?;
        (!self.retention.age.is_zero()).then(|| *at + self.retention.age)
    }

    fn step(&self) -> Duration {
        self.retention.age / MARKS
    }
}

/// Removes, of the revisions after `swept` up to `floor`, what they replaced, and deletions themselves, looking at
/// `rows` rows of the log at most. Answers up to where that is done. Doing a part twice changes nothing.
pub(crate) fn sweep(
    tables: &mut Tables<'_>,
    (swept, floor): (u64, u64),
    rows: usize,
) -> Result<(u64, u64), redb::Error> {
    let mut seen: Vec<(String, Place)> = Vec::new();
    let mut until = floor;
    for row in tables.log.range((swept + 1, 0)..=(floor, u32::MAX))? {
        let (at, row) = row?;
        let (revision, place) = at.value();
        if seen.len() >= rows {
            // The rest of this transaction may be missing: it is looked at again.
            until = revision - 1;
            break;
        }
        let record = Record::decode(row.value())?;
        let deleted = record.deleted;
        let place = Place {
            revision,
            place,
            deleted,
        };
        seen.push((record.key.to_owned(), place));
    }
    let mut removed = 0;
    for (key, place) in seen {
        if let Some(replaced) = find(&tables.index, &key, place.revision - 1)? {
            removed += remove(tables, &key, replaced)?;
        }
        if place.deleted {
            removed += remove(tables, &key, place)?;
        }
    }
    Ok((until, removed))
}

fn remove(tables: &mut Tables<'_>, key: &str, place: Place) -> Result<u64, redb::Error> {
    tables.index.remove((key, place.revision))?;
    tables.log.remove((place.revision, place.place))?;
    Ok(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(160);

    fn ages(now: Instant) -> Ages {
        let retention = Retention {
            age: AGE,
            revisions: 1000,
        };
        Ages::new(retention, now, 10)
    }

    #[test]
    fn history_is_kept_for_its_age() {
        let start = Instant::now();
        let mut ages = ages(start);
        ages.note(start + Duration::from_secs(20), 20);
        assert_eq!(ages.floor(start + Duration::from_secs(159), 30), 0);
        assert_eq!(ages.floor(start + AGE, 30), 10);
        assert_eq!(ages.due(), Some(start + AGE + Duration::from_secs(20)));
        assert_eq!(ages.floor(start + Duration::from_secs(500), 30), 20);
        assert_eq!(ages.due(), None, "an idle store sleeps");
    }

    #[test]
    fn marks_are_few_however_much_is_written() {
        let start = Instant::now();
        let mut ages = ages(start);
        for n in 0..10_000_u32 {
            ages.note(start + Duration::from_millis(10) * n, 10 + u64::from(n));
        }
        assert!(ages.marks.len() <= 11, "{}", ages.marks.len());
    }

    #[test]
    fn more_revisions_than_wanted_are_not_kept_however_young() {
        let start = Instant::now();
        assert_eq!(ages(start).floor(start, 5000), 4000);
    }
}
