//! From the name of a service to one of its endpoints.

use std::net::{IpAddr, SocketAddr};

use cedge_kinds::read::Read;
use rand::seq::IndexedRandom as _;
use serde_json::Value;

use crate::api::Api;
use crate::selector::{Filter, LabelSelector};

/// Where a service leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    Address(SocketAddr),
    /// An external name, and the port.
    Name(String, u16),
}

/// Why a service leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unresolved {
    /// There is no such service.
    #[error("service {0:?} not found")]
    NotFound(String),
    /// It does not have that port.
    #[error("no service port {1} found for service {0:?}")]
    NoPort(String, u16),
    /// Nothing stands behind it now.
    #[error("no endpoints available for service {0:?}")]
    NoEndpoints(String),
}

/// One of the ready endpoints of a service.
pub(super) fn resolve(
    api: &Api,
    namespace: &str,
    name: &str,
    port: u16,
) -> Result<Way, Unresolved> {
    let service = api
        .cache
        .kind("", "services")
        .get(&format!("{namespace}/{name}"));
    let service = service.and_then(|s| s.value().ok());
    let service = service.ok_or_else(|| Unresolved::NotFound(name.to_owned()))?;
    let spec = service.field("spec");
    if spec.text("type") == "ExternalName" {
        return Ok(Way::Name(spec.text("externalName").to_owned(), port));
    }
    let mut ports = spec.items("ports").iter();
    let wanted = ports
        .find(|p| p.int("port") == Some(i64::from(port)))
        .ok_or_else(|| Unresolved::NoPort(name.to_owned(), port))?;
    let endpoints = endpoints(api, namespace, name, wanted.text("name"));
    let chosen = endpoints.choose(&mut rand::rng());
    chosen
        .map(|address| Way::Address(*address))
        .ok_or_else(|| Unresolved::NoEndpoints(name.to_owned()))
}

/// The ready endpoints of a port of a service: by its slices, or by its older Endpoints object.
fn endpoints(api: &Api, namespace: &str, name: &str, port: &str) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for slice in slices(api, namespace, name) {
        let ready = |e: &&Value| e.at("conditions.ready").as_bool().unwrap_or(true);
        let ready = slice.items("endpoints").iter().filter(ready);
        let addresses = ready.filter_map(|e| e.items("addresses").first()?.as_str());
        found.extend(at_port(addresses, slice.items("ports"), port));
    }
    if found.is_empty() {
        let old = api
            .cache
            .kind("", "endpoints")
            .get(&format!("{namespace}/{name}"));
        let old = old.and_then(|o| o.value().ok()).unwrap_or_default();
        for subset in old.items("subsets") {
            let addresses = subset.items("addresses").iter().map(|a| a.text("ip"));
            found.extend(at_port(addresses, subset.items("ports"), port));
        }
    }
    found
}

/// The EndpointSlices of a service.
pub(crate) fn slices(api: &Api, namespace: &str, name: &str) -> Vec<Value> {
    let filter = Filter {
        namespace: namespace.to_owned(),
        labels: LabelSelector::label("kubernetes.io/service-name", name),
        ..Filter::default()
    };
    let kind = api.cache.kind("discovery.k8s.io", "endpointslices");
    let found = kind.list(&filter, None, 0, 0).objects;
    found
        .iter()
        .filter_map(|slice| slice.value().ok())
        .collect()
}

fn at_port<'a>(
    addresses: impl Iterator<Item = &'a str>,
    ports: &[Value],
    name: &str,
) -> Vec<SocketAddr> {
    let port = ports.iter().find(|p| p.text("name") == name);
    let port = port.and_then(|p| u16::try_from(p.int("port")?).ok());
    let Some(port) = port else { return Vec::new() };
    let addresses = addresses.filter_map(|a| a.parse::<IpAddr>().ok());
    addresses.map(|ip| SocketAddr::new(ip, port)).collect()
}
