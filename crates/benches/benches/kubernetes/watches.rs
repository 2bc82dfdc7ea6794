//! From a write to each of many watchers.

use std::time::Duration;

use anyhow::{Context as _, Result};
use cedge_benches::process::Memory;
use cedge_benches::{Samples, clients, millis, table};

use crate::Plan;
use crate::sides::Sides;

const WATCHERS: [usize; 4] = [1, 100, 1_000, 10_000];
/// Between two writes: what ten thousand watchers are told takes its time.
const BEAT: Duration = Duration::from_millis(500);

pub(crate) async fn compare(sides: &Sides, plan: &Plan) -> Result<()> {
    let both = sides.both()?;
    let mut all = table(&[
        "watchers",
        "side",
        "events delivered",
        "p50 ms",
        "p99 ms",
        "most ms",
    ]);
    for watchers in WATCHERS.into_iter().filter(|w| *w <= plan.watchers) {
        let mut ages = [Samples::default(), Samples::default()];
        for _ in 0..plan.rounds {
            for (side, ages) in both.iter().zip(&mut ages) {
                let told = clients::watches(&side.target, watchers, plan.length, BEAT).await;
                ages.extend(told.with_context(|| format!("{}: {watchers} watchers", side.name))?);
            }
        }
        for (side, mut ages) in both.iter().zip(ages) {
            all.add_row([
                watchers.to_string(),
                side.name.to_owned(),
                ages.len().to_string(),
                millis(ages.percentile(50)),
                millis(ages.percentile(99)),
                millis(ages.percentile(100)),
            ]);
        }
    }
    println!("From a write to each watcher, one write every {BEAT:?}\n\n{all}\n");
    for side in &both {
        let private: Result<u64> = side
            .processes
            .iter()
            .map(|(_, id)| Ok(Memory::of(*id)?.private))
            .sum();
        println!("{}: {} MiB private afterwards", side.name, private? / 1024);
    }
    println!();
    Ok(())
}
