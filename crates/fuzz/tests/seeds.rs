//! Every target takes its seeds, and what becomes of them when they are mutilated. `cargo xtask fuzz` looks further.

use cedge_fuzz::TARGETS;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Mutations of all seeds of a target.
const MUTATIONS: usize = 2000;

#[test]
fn no_parser_falls_over_its_seeds_or_what_is_near_them() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        for seed in &seeds {
            (target.run)(seed);
        }
        let mut rng = StdRng::seed_from_u64(4);
        for _ in 0..MUTATIONS {
            let mut input = seeds[rng.random_range(0..seeds.len())].clone();
            for _ in 0..rng.random_range(1..6) {
                mutilate(&mut input, &mut rng);
            }
            (target.run)(&input);
        }
    }
}

fn mutilate(input: &mut Vec<u8>, rng: &mut StdRng) {
    let at = rng.random_range(0..=input.len());
    match rng.random_range(0..5) {
        0 if at < input.len() => input[at] = rng.random(),
        1 => input.insert(at, b"\"{}[],:0-.*'()"[rng.random_range(0..14)]),
        2 if at < input.len() => {
            input.remove(at);
        }
        3 => input.truncate(at),
        _ => {
            let part = input[at.saturating_sub(rng.random_range(0..16))..at].to_vec();
            input.splice(at..at, part);
        }
    }
}
