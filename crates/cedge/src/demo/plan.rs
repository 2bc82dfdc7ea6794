//! Which clusters the demo has, and which ports they have on this machine; kept, so that a later start finds them.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// One cluster of the demo.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Planned {
    pub(super) name: String,
    /// Path from the root; the root's is `.`.
    pub(super) path: String,
    /// Path of the parent; none for the root.
    pub(super) parent: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) api_port: u16,
    pub(super) hub_port: u16,
    /// Where the relay to the parent's hub listens.
    pub(super) relay_port: u16,
}

type Cluster = (
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static [(&'static str, &'static str)],
);

/// Parents come before their children.
const CLUSTERS: &[Cluster] = &[
    ("root", ".", None, &[("tier", "cloud")]),
    (
        "europe",
        "europe",
        Some("."),
        &[("tier", "region"), ("region", "europe")],
    ),
    (
        "asia",
        "asia",
        Some("."),
        &[("tier", "region"), ("region", "asia")],
    ),
    (
        "plant-7",
        "europe/plant-7",
        Some("europe"),
        &[("tier", "site"), ("region", "europe"), ("site", "plant-7")],
    ),
    (
        "plant-9",
        "europe/plant-9",
        Some("europe"),
        &[("tier", "site"), ("region", "europe"), ("site", "plant-9")],
    ),
    (
        "line-2",
        "europe/plant-7/line-2",
        Some("europe/plant-7"),
        &[("tier", "line"), ("region", "europe"), ("site", "plant-7")],
    ),
];

/// The plan of this folder: the one that was made, or a new one on free ports.
pub(super) fn load(dir: &Path) -> anyhow::Result<Vec<Planned>> {
    let file = dir.join("demo.json");
    if let Some(bytes) = cedge_pki::files::read(&file)? {
        let damaged = || {
            format!(
                "{} is damaged; remove the folder to begin anew",
                file.display()
            )
        };
        return serde_json::from_slice(&bytes).with_context(damaged);
    }
    let plan = new()?;
    cedge_pki::files::write_private(&file, &serde_json::to_vec_pretty(&plan)?)?;
    Ok(plan)
}

fn new() -> anyhow::Result<Vec<Planned>> {
    // All are held until all are known, so that no port is given out twice.
    let mut held = Vec::new();
    let mut port = || -> anyhow::Result<u16> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no free port on loopback")?;
        let port = listener.local_addr()?.port();
        held.push(listener);
        Ok(port)
    };
    let mut plan = Vec::new();
    for (name, path, parent, labels) in CLUSTERS {
        plan.push(Planned {
            name: (*name).to_owned(),
            path: (*path).to_owned(),
            parent: parent.map(str::to_owned),
            labels: labels
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            api_port: port()?,
            hub_port: port()?,
            relay_port: port()?,
        });
    }
    Ok(plan)
}
