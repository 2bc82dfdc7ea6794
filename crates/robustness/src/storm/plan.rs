//! How large a storm is: short where nobody says otherwise.

use std::time::Duration;

/// The size of a storm.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How long it writes. `CEDGE_STORM_SECONDS`, default 40.
    pub time: Duration,
    /// From one `kill -9` to the next. `CEDGE_STORM_KILL_EVERY`, default 10 seconds.
    pub kill_every: Duration,
    /// Those who write and read. `CEDGE_STORM_CLIENTS`, default 40, one in four of which watches.
    pub writers: usize,
    /// Those who watch.
    pub watchers: usize,
    /// Objects that there can be at one time. `CEDGE_STORM_OBJECTS`, default 1,000.
    pub objects: u32,
    /// How long a writer thinks after each call, so that others can use the machine. `CEDGE_STORM_PAUSE_MS`, default 10.
    pub pause: Duration,
    /// What the writers' choices come from. `CEDGE_STORM_SEED`, default 1.
    pub seed: u64,
}

// === impl Plan ===

impl Plan {
    /// As the environment says.
    #[must_use]
    pub fn of_environment() -> Self {
        let clients = number("CLIENTS", 40);
        // Every kind is watched at least twice.
        let watchers = usize::try_from(clients / 4).unwrap_or(0).max(20);
        Self {
            time: Duration::from_secs(number("SECONDS", 40)),
            kill_every: Duration::from_secs(number("KILL_EVERY", 10).max(1)),
            writers: usize::try_from(clients)
                .unwrap_or(0)
                .saturating_sub(watchers)
                .max(1),
            watchers,
            objects: u32::try_from(number("OBJECTS", 1000)).unwrap_or(u32::MAX),
            pause: Duration::from_millis(number("PAUSE_MS", 10)),
            seed: number("SEED", 1),
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    let set = std::env::var(format!("CEDGE_STORM_{name}"));
    set.ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}
