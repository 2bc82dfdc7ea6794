//! A port for each node, where the hub is not in the API server's process: whatever is asked there (logs, exec, attach,
//! port-forward) goes through the link to the node's own server.
//!
//! An API server of any flavor finds a node by the address and the port in its Node, and says no name when it asks: so
//! each node needs a port of its own. As a kubelet does, it wants a certificate of a user of the cluster, and asks the
//! API whether that user may do this.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use cedge_link::StreamKind;
use cedge_pki::{Identity, LiveCredential, NODE_AUTHORITY, Pin, tls};
use cedge_serving::{Connection, Server};
use cedge_tasks::{Group, OnError};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Nodes;
use crate::reach::{self, Answer, refusal};

/// What the ports of nodes are made of.
#[derive(Debug, Clone)]
pub struct PortSettings {
    /// Where they listen; the system chooses each port, the one of last time if it can.
    pub listen: IpAddr,
    /// The host that Nodes show: the API server dials it.
    pub host: String,
    /// What the ports show.
    pub credential: Arc<LiveCredential>,
    /// The authority behind that.
    pub authority: Pin,
    /// The authorities of the cluster's users.
    pub users: Vec<CertificateDer<'static>>,
}

/// The ports. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ports {
    settings: Arc<PortSettings>,
    tls: Arc<ServerConfig>,
    /// A node that comes back under its name finds its port again.
    open: Arc<Mutex<BTreeMap<String, Port>>>,
}

/// The port of one node: known once it is bound.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    settings: Arc<PortSettings>,
    bound: watch::Receiver<Option<u16>>,
}

/// Why a port is not served. Always: retry.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Bind(#[from] cedge_serving::BindError),
    #[error("the port has no address: {0}")]
    Address(#[from] std::io::Error),
}

impl Ports {
    /// `None` if no authority of the cluster's users can be read: then nobody could be let in.
    pub(crate) fn new(settings: PortSettings) -> Option<Self> {
        let tls = tls::node_server(settings.credential.clone(), &settings.users)?;
        Some(Self {
            settings: Arc::new(settings),
            tls,
            open: Arc::default(),
        })
    }

    /// Opens the port of a node, if it is not open. `before` is the port that it had.
    pub(super) fn open(&self, nodes: &Nodes, name: &str, before: u16, tasks: &Group) -> Port {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(port) = open.get(name) {
            return port.clone();
        }
        let (bound, receiver) = watch::channel(None);
        let port = Port {
            settings: self.settings.clone(),
            bound: receiver,
        };
        open.insert(name.to_owned(), port.clone());
        let (this, nodes, name, group) =
            (self.clone(), nodes.clone(), name.to_owned(), tasks.clone());
        let task = format!("node/{name}/port");
        tasks.supervise(task, OnError::Restart, move || {
            let (this, nodes, name) = (this.clone(), nodes.clone(), name.clone());
            let (bound, group) = (bound.clone(), group.clone());
            async move { this.serve(nodes, name, before, bound, group).await }
        });
        port
    }

    async fn serve(
        self,
        nodes: Nodes,
        name: String,
        before: u16,
        bound: watch::Sender<Option<u16>>,
        tasks: Group,
    ) -> Result<(), Error> {
        let at = |port| SocketAddr::new(self.settings.listen, port);
        let listener = match cedge_serving::bind(at(before)).await {
            Err(_) if before != 0 => cedge_serving::bind(at(0)).await?,
            other => other?,
        };
        bound.send_replace(Some(listener.local_addr()?.port()));
        let service = tower::service_fn(move |request: Request<Incoming>| {
            let (nodes, name) = (nodes.clone(), name.clone());
            async move { Ok::<_, Infallible>(answer(&nodes, &name, request).await) }
        });
        Server::new(self.tls, service)
            .serve(listener, tasks.shutdown().clone())
            .await;
        Ok(())
    }
}

impl Port {
    /// The port, once it is bound, and when that changes.
    pub(super) fn bound(&self) -> watch::Receiver<Option<u16>> {
        self.bound.clone()
    }

    /// Writes into a Node who answers for it: the hub's address and the port, in place of its own address, which the
    /// annotation keeps.
    pub(super) fn show(&self, annotations: &mut Value, status: &mut Value) {
        let Some(port) = *self.bound.borrow() else {
            return;
        };
        let own = status["addresses"].as_array().and_then(|all| {
            let ip = all.iter().find(|a| a["type"] == "InternalIP");
            ip.map(|a| a["address"].clone())
        });
        annotations[OWN_ADDRESS] = own.unwrap_or_default();
        annotations[NODE_AUTHORITY] = json!(self.settings.authority.to_string());
        let host = &self.settings.host;
        let kind = match host.parse::<IpAddr>() {
            Ok(_) => "InternalIP",
            Err(_) => "InternalDNS",
        };
        // The host's name as well: an API server with the usual settings dials that first.
        status["addresses"] = json!([
            { "type": kind, "address": host }, { "type": "Hostname", "address": host },
        ]);
        status["daemonEndpoints"] = json!({ "kubeletEndpoint": { "Port": port } });
    }
}

/// Annotation of a Node whose addresses are the hub's: its own address.
const OWN_ADDRESS: &str = "edge.centaurus.io/address";

async fn answer(nodes: &Nodes, name: &str, mut request: Request<Incoming>) -> Answer {
    let connection = request.extensions().get::<Connection>();
    let Some(identity) = connection.and_then(Connection::identity) else {
        let message = "a client certificate is needed";
        return refusal(StatusCode::UNAUTHORIZED, "Unauthorized", message);
    };
    if let Err(answer) = authorize(nodes, &identity, name, &request).await {
        return *answer;
    }
    let unavailable = |message: String| {
        refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            &message,
        )
    };
    let Some(session) = nodes.session_of(name) else {
        return unavailable(format!("node {name} is not connected to its hub"));
    };
    match session.open(StreamKind::Request).await {
        Ok(stream) => {
            reach::undress(request.headers_mut());
            reach::forward(stream, request, nodes.tasks.shutdown()).await
        }
        Err(error) => unavailable(format!("the link to node {name} took no request: {error}")),
    }
}

/// As a kubelet asks: the verb is the method's, the subresource that of the path.
async fn authorize(
    nodes: &Nodes,
    identity: &Identity,
    name: &str,
    request: &Request<Incoming>,
) -> Result<(), Box<Answer>> {
    let verb = match *request.method() {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "get",
    };
    let subresource = subresource(request.uri().path());
    let what = ResourceAttributes {
        version: Some("v1".to_owned()),
        resource: Some("nodes".to_owned()),
        subresource: Some(subresource.to_owned()),
        name: Some(name.to_owned()),
        verb: Some(verb.to_owned()),
        ..ResourceAttributes::default()
    };
    let user = &identity.user;
    let text = format!("User {user:?} cannot {verb} resource \"nodes/{subresource}\" of {name}");
    reach::ask(&nodes.client, identity, what, &text).await
}

fn subresource(path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("stats") => "stats",
        Some("metrics") => "metrics",
        Some("logs") => "log",
        _ => "proxy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_the_right_that_a_kubelet_would_ask_for() {
        assert_eq!(subresource("/containerLogs/default/p/c"), "proxy");
        assert_eq!(subresource("/exec/default/p/c"), "proxy");
        assert_eq!(subresource("/stats/summary"), "stats");
        assert_eq!(subresource("/"), "proxy");
    }
}
