//! Station 3 of the walk: the hub offers the Mission to the children concerned.
//! Before: `route`. After: `link` carries it; the child's `receive`.
//! Durable: what each child must hold, in its table. Never: removes without a tombstone (I3).

use std::collections::BTreeMap;

use bytes::Bytes;
use cedge_api::exchange::Handover;
use cedge_api::{ClusterName, Mission};

use crate::accept::Accepted;
use crate::ports::PortError;
use crate::topology::{Child, Topology};

/// What was done for the children of one Mission.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Children that were offered something new.
    pub offered: Vec<ClusterName>,
    /// Children that hold, or held, it and have not acknowledged the latest.
    pub awaited: Vec<ClusterName>,
}

/// Makes each child's table say what `wanted` says.
///
/// # Errors
/// If a table refuses; what was done stays, and the same call again goes on. Retry.
///
/// *Cancel safety*: each child is done or not.
pub async fn hand_over(
    mission: &Mission,
    accepted: &Accepted,
    topology: &Topology,
    wanted: &BTreeMap<ClusterName, bool>,
) -> Result<Done, PortError> {
    let key = accepted.key.to_string();
    let mut done = Done::default();
    for (name, child) in &topology.children {
        if !child.paused
            && settle(
                mission,
                accepted,
                name,
                child,
                wanted.get(name) == Some(&true),
            )
            .await?
        {
            done.offered.push(name.clone());
        }
        if !child.missions.acked(&key) {
            done.awaited.push(name.clone());
        }
    }
    Ok(done)
}

/// Makes one child's table right; says whether something new is due to it.
async fn settle(
    mission: &Mission,
    accepted: &Accepted,
    name: &ClusterName,
    child: &Child,
    wanted: bool,
) -> Result<bool, PortError> {
    let key = accepted.key.to_string();
    let held = child.missions.get(&key);
    if !wanted {
        if held.is_some() {
            child.missions.remove(&key).await?;
        }
        return Ok(held.is_some());
    }
    let value = encode(mission, accepted, name);
    if held.as_ref() == Some(&value) {
        return Ok(false);
    }
    child.missions.put(&key, value).await?;
    Ok(true)
}

/// The value for one child; the same Mission gives the same bytes.
#[must_use]
pub fn encode(mission: &Mission, accepted: &Accepted, child: &ClusterName) -> Bytes {
    let handover = Handover {
        name: accepted.name.clone(),
        key: accepted.key.clone(),
        generation: accepted.target.generation,
        path: accepted.path.child(child.clone()),
        spec: mission.spec.clone(),
    };
    serde_json::to_vec(&handover)
        .expect("a Mission that was read as JSON is written as JSON")
        .into()
}
