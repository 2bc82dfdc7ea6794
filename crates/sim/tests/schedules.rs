//! Ten thousand histories, each from one number. `CEDGE_SIM_SEED=N cargo test -p cedge-sim` replays one;
//! `CEDGE_SIM_SCHEDULES=N` runs that many, `CEDGE_SIM_FIRST=N` from another first seed.

use cedge_sim::{Schedule, run};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn ten_thousand_schedules_keep_the_invariants_and_converge() {
    let only = number("CEDGE_SIM_SEED");
    let first = only.or(number("CEDGE_SIM_FIRST")).unwrap_or(1);
    let count = if only.is_some() {
        1
    } else {
        number("CEDGE_SIM_SCHEDULES").unwrap_or(10_000)
    };
    let workers = if only.is_some() { 1 } else { 2 };
    let broken: Vec<(u64, String)> = std::thread::scope(|scope| {
        let run_some = |worker: u64| {
            let seeds = (first..first + count).filter(move |seed| seed % workers == worker);
            seeds
                .filter_map(|seed| Some((seed, run(Schedule::of(seed)).err()?)))
                .collect()
        };
        let threads: Vec<_> = (0..workers)
            .map(|worker| scope.spawn(move || -> Vec<_> { run_some(worker) }))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let shown: Vec<String> = broken
        .iter()
        .take(5)
        .map(|(seed, why)| format!("CEDGE_SIM_SEED={seed} cargo test -p cedge-sim: {why}"))
        .collect();
    assert!(
        broken.is_empty(),
        "{} of {count} schedules broke:\n{}",
        broken.len(),
        shown.join("\n")
    );
}
