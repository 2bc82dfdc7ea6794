//! What is counted, by route and never by raw path.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::cache::Cache;
use crate::config::SharedRegistry;

/// A kind of request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Route {
    pub(crate) verb: &'static str,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    verb: &'static str,
    group: String,
    resource: String,
    subresource: String,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    group: String,
    resource: String,
}

type Seconds = Family<Route, Histogram, fn() -> Histogram>;

/// The metrics of the API server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: SharedRegistry,
    requests: Family<Answered, Counter>,
    seconds: Seconds,
    pub(crate) in_flight: gauge::Gauge,
    pub(crate) watchers: Watchers,
    objects: Family<Kind, gauge::Gauge>,
    bytes: Family<Kind, gauge::Gauge>,
    revision: gauge::Gauge<u64, AtomicU64>,
}

/// Watches that are open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watchers(Family<Kind, gauge::Gauge>);

/// One up while it lives.
#[derive(Debug)]
pub(crate) struct Gauge(gauge::Gauge);

// === impl Metrics ===

impl Metrics {
    pub(crate) fn new(registry: SharedRegistry) -> Arc<Self> {
        let metrics = Self {
            registry,
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.0005, 3.0, 11))
            }),
            in_flight: gauge::Gauge::default(),
            watchers: Watchers::default(),
            objects: Family::default(),
            bytes: Family::default(),
            revision: gauge::Gauge::default(),
        };
        let mut r = metrics
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        r.register(
            "apiserver_request",
            "Requests answered",
            metrics.requests.clone(),
        );
        r.register(
            "apiserver_request_duration_seconds",
            "Time to answer, watches and other streams excepted",
            metrics.seconds.clone(),
        );
        r.register(
            "apiserver_current_inflight_requests",
            "Requests being worked on",
            metrics.in_flight.clone(),
        );
        r.register(
            "apiserver_registered_watchers",
            "Open watches",
            metrics.watchers.0.clone(),
        );
        r.register(
            "apiserver_storage_objects",
            "Stored objects",
            metrics.objects.clone(),
        );
        r.register(
            "apiserver_cache_bytes",
            "Bytes that the cached objects take",
            metrics.bytes.clone(),
        );
        r.register(
            "apiserver_cache_revision",
            "Revision of the store that the cache has reached",
            metrics.revision.clone(),
        );
        drop(r);
        Arc::new(metrics)
    }

    pub(crate) fn answered(&self, route: &Route, code: u16, took: Option<Duration>) {
        let answered = Answered {
            verb: route.verb,
            group: route.group.clone(),
            resource: route.resource.clone(),
            subresource: route.subresource.clone(),
            code,
        };
        self.requests.get_or_create(&answered).inc();
        if let Some(took) = took {
            self.seconds
                .get_or_create(route)
                .observe(took.as_secs_f64());
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self, cache: &Cache) -> String {
        self.revision.set(cache.revision());
        for kind in cache.all() {
            let (group, resource) = kind.name().split_once('/').unwrap_or(("", kind.name()));
            let labels = Kind {
                group: group.to_owned(),
                resource: resource.to_owned(),
            };
            let (objects, bytes) = kind.size();
            let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
            self.objects.get_or_create(&labels).set(number(objects));
            self.bytes.get_or_create(&labels).set(number(bytes));
        }
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = encode(&mut text, &registry) {
            tracing::error!(%error, "metrics cannot be written");
        }
        text
    }
}

// === impl Watchers ===

impl Watchers {
    pub(crate) fn count(&self, group: &str, resource: &str) -> Gauge {
        let kind = Kind {
            group: group.to_owned(),
            resource: resource.to_owned(),
        };
        Gauge::up(&self.0.get_or_create(&kind))
    }
}

// === impl Gauge ===

impl Gauge {
    pub(crate) fn up(gauge: &gauge::Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.0.dec();
    }
}
