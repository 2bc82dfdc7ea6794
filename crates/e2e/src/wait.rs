//! Waiting for a state of the world, never for a time.

#![expect(clippy::panic, reason = "what does not come true ends the test")]

use std::fmt::Debug;
use std::process::Child;
use std::time::{Duration, Instant};

/// Between two looks: every look starts a process.
const LOOK: Duration = Duration::from_millis(100);

/// A machine that builds something else meanwhile is slower by this.
const BUSY: u64 = 2;

/// Looks until `look` answers, for `seconds` of an idle machine at most; what it saw last is in the panic.
///
/// # Panics
/// If it does not come true in time.
pub fn eventually<T, E: Debug>(
    what: &str,
    seconds: u64,
    mut look: impl FnMut() -> Result<T, E>,
) -> T {
    let mut last = None;
    let begun = now();
    while last.is_none() || begun.elapsed() < Duration::from_secs(seconds * BUSY) {
        match look() {
            Ok(seen) => return seen,
            Err(seen) => last = Some(seen),
        }
        pause();
    }
    panic!(
        "{what}: not so after {} s; last seen: {last:?}",
        seconds * BUSY
    )
}

/// Looks again and again for `seconds`: it must be so every time.
///
/// # Panics
/// If it is not so once.
pub fn holds_for<E: Debug>(what: &str, seconds: u64, mut look: impl FnMut() -> Result<(), E>) {
    let begun = now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        if let Err(seen) = look() {
            panic!("{what}: {seen:?}");
        }
        pause();
    }
}

/// Whether a process ends within `seconds`.
pub(crate) fn ends_within(child: &mut Child, seconds: u64) -> bool {
    let begun = now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        if child.try_wait().expect("our own child").is_some() {
            return true;
        }
        pause();
    }
    false
}

/// A stopwatch, for figures that are told and not asserted.
#[derive(Debug)]
pub struct Watch(Instant);

impl Watch {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        Self(now())
    }

    /// Seconds since then.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        (self.0.elapsed().as_secs_f64() * 100.0).round() / 100.0
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "other processes live by the machine's clock"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own thread, between two looks at other processes"
)]
fn pause() {
    std::thread::sleep(LOOK);
}
