//! When a Mission passed which station, as watches of each cluster tell.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cedge_benches::api::Lines;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::chain::{Chain, NAMES};
use crate::{LIMIT, MISSIONS};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const PODS: &str = "/api/v1/namespaces/default/pods";

/// What is seen of the walk, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Station {
    Accepted,
    AtB,
    AtC,
    AtD,
    Deployed,
    Expanded,
    Bound,
    Running,
    Observed,
    HealthyAtD,
    HealthyAtC,
    HealthyAtB,
    HealthyAtA,
}

/// All of them.
pub(crate) const STATIONS: [Station; 13] = [
    Station::Accepted,
    Station::AtB,
    Station::AtC,
    Station::AtD,
    Station::Deployed,
    Station::Expanded,
    Station::Bound,
    Station::Running,
    Station::Observed,
    Station::HealthyAtD,
    Station::HealthyAtC,
    Station::HealthyAtB,
    Station::HealthyAtA,
];

/// The times of one Mission.
#[derive(Debug)]
pub(crate) struct Walk {
    begun: Instant,
    marks: [Option<Instant>; STATIONS.len()],
}

/// Watches of all clusters, on one channel.
pub(crate) struct Watchers {
    seen: mpsc::Receiver<Seen>,
}

/// A change, and where and when it was seen.
struct Seen {
    layer: usize,
    at: Instant,
    event: Value,
}

// === impl Station ===

impl Station {
    /// For the table.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::Accepted => "A acknowledges the write",
            Self::AtB => "the Mission is at B",
            Self::AtC => "the Mission is at C",
            Self::AtD => "the Mission is at D",
            Self::Deployed => "the Deployment is at D",
            Self::Expanded => "the Pod is at D",
            Self::Bound => "the Pod is bound",
            Self::Running => "the process runs",
            Self::Observed => "the Pod says Running",
            Self::HealthyAtD => "D says Healthy",
            Self::HealthyAtC => "C says Healthy",
            Self::HealthyAtB => "B says Healthy",
            Self::HealthyAtA => "A says Healthy",
        }
    }
}

// === impl Walk ===

impl Walk {
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            marks: [None; STATIONS.len()],
        }
    }

    /// The first time counts.
    pub(crate) fn mark(&mut self, station: Station, at: Instant) {
        self.marks[station as usize].get_or_insert(at);
    }

    pub(crate) fn since_begin(&self, station: Station) -> Duration {
        self.between(None, station)
    }

    /// Zero where the later one was seen first.
    pub(crate) fn between(&self, from: Option<Station>, to: Station) -> Duration {
        let from = from.and_then(|s| self.marks[s as usize]);
        let to = self.marks[to as usize];
        to.unwrap_or(self.begun)
            .saturating_duration_since(from.unwrap_or(self.begun))
    }

    fn is_whole(&self) -> bool {
        self.marks.iter().all(Option::is_some)
    }
}

// === impl Watchers ===

impl Watchers {
    pub(crate) async fn start(chain: &Chain) -> Result<Self> {
        let (tell, seen) = mpsc::channel(1024);
        for (layer, site) in chain.sites.iter().enumerate() {
            let mut api = site.connect().await?;
            let mut paths = vec![MISSIONS];
            if layer + 1 == NAMES.len() {
                paths.extend([DEPLOYMENTS, PODS]);
            }
            for path in paths {
                let lines = api.watch(&format!("{path}?watch=1")).await?;
                cedge_tasks::spawn("bench/watch", watch(layer, lines, tell.clone()));
            }
        }
        Ok(Self { seen })
    }

    /// Marks what is seen of a Mission, until all is.
    pub(crate) async fn follow(&mut self, name: &str, walk: &mut Walk) -> Result<()> {
        while !walk.is_whole() {
            let missing = || {
                let missing = STATIONS.iter().find(|s| walk.marks[**s as usize].is_none());
                format!("{name}: not so: {missing:?}")
            };
            let next = timeout(LIMIT, self.seen.recv()).await;
            let seen = next.with_context(missing)?.context("all watches ended")?;
            if seen.is_of(name) {
                seen.mark(walk);
            }
        }
        Ok(())
    }
}

async fn watch(layer: usize, mut lines: Lines, tell: mpsc::Sender<Seen>) -> Result<()> {
    while let Some(line) = lines.next().await? {
        let at = Instant::now();
        let event = serde_json::from_slice(&line)?;
        let seen = Seen { layer, at, event };
        if tell.send(seen).await.is_err() {
            return Ok(());
        }
    }
    bail!("a watch ended")
}

// === impl Seen ===

impl Seen {
    fn text(&self, pointer: &str) -> &str {
        let found = self.event.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default()
    }

    /// Missions of others bear a mark of their origin behind the name, pods one of their own.
    fn is_of(&self, name: &str) -> bool {
        let full = self.text("/object/metadata/name");
        let rest = full.strip_prefix(name);
        rest.is_some_and(|r| r.is_empty() || r.starts_with(['.', '-']))
    }

    fn mark(&self, walk: &mut Walk) {
        if self.event["type"] == "DELETED" {
            return;
        }
        let mut mark = |station| walk.mark(station, self.at);
        match self.text("/object/kind") {
            "Deployment" => mark(Station::Deployed),
            "Pod" => {
                mark(Station::Expanded);
                if !self.text("/object/spec/nodeName").is_empty() {
                    mark(Station::Bound);
                }
                if self.text("/object/status/phase") == "Running" {
                    mark(Station::Observed);
                }
            }
            _ => self.mark_mission(&mut mark),
        }
    }

    fn mark_mission(&self, mark: &mut impl FnMut(Station)) {
        let (here, healthy) = match self.layer {
            0 => (Station::Accepted, Station::HealthyAtA),
            1 => (Station::AtB, Station::HealthyAtB),
            2 => (Station::AtC, Station::HealthyAtC),
            _ => (Station::AtD, Station::HealthyAtD),
        };
        mark(here);
        let below = self.event.pointer("/object/status/subtree/states/Healthy");
        if below.and_then(Value::as_u64) == Some(1) {
            mark(healthy);
        }
    }
}
