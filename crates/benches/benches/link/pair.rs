//! A parent, a child cluster and a child node, with a relay on either link.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use cedge_benches::api::{Connection, Lines, text_after};
use cedge_benches::relay::Relay;
use cedge_benches::site::{Running, Site};
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

pub(crate) const MISSIONS: &str = "/apis/edge.centaurus.io/v1alpha1/missions";
/// How long a change may take to arrive before the bench gives up.
const LIMIT: Duration = Duration::from_secs(60);
/// What stands in the content before the word that a round writes.
const MARK: &[u8] = b"\"said\":\"";
/// Everything is written and answered when a link was quiet for so long.
const QUIET: Duration = Duration::from_secs(3);

/// The processes. The relays come first, so that what dials them ends before them.
pub(crate) struct Pair {
    pub(crate) cluster_wire: Relay,
    pub(crate) node_wire: Relay,
    pub(crate) parent_api: Connection,
    /// The Missions at the child.
    arrivals: Lines,
    _agent: Running,
    _child: Site,
    _parent: Site,
}

impl Pair {
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let mut parent = Site::new(folder, "parent", &[])?;
        parent.start().await?;
        let cluster_wire = Relay::to(parent.hub()).await?;
        let node_wire = Relay::to(parent.hub()).await?;
        let mut child = Site::new(folder, "child", &[])?;
        child.start_below(&parent, cluster_wire.address()).await?;
        let token = parent.token(node_wire.address()).await?;
        let agent = Running::agent(&folder.join("agent"), "agent", &token)?;
        let listed = |object: Option<&Value>| object.is_some();
        let known = "/apis/edge.centaurus.io/v1alpha1/edgeclusters/child";
        parent.until(known, listed).await?;
        parent.until("/api/v1/nodes/agent", listed).await?;
        let mut child_api = child.connect().await?;
        Ok(Self {
            cluster_wire,
            node_wire,
            parent_api: parent.connect().await?,
            arrivals: child_api.watch(&format!("{MISSIONS}?watch=1")).await?,
            _agent: agent,
            _child: child,
            _parent: parent,
        })
    }

    /// So many Missions for the child, each with one small object; returns when the link is quiet again.
    pub(crate) async fn write(&mut self, count: usize) -> Result<()> {
        for number in 0..count {
            let mission = json!({
                "apiVersion": "edge.centaurus.io/v1alpha1", "kind": "Mission",
                "metadata": { "name": format!("mission-{number}") },
                "spec": { "placement": { "clusters": ["child"] }, "content": content(number, "begin") },
            });
            let body = Bytes::from(mission.to_string());
            self.parent_api.must(Method::POST, MISSIONS, body).await?;
        }
        self.arrived("begin", count).await?;
        self.cluster_wire.quiet(QUIET).await;
        Ok(())
    }

    /// Changes the first so many at the parent.
    pub(crate) async fn change(&mut self, count: usize, word: &str) -> Result<()> {
        for number in 0..count {
            let path = format!("{MISSIONS}/mission-{number}");
            let patch = json!({ "spec": { "content": content(number, word) } });
            let body = Bytes::from(patch.to_string());
            self.parent_api.must(Method::PATCH, &path, body).await?;
        }
        Ok(())
    }

    /// When so many Missions with this word had come to the child.
    pub(crate) async fn arrived(&mut self, word: &str, count: usize) -> Result<Instant> {
        let mut names = std::collections::BTreeSet::new();
        while names.len() < count {
            let next = timeout(LIMIT, self.arrivals.next()).await;
            let line = next.with_context(|| format!("{} of {count} came", names.len()))??;
            let line = line.context("the watch ended")?;
            if text_after(&line, MARK) == Some(word)
                && let Some(name) = text_after(&line, b"\"name\":\"mission-")
            {
                names.insert(name.to_owned());
            }
        }
        Ok(Instant::now())
    }
}

fn content(number: usize, word: &str) -> Value {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("map-{number}") },
        "data": { "said": word, "filler": "x".repeat(500) },
    });
    json!({ "manifests": [map] })
}
