//! How long a container that keeps ending waits for its next start: the kubelet's rule, not a general tool.

use std::time::Duration;

/// The first wait.
pub const FIRST_DELAY: Duration = Duration::from_secs(10);
/// No wait is longer.
pub const LONGEST_DELAY: Duration = Duration::from_secs(300);

/// Doubles with each start; forgets when the thing ran for twice the longest delay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backoff {
    entry: Option<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    delay: Duration,
    last_start: Duration,
}

// === impl Backoff ===

impl Backoff {
    /// How long a start must still wait, if the thing ended at `ended`. `None`: it may start.
    #[must_use]
    pub fn wait(&self, ended: Duration, now: Duration) -> Option<Duration> {
        let entry = self.entry.as_ref()?;
        if expired(entry, ended) {
            return None;
        }
        let waited = now.saturating_sub(ended);
        entry.delay.checked_sub(waited).filter(|d| !d.is_zero())
    }

    /// The whole delay of the present step.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.entry.as_ref().map_or(Duration::ZERO, |e| e.delay)
    }

    /// A start happens now, after an end at `ended`: the next one waits longer.
    pub fn started(&mut self, ended: Duration, now: Duration) {
        let delay = match &self.entry {
            Some(entry) if !expired(entry, ended) => (entry.delay * 2).min(LONGEST_DELAY),
            _ => FIRST_DELAY,
        };
        self.entry = Some(Entry {
            delay,
            last_start: now,
        });
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.entry = None;
    }
}

fn expired(entry: &Entry, ended: Duration) -> bool {
    ended.saturating_sub(entry.last_start) > LONGEST_DELAY * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_crash_loop_waits_0_10_20_40_80_160_300_300_seconds() {
        let mut backoff = Backoff::default();
        let mut now = s(1000);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let ended = now;
            let wait = backoff.wait(ended, now).unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(backoff.wait(ended, now), None);
            backoff.started(ended, now);
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn ten_minutes_of_running_forget_the_past() {
        let mut backoff = Backoff::default();
        backoff.started(s(0), s(0));
        backoff.started(s(1), s(11));
        let ended = s(11 + 601);
        assert_eq!(backoff.wait(ended, ended), None);
        backoff.started(ended, ended);
        assert_eq!(backoff.delay(), FIRST_DELAY);
    }
}
