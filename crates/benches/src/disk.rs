//! What the disk allows: a group of records appended to one file, and a sync.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use crate::load::{Round, VALUE, rate};

/// What a record costs beside its value: key, header.
const AROUND: usize = 76;

/// Appends groups of records for so long, each group with a sync of its own.
///
/// # Errors
/// What the disk says.
pub fn append(folder: &Path, group: usize, length: Duration) -> Result<Round> {
    let mut file = File::create(folder.join("append"))?;
    let records = vec![7; (VALUE + AROUND) * group];
    let mut round = Round::default();
    let begun = Instant::now();
    while begun.elapsed() < length {
        let at = Instant::now();
        file.write_all(&records)?;
        file.sync_data()?;
        round.latency.push(at.elapsed());
    }
    let writes = round.latency.len() * group;
    round.per_second = rate(writes, begun);
    Ok(round)
}
