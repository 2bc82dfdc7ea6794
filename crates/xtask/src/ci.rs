//! `cargo xtask ci`: what CI checks besides the tests of `cargo test --workspace`; runs on a laptop too.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tidy;

/// What tests may do and nothing else.
const OF_TESTS: &[&str] = &[
    "clippy::unwrap_used",
    "clippy::unused_async",
    "clippy::panic",
    "clippy::needless_pass_by_value",
    "clippy::too_many_lines",
    "clippy::semicolon_if_nothing_returned",
    "clippy::large_futures",
    "unreachable_pub",
    "missing_debug_implementations",
];

/// Packages and their suites that skip without a real Kubernetes.
const BESIDE: &[(&str, &str)] = &[
    ("cedge-side-by-side", "exchanges"),
    ("cedge-controllers", "oracle"),
    ("cedge-scheduler", "oracle"),
];

/// A crate's own page may point at its private modules: it is written for those who open them.
const DOC_FLAGS: &str = "-D warnings -A rustdoc::private_intra_doc_links";

/// Runs everything; the first failure ends it.
pub(crate) fn run() -> Result<()> {
    step(
        "format",
        Command::new("cargo").args(["fmt", "--all", "--check"]),
    )?;
    tidy::run()?;
    let strict = ["clippy", "--workspace", "--quiet", "--", "-D", "warnings"];
    step("lints", Command::new("cargo").args(strict))?;
    // Helpers of integration tests are tests as well, which clippy's own exceptions for tests do not see.
    let mut tests = vec![
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ];
    for lint in OF_TESTS {
        tests.extend(["-A", lint]);
    }
    step("lints of tests", Command::new("cargo").args(tests))?;
    let doc = ["doc", "--workspace", "--no-deps", "--quiet"];
    step(
        "docs",
        Command::new("cargo")
            .args(doc)
            .env("RUSTDOCFLAGS", DOC_FLAGS),
    )?;
    step(
        "binary",
        Command::new("cargo").args(["build", "-p", "cedge"]),
    )?;
    let e2e = [
        "test",
        "-p",
        "cedge-e2e",
        "--",
        "--test-threads=1",
        "--nocapture",
    ];
    step("e2e", Command::new("cargo").args(e2e).env("CEDGE_E2E", "1"))?;
    let hard = [
        "test",
        "-p",
        "cedge-robustness",
        "--",
        "--test-threads=1",
        "--nocapture",
    ];
    step(
        "hard times",
        Command::new("cargo").args(hard).env("CEDGE_E2E", "1"),
    )?;
    beside_the_real_one()
}

/// The suites that want a real Kubernetes.
fn beside_the_real_one() -> Result<()> {
    if std::env::var_os("KUBEBUILDER_ASSETS").is_none() {
        say(
            "beside the real one skipped: KUBEBUILDER_ASSETS is not set; cargo xtask oracle builds what it names",
        );
        return Ok(());
    }
    for (package, suite) in BESIDE {
        let suite = ["test", "-p", package, "--test", suite];
        step(package, Command::new("cargo").args(suite))?;
    }
    Ok(())
}

fn step(name: &str, command: &mut Command) -> Result<()> {
    say(&format!("== {name}"));
    let status = command
        .status()
        .with_context(|| format!("{name}: {command:?}"))?;
    ensure!(status.success(), "{name} failed ({status})");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a chore that people and CI watch")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}
