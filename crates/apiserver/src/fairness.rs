//! Priority and fairness: whoever asks for more than their share waits behind each other, not in front of others.
//!
//! FlowSchemas say to which level and flow a request belongs, PriorityLevelConfigurations how many requests of a level are
//! worked on at once and how many may wait. A request of a level that has room costs one short lock.

mod level;
mod rules;

pub(crate) use level::Seat;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use cedge_kinds::read::Read;
use cedge_pki::Identity;
use http::{HeaderValue, Response, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use serde_json::Value;

use crate::authz::Attributes;
use crate::config::SharedRegistry;
use crate::meta;
use crate::respond::{self, Body};
use level::{Level, Refused};
use rules::Schema;

/// Requests that are worked on at once, of all levels but the exempt one. What 600 of Kubernetes' are to a big server, this
/// is to one of two threads: enough that none of them is ever idle.
pub(crate) const SEATS: u32 = 600;
/// How long a request waits for a seat, a quarter of what it may take as a whole, as in Kubernetes.
const WAIT_MAX: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rejected {
    flow_schema: String,
    priority_level: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLevel {
    priority_level: String,
}

/// The sharing of the server.
#[derive(Debug, Default)]
pub(crate) struct Fairness {
    known: Mutex<Known>,
    shown: ArcSwap<Shown>,
    rejected: Family<Rejected, Counter>,
    waiting: Family<OfLevel, Gauge>,
    executing: Family<OfLevel, Gauge>,
}

#[derive(Debug, Default)]
struct Known {
    schemas: BTreeMap<String, Value>,
    levels: BTreeMap<String, Value>,
}

#[derive(Debug, Default)]
struct Shown {
    /// In the order in which they are asked.
    schemas: Vec<(Schema, Arc<Level>)>,
    levels: BTreeMap<String, Arc<Level>>,
}

/// Where a request belongs.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    schema: String,
    schema_uid: String,
    level: Arc<Level>,
    flow: u64,
}

// === impl Fairness ===

impl Fairness {
    pub(crate) fn register(&self, registry: &SharedRegistry) {
        let mut registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register(
            "apiserver_flowcontrol_rejected_requests",
            "Requests sent away because their level is full",
            self.rejected.clone(),
        );
        registry.register(
            "apiserver_flowcontrol_current_inqueue_requests",
            "Requests that wait for a seat",
            self.waiting.clone(),
        );
        registry.register(
            "apiserver_flowcontrol_current_executing_seats",
            "Seats that are taken",
            self.executing.clone(),
        );
    }

    /// A schema or level was written or has gone; `kind` is `group/plural`.
    pub(crate) fn changed(&self, kind: &str, object: &Value, deleted: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let map = if kind.ends_with("/flowschemas") {
            &mut known.schemas
        } else {
            &mut known.levels
        };
        let name = meta::name(object).to_owned();
        if deleted {
            map.remove(&name);
        } else {
            let same = |old: &Value| {
                old["spec"] == object["spec"] && old["metadata"]["uid"] == object["metadata"]["uid"]
            };
            // A change of status changes nothing here.
            if map
                .insert(name, object.clone())
                .is_some_and(|old| same(&old))
            {
                return;
            }
        }
        let shown = known.shown(&self.shown.load());
        self.shown.store(Arc::new(shown));
    }

    /// Where a request belongs; `None` while nothing is known.
    pub(crate) fn place(&self, identity: &Identity, asked: &Attributes) -> Option<Place> {
        let shown = self.shown.load();
        let (schema, level) = shown
            .schemas
            .iter()
            .find(|(schema, _)| schema.matches(identity, asked))?;
        let mut hasher = DefaultHasher::new();
        schema.name.hash(&mut hasher);
        match schema.distinguisher.as_str() {
            "ByUser" => identity.user.hash(&mut hasher),
            "ByNamespace" => asked.namespace.hash(&mut hasher),
            _ => {}
        }
        Some(Place {
            schema: schema.name.clone(),
            schema_uid: schema.uid.clone(),
            level: level.clone(),
            flow: hasher.finish(),
        })
    }

    /// A seat for a request, held while it is worked on.
    ///
    /// # Errors
    /// The answer for a request that is sent away.
    pub(crate) async fn enter(&self, place: &Place) -> Result<Seat, Box<Response<Body>>> {
        let reason = match place.level.enter(place.flow, WAIT_MAX).await {
            Ok(seat) => return Ok(seat),
            Err(Refused::NoQueue) => "concurrency-limit",
            Err(Refused::QueueFull) => "queue-full",
            Err(Refused::TimeOut) => "time-out",
        };
        let rejected = Rejected {
            flow_schema: place.schema.clone(),
            priority_level: place.level.name().to_owned(),
            reason,
        };
        self.rejected.get_or_create(&rejected).inc();
        let mut response = respond::bytes(
            StatusCode::TOO_MANY_REQUESTS,
            "text/plain; charset=utf-8",
            "Too many requests, please try again later.\n",
        );
        let headers = response.headers_mut();
        headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
        place.mark(&mut response);
        Err(Box::new(response))
    }

    /// Brings the gauges up to date.
    pub(crate) fn measure(&self) {
        for level in self.shown.load().levels.values() {
            let labels = OfLevel {
                priority_level: level.name().to_owned(),
            };
            let (executing, waiting) = level.counts();
            let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
            self.executing.get_or_create(&labels).set(number(executing));
            self.waiting.get_or_create(&labels).set(number(waiting));
        }
    }
}

// === impl Place ===

impl Place {
    /// Tells the client where its request belonged.
    pub(crate) fn mark(&self, response: &mut Response<Body>) {
        for (name, uid) in [
            ("x-kubernetes-pf-flowschema-uid", self.schema_uid.as_str()),
            ("x-kubernetes-pf-prioritylevel-uid", self.level.uid()),
        ] {
            if let Ok(value) = HeaderValue::from_str(uid) {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

// === impl Known ===

impl Known {
    /// What requests see. Levels that have not changed stay as they are, with those who wait in them.
    fn shown(&self, before: &Shown) -> Shown {
        let shares = |level: &Value| {
            let limited = level.at("spec.limited");
            let given = limited.int("nominalConcurrencyShares");
            given.unwrap_or(30).clamp(0, 1_000_000).unsigned_abs()
        };
        let is_limited = |level: &&Value| level.at("spec.type") == "Limited";
        let all: u64 = self.levels.values().filter(is_limited).map(shares).sum();
        let levels = self.levels.iter().map(|(name, object)| {
            let seats = (u64::from(SEATS) * shares(object)).div_ceil(all.max(1));
            let made = Level::read(object, usize::try_from(seats).unwrap_or(usize::MAX));
            let level = match before.levels.get(name) {
                Some(old) if old.is_like(&made) => old.clone(),
                _ => Arc::new(made),
            };
            (name.clone(), level)
        });
        let levels: BTreeMap<String, Arc<Level>> = levels.collect();
        let mut schemas: Vec<(Schema, Arc<Level>)> = self
            .schemas
            .values()
            .filter_map(|object| {
                let schema = Schema::read(object);
                let level = levels.get(&schema.level)?.clone();
                Some((schema, level))
            })
            .collect();
        schemas.sort_by(|(a, _), (b, _)| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
        Shown { schemas, levels }
    }
}

#[cfg(test)]
mod tests;
