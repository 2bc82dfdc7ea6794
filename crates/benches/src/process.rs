//! What a process takes, as the kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Memory of a process, in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Resident, with pages that others share.
    pub resident: u64,
    /// Resident, each shared page divided by who shares it.
    pub proportional: u64,
    /// What goes when the process goes.
    pub private: u64,
    /// Private memory that no file stands behind: heaps and stacks.
    pub anonymous: u64,
}

/// What a process has used since its start.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// Processor time.
    pub cpu: Duration,
    /// How often one of its threads went to sleep, which is as often as one was woken.
    pub sleeps: u64,
    /// Its threads now.
    pub threads: usize,
}

impl Memory {
    /// Of the process with this id.
    ///
    /// # Errors
    /// When it is gone, or not ours to look at.
    pub fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let of = |key: &str| -> Result<u64> { number(&text, key) };
        Ok(Self {
            resident: of("Rss:")?,
            proportional: of("Pss:")?,
            private: of("Private_Clean:")? + of("Private_Dirty:")?,
            anonymous: of("Anonymous:")?,
        })
    }
}

impl Used {
    /// By the process with this id.
    ///
    /// # Errors
    /// When it is gone.
    pub fn by(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name before it may hold blanks; user and system time are the 14th and 15th word of all.
        let (_, rest) = stat.rsplit_once(')').context("a name in parentheses")?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |at: usize| -> Result<u64> { Ok(words.get(at).context("short")?.parse()?) };
        let mut sleeps = 0;
        let mut threads = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            if let Ok(status) = fs::read_to_string(task?.path().join("status")) {
                sleeps += number(&status, "voluntary_ctxt_switches:")?;
                threads += 1;
            }
        }
        Ok(Self {
            cpu: Duration::from_millis((ticks(11)? + ticks(12)?) * TICK_MS),
            sleeps,
            threads,
        })
    }
}

/// A tick of `/proc/PID/stat`, on every Linux that there is.
const TICK_MS: u64 = 10;

fn number(text: &str, key: &str) -> Result<u64> {
    let line = text.lines().find(|l| l.starts_with(key));
    let word = line.and_then(|l| l.split_whitespace().nth(1));
    Ok(word.with_context(|| format!("no {key}"))?.parse()?)
}
