//! One target under libFuzzer: `CEDGE_FUZZ_TARGET` names it; with `CEDGE_FUZZ_SEEDS` it only writes its seeds there.

#![no_main]

use std::sync::OnceLock;

use cedge_fuzz::{TARGETS, Target, named};

static TARGET: OnceLock<&'static Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("CEDGE_FUZZ_TARGET").unwrap_or_default();
        let names: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
        let target = named(&name).unwrap_or_else(|| panic!("CEDGE_FUZZ_TARGET is one of {names:?}"));
        if let Some(folder) = std::env::var_os("CEDGE_FUZZ_SEEDS") {
            for (number, seed) in (target.seeds)().into_iter().enumerate() {
                let path = std::path::Path::new(&folder).join(format!("seed-{number}"));
                std::fs::write(path, seed).expect("the seeds are written");
            }
        }
        TARGET.get_or_init(|| target);
    },
    |data: &[u8]| {
        let target = TARGET.get().expect("set before the first input");
        (target.run)(data);
    }
);
