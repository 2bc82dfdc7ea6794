//! What store, pods and tree add to `/metrics` of the API port (Prometheus' text format; docs/configuration.md lists it).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError};

use cedge_apiserver::SharedRegistry;
use cedge_informer::Cache;
use cedge_store::Store;
use cedge_tree::Tree;
use k8s_openapi::api::core::v1::Pod;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Looks when somebody asks: nothing is counted twice, nothing costs while nobody looks.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) store: Store,
    pub(super) pods: Option<Cache>,
    pub(super) tree: Arc<OnceLock<Tree>>,
}

impl Metrics {
    /// Puts them beside the API's own.
    pub(super) fn register(self, registry: &SharedRegistry) {
        let mut registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(self));
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut out = Out(encoder);
        store(&mut out, &self.store)?;
        if let Some(cache) = &self.pods {
            pods(&mut out, cache)?;
        }
        match self.tree.get() {
            Some(tree) => below_and_above(&mut out, tree),
            None => Ok(()),
        }
    }
}

fn store(out: &mut Out<'_>, store: &Store) -> Result<(), fmt::Error> {
    let stats = store.stats();
    out.count(
        "cedge_store_transactions",
        "Transactions that changed something",
        stats.transactions,
    )?;
    out.count(
        "cedge_store_conflicts",
        "Transactions refused because a key was not as expected",
        stats.conflicts,
    )?;
    out.count(
        "cedge_store_commits",
        "Commits that were synced to the disk",
        stats.commits_durable,
    )?;
    out.count(
        "cedge_store_commits_failed",
        "Commits that the disk refused",
        stats.commits_failed,
    )?;
    out.count(
        "cedge_store_commit_microseconds",
        "Time spent in commits",
        stats.commit_micros,
    )?;
    out.count(
        "cedge_store_written_bytes",
        "Keys and values written",
        stats.bytes_written,
    )?;
    out.gauge(
        "cedge_store_watchers",
        "Watchers of the store",
        stats.watchers,
    )?;
    out.count(
        "cedge_store_watchers_lagged",
        "Watchers ended because they fell behind",
        stats.lagged,
    )
}

fn pods(out: &mut Out<'_>, cache: &Cache) -> Result<(), fmt::Error> {
    let mut phases: BTreeMap<String, u64> = BTreeMap::new();
    for object in cache.list() {
        let phase = object
            .decode::<Pod>()
            .ok()
            .and_then(|pod| pod.status?.phase);
        *phases
            .entry(phase.unwrap_or_else(|| "Unknown".to_owned()))
            .or_default() += 1;
    }
    out.labelled(
        "cedge_pods",
        "Pods of this cluster by phase",
        "phase",
        &phases,
    )
}

fn below_and_above(out: &mut Out<'_>, tree: &Tree) -> Result<(), fmt::Error> {
    let children = tree.link_counters();
    out.gauge(
        "cedge_links",
        "Live links of children and nodes",
        u64::from(children.live),
    )?;
    out.gauge(
        "cedge_link_received_bytes",
        "Bytes received over the links that are live",
        children.bytes_in,
    )?;
    out.gauge(
        "cedge_link_sent_bytes",
        "Bytes sent over the links that are live",
        children.bytes_out,
    )?;
    if let Some(uplink) = tree.uplink_counters() {
        out.count(
            "cedge_uplink_connects",
            "How often the uplink came up",
            uplink.connects,
        )?;
        out.gauge(
            "cedge_uplink_connected",
            "Whether the uplink is up",
            u64::from(uplink.live),
        )?;
        out.gauge(
            "cedge_uplink_received_bytes",
            "Bytes received over the uplink since it came up",
            uplink.bytes_in,
        )?;
        out.gauge(
            "cedge_uplink_sent_bytes",
            "Bytes sent over the uplink since it came up",
            uplink.bytes_out,
        )?;
    }
    let counts = tree.propagation().counts();
    out.gauge(
        "cedge_missions_received",
        "Missions that came from the parent",
        u64::from(counts.received),
    )?;
    let states: BTreeMap<String, u64> = counts
        .states
        .iter()
        .map(|(state, count)| (format!("{state:?}"), u64::from(*count)))
        .collect();
    out.labelled(
        "cedge_missions",
        "Missions of this cluster by their state here",
        "state",
        &states,
    )
}

/// Where metrics are written.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn count(&mut self, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
        let one = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(one)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
        let one = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        gauge_of(value).encode(one)
    }

    /// One gauge for each value of a label.
    fn labelled(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: &BTreeMap<String, u64>,
    ) -> Result<(), fmt::Error> {
        let mut all = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (value, count) in values {
            let labels = [(label, value.as_str())];
            gauge_of(*count).encode(all.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// The format's gauges are signed.
fn gauge_of(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}
