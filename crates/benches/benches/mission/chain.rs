//! A ← B ← C ← D.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use cedge_benches::api::Connection;
use cedge_benches::site::Site;
use serde_json::Value;

use crate::MISSIONS;

/// The names, from the root to the leaf.
pub(crate) const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// How long a tree that is up may settle: identities and counters still go up then.
const SETTLE: Duration = Duration::from_secs(10);

/// The clusters, each a process.
pub(crate) struct Chain {
    pub(crate) sites: Vec<Site>,
    pub(crate) root_api: Connection,
}

impl Chain {
    /// Starts all, each below the one before; returns when the root counts all that are below it as healthy.
    pub(crate) async fn grow(folder: &Path) -> Result<Self> {
        let mut sites: Vec<Site> = Vec::new();
        for name in NAMES {
            let mut site = Site::new(folder, name, &[])?;
            match sites.last() {
                Some(parent) => site.start_below(parent, parent.hub()).await?,
                None => site.start().await?,
            }
            sites.push(site);
        }
        let root = sites.first().context("a chain has a root")?;
        let child = "/apis/edge.centaurus.io/v1alpha1/edgeclusters/b";
        let all_healthy = |b: Option<&Value>| {
            let healthy = b.and_then(|b| b.pointer("/status/subtree/healthy"));
            healthy.and_then(Value::as_u64) == Some(2)
        };
        root.until(child, all_healthy).await?;
        tokio::time::sleep(SETTLE).await;
        let root_api = root.connect().await?;
        Ok(Self { sites, root_api })
    }

    /// The Missions at every cluster without their content: what does not go is found in there.
    pub(crate) async fn holds(&self) -> String {
        let mut held = String::new();
        for site in &self.sites {
            let found = match site.connect().await {
                Ok(mut api) => api.get(MISSIONS).await,
                Err(error) => Err(error),
            };
            let mut list = found.ok().flatten().unwrap_or_default();
            for mission in list["items"].as_array_mut().into_iter().flatten() {
                mission["spec"]["content"] = Value::Null;
                mission["metadata"]["managedFields"] = Value::Null;
                let _ = writeln!(held, "{}: {mission}", site.name);
            }
        }
        held
    }
}
