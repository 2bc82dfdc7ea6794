//! The tree as people see it: one nested object per cluster, from what this cluster holds of those below it.

use std::collections::BTreeMap;

use cedge_api::edgecluster::ClusterState;
use cedge_api::exchange::RosterLine;
use cedge_api::{ClusterName, ClusterPath, EdgeCluster};
use kube::ResourceExt as _;
use serde::{Deserialize, Serialize};

use crate::hub::Hub;

/// Nodes of one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodesShown {
    /// All of them.
    pub total: u32,
    /// Those that are ready.
    pub ready: u32,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// Its path from the cluster that was asked.
    pub path: ClusterPath,
    /// Its state.
    pub state: ClusterState,
    /// When that was known, if it is not known now (RFC 3339).
    pub as_of: Option<String>,
    /// `embedded`, `k3s`, `k8s`.
    pub flavor: String,
    /// Version of its Kubernetes API.
    pub version: String,
    /// Its nodes.
    pub nodes: NodesShown,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Why it is not well, if it is heard of and says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What hangs below it.
    pub children: Vec<Shown>,
}

/// The cluster itself and all that is known below it.
pub(crate) fn tree(hub: &Hub) -> Shown {
    let own = hub.own_facts();
    let mut root = Shown {
        name: hub.parts.name.to_string(),
        path: ClusterPath::here(),
        state: if own.healthy {
            ClusterState::Healthy
        } else {
            ClusterState::Unhealthy
        },
        as_of: None,
        flavor: own.flavor,
        version: own.kubernetes_version,
        nodes: NodesShown {
            total: own.nodes.total,
            ready: own.nodes.ready,
        },
        labels: own.labels,
        reason: own.reason,
        children: Vec::new(),
    };
    for object in hub.clusters.list() {
        let Ok(object) = object.decode::<EdgeCluster>() else {
            continue;
        };
        if let Some(child) = child(hub, &object) {
            root.children.push(child);
        }
    }
    root
}

fn child(hub: &Hub, object: &EdgeCluster) -> Option<Shown> {
    let name: ClusterName = object.name_any().parse().ok()?;
    let path = ClusterPath::from(name.clone());
    let status = object.status.clone().unwrap_or_default();
    let held = hub.children.get(name.as_str());
    let connected = held
        .as_ref()
        .is_some_and(crate::hub::ChildState::is_connected);
    let nodes = status.nodes.unwrap_or_default();
    let mut shown = Shown {
        name: name.to_string(),
        path: path.clone(),
        state: status.state.unwrap_or_default(),
        as_of: if connected {
            None
        } else {
            status.last_heard.clone()
        },
        flavor: status.flavor.unwrap_or_default(),
        version: status.kubernetes_version.unwrap_or_default(),
        nodes: NodesShown {
            total: nodes.total,
            ready: nodes.ready,
        },
        labels: object.labels().clone(),
        reason: held
            .as_ref()
            .filter(|c| c.is_connected())
            .and_then(crate::hub::facts_of)
            .and_then(|facts| facts.reason),
        children: Vec::new(),
    };
    let lines = held
        .map(|c| crate::roster::read(&c.roster).0)
        .unwrap_or_default();
    for (below, line) in lines {
        insert(
            &mut shown,
            &path.join(&below),
            &below,
            line,
            connected,
            status.last_heard.as_ref(),
        );
    }
    Some(shown)
}

/// Lines come in the order of their paths, so a parent is there before its children.
fn insert(
    at: &mut Shown,
    path: &ClusterPath,
    below: &ClusterPath,
    line: RosterLine,
    connected: bool,
    heard: Option<&String>,
) {
    let Some((first, rest)) = below.split_first() else {
        return;
    };
    if !rest.is_here() {
        if let Some(next) = at.children.iter_mut().find(|c| c.name == first.as_str()) {
            insert(next, path, &rest, line, connected, heard);
        }
        return;
    }
    at.children.push(Shown {
        name: first.to_string(),
        path: path.clone(),
        state: if connected {
            line.state
        } else {
            ClusterState::Unreachable
        },
        as_of: line
            .as_of
            .or_else(|| if connected { None } else { heard.cloned() }),
        flavor: line.flavor,
        version: line.version,
        nodes: NodesShown {
            total: line.nodes.1,
            ready: line.nodes.0,
        },
        labels: line.labels.unwrap_or_default(),
        reason: line.reason.filter(|_| connected),
        children: Vec::new(),
    });
}
