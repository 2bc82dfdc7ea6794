//! Proof: what it costs, measured beside a peer in the same run and printed as ratios.
//!
//! What it is: the words of a measurement, the processes that are measured ([`site`]), and the peers ([`etcd`], [`kubernetes`], [`disk`]);
//! the measurements are the crate's benches (`cargo bench -p cedge-benches --bench NAME`).
//! No bench asserts a time: machines differ, and neighbours on a machine even more.
#![warn(missing_docs)]

pub mod api;
pub mod beacon;
pub mod clients;
pub mod disk;
pub mod etcd;
pub mod kubernetes;
pub mod load;
pub mod machine;
pub mod process;
pub mod relay;
pub mod site;

use std::fmt;
use std::time::Duration;

use comfy_table::Table;

/// Times of one kind of operation.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<Duration>);

/// Figures of the same thing from several rounds.
#[derive(Debug, Clone, Default)]
pub struct Rounds(Vec<f64>);

// === impl Samples ===

impl Samples {
    /// Adds one.
    pub fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// Adds all of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time that this share of them stays within; zero if there are none.
    #[must_use]
    pub fn percentile(&mut self, percent: usize) -> Duration {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        self.0
            .get(last * percent / 100)
            .copied()
            .unwrap_or_default()
    }
}

// === impl Rounds ===

impl Rounds {
    /// Adds the figure of a round.
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
        self.0.sort_by(f64::total_cmp);
    }

    /// The middle one; zero if there are none.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(0.0)
    }

    /// This in relation to a peer: `None` where the ranges of both overlap, so that nothing can be said.
    #[must_use]
    pub fn against(&self, peer: &Self) -> Option<f64> {
        let (low, high) = self.range()?;
        let (peer_low, peer_high) = peer.range()?;
        let apart = low > peer_high || high < peer_low;
        apart.then(|| self.median() / peer.median())
    }

    fn range(&self) -> Option<(f64, f64)> {
        Some((*self.0.first()?, *self.0.last()?))
    }
}

impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.range() {
            Some((low, high)) => {
                let digits = f.precision().unwrap_or(0);
                let median = self.median();
                write!(f, "{median:.digits$} ({low:.digits$}–{high:.digits$})")
            }
            None => f.write_str("–"),
        }
    }
}

/// A ratio for a table.
#[must_use]
pub fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "≈".to_owned(), |r| format!("{r:.2}×"))
}

/// A time for a table, in milliseconds.
#[must_use]
pub fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

/// A table with a heading.
#[must_use]
pub fn table(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(heading.to_vec());
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_time_that_so_many_stay_within() {
        let mut samples = Samples::default();
        for ms in (1..=100).rev() {
            samples.push(Duration::from_millis(ms));
        }
        assert_eq!(samples.percentile(50), Duration::from_millis(50));
        assert_eq!(samples.percentile(99), Duration::from_millis(99));
    }

    #[test]
    fn rounds_that_overlap_say_nothing() {
        let of = |figures: [f64; 3]| {
            let mut rounds = Rounds::default();
            figures.into_iter().for_each(|f| rounds.push(f));
            rounds
        };
        assert_eq!(
            of([10.0, 12.0, 11.0]).against(&of([11.5, 13.0, 14.0])),
            None
        );
        assert_eq!(
            of([20.0, 22.0, 21.0]).against(&of([7.0, 6.0, 8.0])),
            Some(3.0)
        );
    }
}
