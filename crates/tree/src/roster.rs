//! The roster: one line a descendant, up to a bound (I5), so that the tree can be shown and Missions routed while
//! links are cut.

use std::collections::BTreeMap;

use cedge_api::ClusterPath;
use cedge_api::edgecluster::{ClusterState, SubtreeCounts};
use cedge_api::exchange::{ClusterFacts, ROSTER_CUT_KEY, ROSTER_MAX, RosterLine, roster_key};
use cedge_link::Reader;
use cedge_placement::{Labels, Roster, RosterEntry};

use crate::hub::ChildState;

/// What a child said of the clusters below it: lines by path below the child, and whether nothing was cut off.
pub(crate) fn read(table: &Reader) -> (BTreeMap<ClusterPath, RosterLine>, bool) {
    let mut lines = BTreeMap::new();
    let mut complete = true;
    for item in table.iter() {
        if item.key == ROSTER_CUT_KEY {
            complete = false;
            continue;
        }
        let line = table
            .get(&item.key)
            .ok()
            .flatten()
            .and_then(|v| serde_json::from_slice(&v).ok());
        if let (Ok(path), Some(line)) = (item.key.parse(), line) {
            lines.insert(path, line);
        }
    }
    (lines, complete)
}

/// The clusters at and below a child, as placements see them. `labels` are those of its `EdgeCluster`.
pub(crate) fn for_placement(child: &ChildState, labels: &Labels) -> Roster {
    let (lines, complete) = read(&child.roster);
    let own = RosterEntry {
        path: ClusterPath::here(),
        labels: Some(labels.clone()),
        leaf: lines.is_empty() && complete,
    };
    let below = lines.into_iter().map(|(path, line)| RosterEntry {
        path,
        labels: line.labels,
        leaf: line.leaf,
    });
    Roster {
        entries: std::iter::once(own).chain(below).collect(),
        complete,
    }
}

/// Counters over everything below a child. While its link is down all of it is unreachable.
pub(crate) fn subtree(table: &Reader, connected: bool) -> SubtreeCounts {
    let (lines, _) = read(table);
    let mut counts = SubtreeCounts::default();
    for (path, line) in &lines {
        counts.clusters += 1;
        counts.nodes += line.nodes.1;
        counts.depth = counts
            .depth
            .max(u32::try_from(path.names().len()).unwrap_or(u32::MAX));
        match if connected {
            line.state
        } else {
            ClusterState::Unreachable
        } {
            ClusterState::Healthy | ClusterState::Cordoned => counts.healthy += 1,
            ClusterState::Unreachable => counts.unreachable += 1,
            ClusterState::Unhealthy | ClusterState::Pending => counts.unhealthy += 1,
        }
    }
    counts
}

/// One line as counters.
pub(crate) fn count(line: &RosterLine) -> SubtreeCounts {
    let mut counts = SubtreeCounts {
        clusters: 1,
        nodes: line.nodes.1,
        ..SubtreeCounts::default()
    };
    match line.state {
        ClusterState::Healthy | ClusterState::Cordoned => counts.healthy = 1,
        ClusterState::Unreachable => counts.unreachable = 1,
        ClusterState::Unhealthy | ClusterState::Pending => counts.unhealthy = 1,
    }
    counts
}

/// A child's own line, for the parent's parent.
pub(crate) fn own_line(
    child: &ChildState,
    state: ClusterState,
    labels: &Labels,
    facts: Option<&ClusterFacts>,
    leaf: bool,
) -> RosterLine {
    RosterLine {
        id: child.id.clone(),
        state,
        as_of: if child.is_connected() {
            None
        } else {
            child.last_heard.clone()
        },
        labels: Some(labels.clone()),
        leaf,
        flavor: facts.map(|f| f.flavor.clone()).unwrap_or_default(),
        version: facts
            .map(|f| f.kubernetes_version.clone())
            .unwrap_or_default(),
        nodes: facts
            .map(|f| (f.nodes.ready, f.nodes.total))
            .unwrap_or_default(),
        reason: facts.and_then(|f| why(f.reason.as_deref()?)),
    }
}

/// Signs of a reason that a line carries: enough to tell an API that is down from nodes that are, and no more, as lines
/// are kept at every ancestor (I5).
const REASON_MAX: usize = 64;

fn why(reason: &str) -> Option<String> {
    let first = reason.split(':').next().unwrap_or_default();
    Some(first.chars().take(REASON_MAX).collect::<String>()).filter(|words| !words.is_empty())
}

/// All lines that this cluster sends up: each child's own, and the child's lines below its name. Beyond the bound
/// they are cut, and the table says so.
pub(crate) fn upward(children: &[(ChildState, RosterLine)]) -> BTreeMap<String, Vec<u8>> {
    let mut out: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut cut = false;
    for (child, own) in children {
        let (below, complete) = read(&child.roster);
        cut |= !complete;
        let connected = child.is_connected();
        let lines = std::iter::once((ClusterPath::here(), own.clone())).chain(below);
        for (path, mut line) in lines {
            if out.len() >= ROSTER_MAX {
                cut = true;
                break;
            }
            if !connected && line.state != ClusterState::Pending {
                line.state = ClusterState::Unreachable;
                line.as_of = line.as_of.or_else(|| child.last_heard.clone());
                line.reason = None;
            }
            let value = serde_json::to_vec(&line).unwrap_or_default();
            out.insert(roster_key(Some(&child.name), &path), value);
        }
    }
    if cut {
        out.insert(ROSTER_CUT_KEY.to_owned(), b"{}".to_vec());
    }
    out
}
