//! `cargo xtask ci`: what CI checks besides the tests of `cargo test --workspace`; runs on a laptop too.

use std::fs;
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

/// Suites that skip without a real Kubernetes.
const BESIDE: &[&str] = &["exchanges", "oracle", "scripts"];

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
    // With the tests, as they were built: alone it would be built of crates with fewer features, all anew.
    let binary = ["build", "--workspace", "--tests", "--bin", "cedge"];
    step("binary", Command::new("cargo").args(binary))?;
    suites(
        "e2e",
        &suites_of("e2e")?,
        &["--test-threads=1", "--nocapture"],
    )?;
    let hard = suites_of("robustness")?;
    suites("hard times", &hard, &["--test-threads=1", "--nocapture"])?;
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
    let beside: Vec<String> = BESIDE.iter().map(ToString::to_string).collect();
    suites("beside the real one", &beside, &[])?;
    let mut theirs = Command::new("cargo");
    theirs.args(["test", "--workspace", "--test", "oracle"]);
    theirs.env("CEDGE_TEST_API", "ours");
    theirs.env("CEDGE_TEST_CONTROLLERS", "theirs");
    theirs.env("CEDGE_TEST_SCHEDULER", "theirs");
    step("their programs on our API", &mut theirs)
}

/// Runs suites by their names. Of the whole workspace: of one package alone, everything would be built once more, with
/// the features that this package asks for.
fn suites(name: &str, suites: &[String], arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["test", "--workspace", "--no-fail-fast"]);
    for suite in suites {
        command.args(["--test", suite]);
    }
    command.arg("--").args(arguments).env("CEDGE_E2E", "1");
    step(name, &mut command)
}

/// The names of a crate's suites: a file or a folder each.
fn suites_of(folder: &str) -> Result<Vec<String>> {
    let folder = format!("crates/{folder}/tests");
    let entries = fs::read_dir(&folder).with_context(|| folder.clone())?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(path.file_stem().and_then(|n| n.to_str()).map(str::to_owned));
    }
    names.sort();
    ensure!(!names.is_empty(), "no suites in {folder}");
    Ok(names)
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
