//! What the sides of a comparison have in common: the bytes, the time, the folder.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::Instant;

use crate::{Rounds, Samples};

/// Bytes of a value.
pub const VALUE: usize = 1024;

/// What a writer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Makes one new thing after another.
    Create,
    /// Replaces the one thing that is its own, if nobody else did.
    Update,
}

/// What one side did in one round.
#[derive(Debug, Default)]
pub struct Round {
    /// Operations a second.
    pub per_second: f64,
    /// How long each took.
    pub latency: Samples,
}

/// One side over all rounds.
#[derive(Debug, Default)]
pub struct Side {
    /// Operations a second, of each round.
    pub rates: Rounds,
    /// How long each operation took.
    pub latency: Samples,
}

/// A folder for all sides, on one disk; removed at the end.
#[derive(Debug)]
pub struct Folder(PathBuf);

// === impl Side ===

impl Side {
    /// Adds a round.
    pub fn take(&mut self, round: Round) {
        self.rates.push(round.per_second);
        self.latency.extend(round.latency);
    }
}

// === impl Folder ===

impl Folder {
    /// An empty folder for the bench of this name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn of(bench: &str) -> Result<Self> {
        let target =
            std::env::var_os("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = target.join(format!("cedge-bench-{bench}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("a folder for the bench: {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The number after a flag of the command line, or else this one.
///
/// # Errors
/// When what stands there is no number.
pub fn flag(name: &str, default: u64) -> Result<u64> {
    let given = std::env::args().skip_while(|a| a != name).nth(1);
    given.map_or(Ok(default), |n| n.parse().with_context(|| name.to_owned()))
}

/// How many a second since then.
#[must_use]
pub fn rate(count: usize, since: Instant) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / since.elapsed().as_secs_f64()
}

/// A value that carries the time since the process began to measure.
#[must_use]
pub fn stamped(since: Instant) -> Vec<u8> {
    let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut value = vec![0; VALUE];
    value[..8].copy_from_slice(&micros.to_be_bytes());
    value
}

/// How long ago a value was stamped.
#[must_use]
pub fn age(value: &[u8], since: Instant) -> Duration {
    let mut micros = [0; 8];
    micros.copy_from_slice(&value[..8]);
    let then = Duration::from_micros(u64::from_be_bytes(micros));
    since.elapsed().saturating_sub(then)
}
