//! How busy the machine is: a figure from a busy machine says so.

use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// How long is looked before anything is measured.
const LOOK: Duration = Duration::from_secs(2);

/// What others did on this machine while nothing was measured.
#[derive(Debug)]
pub struct Machine {
    processors: usize,
    busy: f64,
    load: String,
    waiting: String,
}

impl Machine {
    /// Looks for two seconds.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub async fn look() -> Result<Self> {
        let before = times()?;
        tokio::time::sleep(LOOK).await;
        let after = times()?;
        #[expect(clippy::cast_precision_loss, reason = "a share of some hundred ticks")]
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        let load = fs::read_to_string("/proc/loadavg")?;
        let pressure = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
        Ok(Self {
            processors: std::thread::available_parallelism()?.get(),
            busy: 1.0 - share(after.idle - before.idle, after.all - before.all),
            load: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
            waiting: pressure.split_whitespace().nth(1).unwrap_or("–").to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} processors, {:.0} % busy in two seconds without us; load {}; waiting for a processor {} %",
            self.processors,
            self.busy * 100.0,
            self.load,
            self.waiting.trim_start_matches("avg10="),
        )
    }
}

struct Times {
    idle: u64,
    all: u64,
}

fn times() -> Result<Times> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|w| w.parse().ok())
        .collect();
    Ok(Times {
        idle: ticks.iter().skip(3).take(2).sum(),
        all: ticks.iter().take(8).sum(),
    })
}
