//! Which server is behind `…/proxy`: of a node, a pod, or one of a service's ready endpoints.

use std::net::IpAddr;
use std::sync::Arc;

use cedge_kinds::read::Read;
use cedge_pki::NODE_AUTHORITY;
use rand::seq::IndexedRandom as _;
use serde_json::Value;

use super::failed;
use super::stream::{self, PodOnNode, Stream, Target};
use crate::api::Api;
use crate::call::Call;
use crate::config::ConnectError;
use crate::meta;
use crate::outbound::slices;
use crate::status::{Error, Result};
use crate::subresource::dial;

/// Where a kubelet is that does not say so.
const KUBELET_PORT: &str = "10250";

/// The server behind.
pub(super) struct Place {
    /// Its host and port.
    pub(super) authority: String,
    way: Way,
}

enum Way {
    /// A port of an address.
    Port(Target),
    /// The HTTP server of a node, at its port.
    Node(String),
    /// The same, through its link.
    Linked(Stream),
}

/// What a path names: `name`, `name:port` or `scheme:name:port`.
#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    tls: bool,
    name: &'a str,
    /// May be empty; need not be a number.
    port: &'a str,
}

/// # Errors
/// There is none, or none that may be asked; the error says why.
pub(super) async fn find(api: &Arc<Api>, call: &Call) -> Result<Place> {
    let id = &call.request.name;
    let kind = call.resource.plural.trim_end_matches('s');
    let invalid = || Error::BadRequest(format!("invalid {kind} request {id:?}"));
    let named = Named::read(id).ok_or_else(invalid)?;
    match call.resource.plural.as_str() {
        "nodes" => node(api, call, &named).await,
        "pods" => pod(api, call, &named).await,
        _ => service(api, call, &named).await,
    }
}

// === impl Place ===

impl Place {
    /// # Errors
    /// Why there is no stream, in Go's words.
    pub(super) async fn open(self, api: &Arc<Api>) -> Result<Stream, String> {
        match self.way {
            Way::Port(target) => target.open(api).await,
            Way::Linked(stream) => Ok(stream),
            Way::Node(node) => dial::dial(api, &node)
                .await
                .map_err(|e| stream::words(&e, &self.authority)),
        }
    }
}

impl From<Target> for Place {
    fn from(target: Target) -> Self {
        Self {
            authority: target.authority(),
            way: Way::Port(target),
        }
    }
}

// === impl Named ===

impl<'a> Named<'a> {
    fn read(id: &'a str) -> Option<Self> {
        let parts: Vec<&str> = id.split(':').collect();
        let (scheme, name, port) = match parts.as_slice() {
            [name] => ("", *name, ""),
            [name, port] => ("", *name, *port),
            [scheme, name, port] => (*scheme, *name, *port),
            _ => return None,
        };
        let known = ["", "http", "https"].contains(&scheme) && !name.is_empty();
        known.then_some(Self {
            tls: scheme == "https",
            name,
            port,
        })
    }

    fn target(&self, host: &str, port: &str, pod: Option<PodOnNode>) -> Target {
        let usual = if self.tls { "443" } else { "80" };
        Target {
            host: host.to_owned(),
            port: if port.is_empty() { usual } else { port }.to_owned(),
            tls: self.tls,
            pod,
        }
    }
}

async fn node(api: &Arc<Api>, call: &Call, named: &Named<'_>) -> Result<Place> {
    let name = named.name;
    let node = api.read("", "nodes", name).await?;
    let node = node.ok_or_else(|| Error::NotFound(call.resource.about(name)))?;
    let said = node.at("status.daemonEndpoints.kubeletEndpoint.Port");
    let said = said.as_u64().filter(|port| *port > 0);
    let own_port = said.map_or_else(|| KUBELET_PORT.to_owned(), |port| port.to_string());
    let is_own = named.port.is_empty() || named.port == own_port;
    if is_own {
        match api.config.node_connector.connect(name).await {
            Ok(stream) => {
                return Ok(Place {
                    authority: stream::authority(name, &own_port),
                    way: Way::Linked(stream),
                });
            }
            Err(ConnectError::NotConnected(_)) => {}
            Err(error) => {
                let why = stream::words(&error, name);
                return Err(Error::Unavailable(format!(
                    "error trying to reach service: {why}"
                )));
            }
        }
    }
    let host = dial::preferred(&node).ok_or_else(|| no_address(&node))?;
    // One of our agents at the port of its hub proves who it is, wherever that is.
    let proves = is_own && node["metadata"]["annotations"][NODE_AUTHORITY].is_string();
    if !proves {
        host_allowed(host).await?;
    }
    if is_own {
        return Ok(Place {
            authority: stream::authority(host, &own_port),
            way: Way::Node(name.to_owned()),
        });
    }
    Ok(named.target(host, named.port, None).into())
}

fn no_address(node: &Value) -> Error {
    let known = node.at("status.addresses");
    let known = known.as_array().into_iter().flatten();
    let known: Vec<String> = known
        .map(|a| format!("{{{} {}}}", a.text("type"), a.text("address")))
        .collect();
    failed(format!(
        "no preferred addresses found; known addresses: [{}]",
        known.join(" ")
    ))
}

async fn pod(api: &Arc<Api>, call: &Call, named: &Named<'_>) -> Result<Place> {
    let path = call.resource.path(&call.request.namespace, named.name);
    let pod = api.read("", "pods", &path).await?;
    let pod = pod.ok_or_else(|| Error::NotFound(call.resource.about(named.name)))?;
    let containers = pod.at("spec.containers").as_array().into_iter().flatten();
    let mut declared = containers.filter_map(|c| c.items("ports").first()?.int("containerPort"));
    let port = match named.port {
        "" => declared.next().map(|port| port.to_string()),
        port => Some(port.to_owned()),
    };
    let ip = address_of(&pod);
    ip_allowed(ip)?;
    Ok(named
        .target(ip, &port.unwrap_or_default(), on_node(&pod))
        .into())
}

fn address_of(pod: &Value) -> &str {
    let first = pod
        .at("status.podIPs")
        .as_array()
        .and_then(|ips| ips.first());
    match first.map(|ip| ip.text("ip")) {
        Some(ip) if !ip.is_empty() => ip,
        _ => pod["status"]["podIP"].as_str().unwrap_or_default(),
    }
}

fn on_node(pod: &Value) -> Option<PodOnNode> {
    let node = pod["spec"]["nodeName"].as_str().filter(|n| !n.is_empty())?;
    Some(PodOnNode {
        node: node.to_owned(),
        namespace: meta::namespace(pod).to_owned(),
        name: meta::name(pod).to_owned(),
    })
}

async fn service(api: &Arc<Api>, call: &Call, named: &Named<'_>) -> Result<Place> {
    let (namespace, name) = (call.request.namespace.as_str(), named.name);
    api.cache.fresh().await?;
    let port = match named.port.parse::<i64>() {
        Ok(number) => port_name(call, name, number)?,
        Err(_) => named.port.to_owned(),
    };
    let none = || Error::Unavailable(format!("no endpoints available for service {name:?}"));
    let mut found = endpoints(api, namespace, name, &port);
    if found.iter().any(|(ip, ..)| !ip.contains(':')) {
        found.retain(|(ip, ..)| !ip.contains(':'));
    }
    let (ip, port, pod) = found.choose(&mut rand::rng()).ok_or_else(none)?;
    Ok(named.target(ip, port, on_node(pod)).into())
}

/// The name of a service's port with this number.
fn port_name(call: &Call, name: &str, number: i64) -> Result<String> {
    let path = call.resource.path(&call.request.namespace, name);
    let service = call.resource.cache.get(&path);
    let service = service.ok_or_else(|| Error::NotFound(call.resource.about(name)))?;
    let service = service.value()?;
    let mut ports = service.at("spec.ports").as_array().into_iter().flatten();
    let port = ports.find(|p| p.int("port") == Some(number));
    let missing = || {
        Error::Unavailable(format!(
            "no service port {number} found for service {name:?}"
        ))
    };
    Ok(port.ok_or_else(missing)?.text("name").to_owned())
}

/// Address and port of the ready endpoints that are pods, with these: nobody leads us elsewhere by a slice.
fn endpoints(api: &Api, namespace: &str, name: &str, port: &str) -> Vec<(String, String, Value)> {
    let pods = api.cache.kind("", "pods");
    let mut found = Vec::new();
    for slice in slices(api, namespace, name) {
        let mut ports = slice.items("ports").iter();
        let port = ports.find(|p| p.text("name") == port && p.int("port").is_some());
        let Some(port) = port.and_then(|p| p.int("port")) else {
            continue;
        };
        for endpoint in slice.items("endpoints") {
            let ready = endpoint.at("conditions.ready").as_bool().unwrap_or(true);
            let target = endpoint.field("targetRef");
            if !ready || target.text("namespace") != namespace {
                continue;
            }
            let pod = pods.get(&format!("{namespace}/{}", target.text("name")));
            let Some(pod) = pod.and_then(|p| p.value().ok()) else {
                continue;
            };
            let ip = endpoint.items("addresses").first();
            let ip = ip.and_then(Value::as_str).unwrap_or_default();
            let ips = pod.at("status.podIPs").as_array().into_iter().flatten();
            if ips.map(|own| own.text("ip")).any(|own| own == ip) {
                found.push((ip.to_owned(), port.to_string(), pod));
            }
        }
    }
    found
}

/// Nobody asks this machine itself through us, nor what serves machines at addresses of their own network.
fn ip_allowed(ip: &str) -> Result<()> {
    let ip = ip.parse::<IpAddr>().ok().filter(is_global);
    ip.map(|_| ()).ok_or_else(not_allowed)
}

async fn host_allowed(host: &str) -> Result<()> {
    let found = tokio::net::lookup_host((host, 0)).await;
    let found = found.map_err(|_| Error::BadRequest(format!("lookup {host}: no such host")))?;
    let mut found = found.peekable();
    if found.peek().is_none() {
        return Err(Error::BadRequest("no addresses for hostname".into()));
    }
    if found.all(|address| is_global(&address.ip())) {
        return Ok(());
    }
    Err(not_allowed())
}

fn not_allowed() -> Error {
    Error::BadRequest("address not allowed".into())
}

/// Whether an address is of one machine, and means the same one everywhere in its network.
fn is_global(ip: &IpAddr) -> bool {
    let ip = ip.to_canonical();
    let local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(local || ip.is_unspecified() || ip.is_loopback() || ip.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_a_scheme_and_a_port() {
        let named = |tls, name, port| Some(Named { tls, name, port });
        for (id, expected) in [
            ("p", named(false, "p", "")),
            ("p:80", named(false, "p", "80")),
            ("p:web", named(false, "p", "web")),
            ("http:p:80", named(false, "p", "80")),
            ("https:p:", named(true, "p", "")),
            (":80", None),
            ("ftp:p:80", None),
            ("a:b:c:d", None),
        ] {
            assert_eq!(Named::read(id), expected, "{id}");
        }
    }

    #[test]
    fn addresses_of_this_machine_alone_are_not_asked() {
        for ip in [
            "",
            "x",
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "::",
            "169.254.169.254",
            "fe80::1",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "::ffff:127.0.0.1",
        ] {
            assert!(ip_allowed(ip).is_err(), "{ip}");
        }
        for ip in [
            "10.0.0.1",
            "192.168.1.1",
            "8.8.8.8",
            "fd00::1",
            "2001:db8::1",
        ] {
            assert!(ip_allowed(ip).is_ok(), "{ip}");
        }
    }
}
