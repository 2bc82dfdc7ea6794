//! `cargo xtask fuzz SECONDS [TARGET …]`: every parser (or those named) under libFuzzer, so long each, one after another.
//!
//! Coverage comes from LLVM's own pass, which the stable compiler has. There is no sanitizer: what is looked for are
//! panics, loops and memory without bound. What was reached is kept in `target/fuzz/TARGET`, and inputs that fail beside it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::ci::say;

const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// One input may take this long, in seconds, on a machine that does something else as well.
const TIMEOUT: u32 = 20;
/// And the process this much memory.
const MEMORY_MB: u32 = 2048;
/// Longer inputs find what these find, and slower.
const LENGTH_MAX: u32 = 8192;
/// Where the fuzzer is built: everything in it has flags of its own.
const BUILD: &str = "target/fuzz/build";
/// Where the targets are written down.
const TARGETS: &str = "crates/fuzz/src/targets.rs";

/// Builds the fuzzer, and runs the targets.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let seconds: u32 = match args.first() {
        Some(seconds) => seconds.parse().context("SECONDS is a number")?,
        None => 60,
    };
    let names = match args.get(1..) {
        Some(names) if !names.is_empty() => names.to_vec(),
        _ => all()?,
    };
    let host = host()?;
    let flags = [
        "build",
        "-p",
        "cedge-fuzz",
        "--bin",
        "fuzz",
        "--features",
        "libfuzzer",
        "--profile",
        "fuzz",
    ];
    // With a target named, scripts of the build itself are not instrumented.
    let built = Command::new("cargo")
        .args(flags)
        .args(["--target", &host, "--target-dir", BUILD])
        .env("RUSTFLAGS", COVERAGE)
        .status()?;
    ensure!(built.success(), "the fuzzer cannot be built");
    let program = Path::new(BUILD).join(&host).join("fuzz/fuzz");
    let failed: Vec<&String> = names
        .iter()
        .filter(|name| !fuzz(&program, name, seconds).unwrap_or(false))
        .collect();
    ensure!(
        failed.is_empty(),
        "found something in {failed:?}; see target/fuzz"
    );
    Ok(())
}

/// One target; whether nothing was found.
fn fuzz(program: &Path, name: &str, seconds: u32) -> Result<bool> {
    say(&format!("== {name}, {seconds} s"));
    let corpus = Path::new("target/fuzz").join(name);
    std::fs::create_dir_all(&corpus)?;
    let status = Command::new(program)
        .arg(&corpus)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={TIMEOUT}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB}"))
        .arg(format!("-max_len={LENGTH_MAX}"))
        .arg(format!("-artifact_prefix=target/fuzz/{name}-"))
        .args(["-print_final_stats=1", "-verbosity=0"])
        .env("CEDGE_FUZZ_TARGET", name)
        .env("CEDGE_FUZZ_SEEDS", &corpus)
        .status()
        .with_context(|| format!("the fuzzer with {name}"))?;
    Ok(status.success())
}

/// The names in the table of targets.
fn all() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(TARGETS).context(TARGETS)?;
    let names = text.lines().filter_map(|line| {
        let rest = line.trim().strip_prefix("target(\"")?;
        Some(rest.split('"').next()?.to_owned())
    });
    let names: Vec<String> = names.collect();
    ensure!(!names.is_empty(), "{TARGETS} names no targets");
    Ok(names)
}

fn host() -> Result<String> {
    let said = Command::new("rustc").arg("-vV").output()?;
    let said = String::from_utf8(said.stdout)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names the host")?.to_owned())
}
