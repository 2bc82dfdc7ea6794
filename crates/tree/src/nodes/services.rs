//! What pods learn of services by their environment: the services of their namespace, and where the API is.
//!
//! Native processes stand in the host's network, where the address of a service leads nowhere. So that clients inside of
//! pods find the API, they are told the endpoint behind the service `kubernetes` in place of the service's own address.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Caches;

/// What every key of a namespace's services begins with.
pub(super) const FOLDER: &str = "services/";
/// The key of the API's own address.
pub(super) const API: &str = "api";
/// How long the address of the API is believed.
const BELIEVED: Duration = Duration::from_secs(5 * 60);

/// The address of the API. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct ApiAddress(Arc<Mutex<Option<(Instant, Value)>>>);

// === impl ApiAddress ===

impl ApiAddress {
    /// `{"host": …, "port": …}`; the last one known while the API does not answer.
    async fn get(&self, client: &Client) -> Option<Value> {
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((at, address)) = &known
            && at.elapsed() < BELIEVED
        {
            return Some(address.clone());
        }
        let api: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
        let slice = api.get_opt("kubernetes").await;
        let found = slice.ok().flatten().and_then(|s| address_in(&s));
        let Some(found) = found else {
            return known.map(|(_, address)| address);
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((Instant::now(), found.clone()));
        Some(found)
    }
}

fn address_in(slice: &EndpointSlice) -> Option<Value> {
    let endpoint = slice.endpoints.iter().flatten().next()?;
    let host = endpoint.addresses.first()?;
    let port = slice.ports.iter().flatten().find_map(|p| p.port)?;
    Some(json!({"host": host, "port": port}))
}

/// Namespaces of pods that want to know of services.
pub(super) fn of_pod(pod: &Value, namespace: &str, out: &mut BTreeSet<String>) {
    if pod["spec"]["enableServiceLinks"] != false {
        out.insert(namespace.to_owned());
    }
}

/// Adds what pods learn to what is handed over.
pub(super) async fn add(
    client: &Client,
    address: &ApiAddress,
    caches: &Caches,
    namespaces: BTreeSet<String>,
    objects: &mut BTreeMap<String, Bytes>,
) {
    let mut put = |key: String, value: &Value| {
        objects.insert(key, value.to_string().into());
    };
    if let Some(address) = address.get(client).await {
        put(API.to_owned(), &address);
    }
    for namespace in namespaces {
        let services = caches.services.namespace(&namespace);
        let shown: Vec<Value> = services
            .iter()
            .filter_map(|s| shown(&s.value().ok()?))
            .collect();
        if !shown.is_empty() {
            put(format!("{FOLDER}{namespace}"), &json!(shown));
        }
    }
}

/// A service with an address of its own.
fn shown(service: &Value) -> Option<Value> {
    let spec = &service["spec"];
    let ip = spec["clusterIP"]
        .as_str()
        .filter(|ip| !matches!(*ip, "" | "None"))?;
    let ports = spec["ports"].as_array()?.iter();
    let ports: Vec<Value> = ports
        .map(|p| json!({"name": p["name"], "port": p["port"], "protocol": p["protocol"]}))
        .collect();
    Some(json!({"name": service["metadata"]["name"], "ip": ip, "ports": ports}))
}
