//! `cargo xtask tidy`: what no compiler checks.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::ci::say;
use crate::layers;

/// One TLS stack; no GPL.
const BANNED: &[&str] = &[
    "openssl-sys",
    "openssl",
    "native-tls",
    "aws-lc-sys",
    "aws-lc-rs",
];
/// From this size on a file is asked which second noun moved in.
const LONG: usize = 400;
/// The stations of the walk that are files of their own; each must be named in ARCHITECTURE.md.
const STATIONS: &[&str] = &[
    "accept",
    "route",
    "hand over",
    "receive",
    "deploy",
    "expand",
    "bind",
    "run",
    "observe",
    "summarise",
    "report",
    "merge",
];

/// Runs all checks; tells all that is wrong at once.
pub(crate) fn run() -> Result<()> {
    say("== tidy");
    let root = root()?;
    layers::check(&root)?;
    let mut wrong = Vec::new();
    lints(&root, &mut wrong)?;
    dependencies(&root, &mut wrong)?;
    stations(&root, &mut wrong)?;
    files(&root.join("crates"), &mut wrong)?;
    if !wrong.is_empty() {
        bail!("tidy:\n  {}", wrong.join("\n  "));
    }
    Ok(())
}

fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here
        .ancestors()
        .nth(2)
        .context("the repository's root")?
        .to_owned())
}

/// Every crate follows the workspace's lints.
fn lints(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(root.join("crates"))? {
        let manifest = entry?.path().join("Cargo.toml");
        if !std::fs::read_to_string(&manifest)?.contains("[lints]\nworkspace = true") {
            wrong.push(format!(
                "{} does not take the workspace's lints",
                manifest.display()
            ));
        }
    }
    Ok(())
}

fn dependencies(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let lock = std::fs::read_to_string(root.join("Cargo.lock"))?;
    for name in BANNED {
        if lock.lines().any(|l| l == format!("name = \"{name}\"")) {
            wrong.push(format!(
                "{name} is in Cargo.lock: there is one TLS stack, rustls with ring"
            ));
        }
    }
    Ok(())
}

fn stations(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md"))?;
    for station in STATIONS {
        if !text.contains(station) {
            wrong.push(format!(
                "ARCHITECTURE.md does not name the station {station:?}"
            ));
        }
    }
    Ok(())
}

/// Reports long files; refuses `mod.rs`, names that say nothing, and notes to do without an issue.
fn files(dir: &Path, wrong: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default()
            .to_owned();
        if path.is_dir() {
            files(&path, wrong)?;
            continue;
        }
        if path.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        if [
            "mod.rs",
            "util.rs",
            "utils.rs",
            "common.rs",
            "helper.rs",
            "helpers.rs",
            "misc.rs",
        ]
        .contains(&name.as_str())
        {
            wrong.push(format!(
                "{}: a file is one noun or one station",
                path.display()
            ));
        }
        let text = std::fs::read_to_string(&path)?;
        let note = concat!("TO", "DO");
        if text
            .lines()
            .any(|l| l.contains(&format!("// {note}")) && !l.contains('#'))
        {
            wrong.push(format!("{}: {note} without an issue", path.display()));
        }
        let lines = text.lines().count();
        if lines > LONG
            && !name.starts_with("tests")
            && !path.components().any(|c| c.as_os_str() == "tests")
        {
            say(&format!("long: {lines} lines in {}", path.display()));
        }
    }
    Ok(())
}
