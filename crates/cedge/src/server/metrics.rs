//! What the tree adds to `/metrics` of the API port.

use cedge_apiserver::SharedRegistry;
use cedge_tree::Tree;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads the tree when somebody asks: nothing is counted twice, nothing costs while nobody looks.
#[derive(Debug)]
struct TreeMetrics(Tree);

impl Collector for TreeMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: f64| {
            let metric = ConstGauge::new(value);
            let one = encoder.encode_descriptor(
                name,
                help,
                None,
                prometheus_client::metrics::MetricType::Gauge,
            )?;
            metric.encode(one)
        };
        let links = self.0.link_counters();
        gauge(
            "cedge_links",
            "Live links of children",
            f64::from(links.live),
        )?;
        #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
        for (name, help, value) in [
            (
                "cedge_link_received_bytes",
                "Bytes received over live links",
                links.bytes_in,
            ),
            (
                "cedge_link_sent_bytes",
                "Bytes sent over live links",
                links.bytes_out,
            ),
            (
                "cedge_uplink_connects",
                "How often the uplink came up",
                self.0.uplink_connects().unwrap_or(0),
            ),
        ] {
            gauge(name, help, value as f64)?;
        }
        let counts = self.0.propagation().counts();
        gauge(
            "cedge_missions",
            "Missions in this cluster",
            f64::from(counts.total),
        )?;
        gauge(
            "cedge_missions_received",
            "Missions that came from the parent",
            f64::from(counts.received),
        )?;
        for (state, count) in counts.states {
            let name = format!("cedge_missions_{}", format!("{state:?}").to_lowercase());
            gauge(&name, "Missions in this state here", f64::from(count))?;
        }
        Ok(())
    }
}

/// Puts the tree's metrics beside the API's.
pub(super) fn tree(registry: &SharedRegistry, tree: &Tree) {
    let mut registry = registry
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    registry.register_collector(Box::new(TreeMetrics(tree.clone())));
}
