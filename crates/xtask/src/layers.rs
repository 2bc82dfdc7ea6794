//! The arrows between crates point up this list: a crate uses only crates of earlier levels, or of its own level where
//! a reason is written here.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

const LEVELS: &[(&str, &[&str])] = &[
    ("words", &["api", "wire"]),
    (
        "decisions",
        &[
            "placement",
            "fold",
            "sync",
            "pod-lifecycle",
            "schema",
            "merge",
            "kinds",
            "crd",
            "policy",
            "rbac",
            "discovery",
        ],
    ),
    (
        "tools",
        &[
            "tasks", "dbfile", "pki", "serving", "spdy", "store", "informer", "link",
        ],
    ),
    (
        "workers",
        &[
            "apiserver",
            "controllers",
            "scheduler",
            "runtime",
            "agent",
            "propagation",
            "tree",
        ],
    ),
    ("programs", &["cedge"]),
    (
        "proof",
        &[
            "testkit",
            "sim",
            "e2e",
            "side-by-side",
            "robustness",
            "fuzz",
            "benches",
            "xtask",
        ],
    ),
];

/// Arrows within a level, and why they are there.
const WITHIN: &[(&str, &str, &str)] = &[
    (
        "side-by-side",
        "e2e",
        "our server is started as the end-to-end tests start it",
    ),
    (
        "robustness",
        "e2e",
        "our server is started, and killed, as the end-to-end tests do it",
    ),
    (
        "merge",
        "schema",
        "list keys and topologies come from the type table",
    ),
    (
        "kinds",
        "schema",
        "defaults and validation walk the type table",
    ),
    (
        "crd",
        "schema",
        "a structural schema becomes the same type graph",
    ),
    (
        "crd",
        "kinds",
        "field errors, printer columns and quantities are the same for custom kinds",
    ),
    (
        "policy",
        "crd",
        "admission policies run the same expressions, with the same budget",
    ),
    (
        "policy",
        "kinds",
        "field errors and formats are the same for admission objects",
    ),
    (
        "discovery",
        "schema",
        "OpenAPI is printed from the type table",
    ),
    ("discovery", "kinds", "discovery lists the kinds"),
    ("pki", "tasks", "the clock"),
    ("serving", "tasks", "every tool spawns through tasks"),
    ("spdy", "tasks", "every tool spawns through tasks"),
    ("serving", "pki", "certificates become identities"),
    ("store", "tasks", "every tool spawns through tasks"),
    (
        "store",
        "dbfile",
        "a store is a file that is whole or not there",
    ),
    ("link", "dbfile", "so are the tables of links"),
    ("informer", "tasks", "every tool spawns through tasks"),
    ("link", "tasks", "every tool spawns through tasks"),
    ("link", "pki", "TLS with pinned identities"),
    ("agent", "runtime", "the agent runs containers through it"),
    (
        "tree",
        "propagation",
        "the tree hands its tables to the Missions",
    ),
];

/// Checks every crate's dependencies on other crates of ours (development dependencies may point anywhere).
pub(crate) fn check(root: &Path) -> Result<()> {
    let level: BTreeMap<&str, usize> = LEVELS
        .iter()
        .enumerate()
        .flat_map(|(i, (_, names))| names.iter().map(move |n| (*n, i)))
        .collect();
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))? {
        let dir = entry?.path();
        let name = dir
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default()
            .to_owned();
        let Some(own) = level.get(name.as_str()) else {
            wrong.push(format!(
                "crate {name} stands in no level; write it into xtask/src/layers.rs"
            ));
            continue;
        };
        let manifest = std::fs::read_to_string(dir.join("Cargo.toml"))
            .with_context(|| format!("crate {name}"))?;
        for used in used(&manifest) {
            let Some(theirs) = level.get(used.as_str()) else {
                continue;
            };
            let reasoned = WITHIN.iter().any(|(a, b, _)| *a == name && *b == used);
            if theirs > own || (theirs == own && !reasoned) {
                wrong.push(format!(
                    "{name} uses {used}: {} may not use {}",
                    LEVELS[*own].0, LEVELS[*theirs].0
                ));
            }
        }
    }
    if !wrong.is_empty() {
        bail!("arrows between crates:\n  {}", wrong.join("\n  "));
    }
    Ok(())
}

/// Crates of ours in the section `[dependencies]`.
fn used(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim() == "[dependencies]";
        } else if inside && let Some(rest) = line.strip_prefix("cedge-") {
            found.push(
                rest.split(['.', ' ', '='])
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
    }
    found
}
