//! Deletion is the same walk: the Mission leaves the handover with a tombstone, each cluster takes back what it
//! deployed, reports *gone*, and the finalizer falls. There is no second path.

use cedge_api::Mission;
use cedge_api::mission::{Deletion, InventoryEntry};

use crate::accept::Accepted;
use crate::deploy::{apply, order};
use crate::topology::Topology;
use crate::walk::{Error, Walk};

/// How far a withdrawal is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Objects that are still there.
    pub(crate) left: Vec<InventoryEntry>,
    /// What stood in the way.
    pub(crate) problems: Vec<apply::Error>,
}

impl Progress {
    pub(crate) fn is_done(&self) -> bool {
        self.left.is_empty()
    }
}

/// Takes back objects, the last applied first; a stage waits for the one before it.
pub(crate) async fn take_back(
    walk: &Walk,
    mission: &str,
    mut entries: Vec<InventoryEntry>,
    orphan: bool,
) -> Progress {
    order::for_withdrawal(&mut entries);
    let mut progress = Progress::default();
    let mut stage = None;
    for entry in entries {
        let this = order::stage(&entry.kind);
        if !progress.left.is_empty() && stage.is_some_and(|s| s != this) {
            progress.left.push(entry);
            continue;
        }
        stage = Some(this);
        let gone = apply::withdraw(
            &walk.client,
            &walk.catalog,
            &walk.observed,
            &entry,
            mission,
            orphan,
        )
        .await;
        match gone {
            Ok(true) => {}
            Ok(false) => progress.left.push(entry),
            Err(problem) => {
                progress.left.push(entry);
                progress.problems.push(problem);
            }
        }
    }
    progress
}

/// Whether what a Mission deployed stays when it goes.
pub(crate) fn orphans(mission: &Mission) -> bool {
    mission.spec.deletion == Deletion::Orphan
}

/// Children that have not yet said that the Mission is gone: their tombstone is not acknowledged, or they still
/// report it. A tombstone is made where there is none yet.
pub(crate) async fn from_children(
    accepted: &Accepted,
    topology: &Topology,
) -> Result<Vec<cedge_api::ClusterName>, Error> {
    let key = accepted.key.to_string();
    let mut awaited = Vec::new();
    for (name, child) in &topology.children {
        if child.missions.get(&key).is_some() {
            child.missions.remove(&key).await?;
        }
        if !child.missions.acked(&key) || child.reports.get(&key).is_some() {
            awaited.push(name.clone());
        }
    }
    Ok(awaited)
}
