//! The way to a node: a stream in this process if its link ends here, else its port.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cedge_pki::{NODE_AUTHORITY, Pin, Refusal, tls};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::api::Api;
use crate::config::{ByteStream, ConnectError};

/// For the connection and the handshake each; Kubernetes gives a kubelet as much.
const DIAL_LIMIT: Duration = Duration::from_secs(5);
/// Which of a node's addresses is dialled: the first kind that it has.
const KINDS: [&str; 5] = [
    "InternalIP",
    "ExternalIP",
    "InternalDNS",
    "ExternalDNS",
    "Hostname",
];

/// A stream to the HTTP/1.1 server of a node.
pub(super) async fn dial(api: &Api, node: &str) -> Result<Box<dyn ByteStream>, ConnectError> {
    let absent = match api.config.node_connector.connect(node).await {
        Err(absent @ ConnectError::NotConnected(_)) => absent,
        other => return other,
    };
    let object = api.cache.kind("", "nodes").get(node);
    let Some(port) = object.and_then(|o| Port::of(&o.value().ok()?)) else {
        return Err(absent);
    };
    let failed = |cause| ConnectError::Failed {
        node: node.to_owned(),
        cause,
    };
    let settings = match (port.authority, &api.config.node_credential) {
        (Some(pin), Some(credential)) => tls::node_client(pin, Arc::clone(credential)),
        (Some(_), None) => return Err(absent),
        (None, _) => match &api.config.kubelets {
            Some(settings) => Arc::clone(settings),
            None => return Err(absent),
        },
    };
    port.dial(settings).await.map_err(failed)
}

/// The same, if one of our agents is there and is reached.
pub(super) async fn dial_agent(api: &Api, node: &str) -> Option<Box<dyn ByteStream>> {
    if let Ok(stream) = api.config.node_connector.connect(node).await {
        return Some(stream);
    }
    let object = api.cache.kind("", "nodes").get(node)?.value().ok()?;
    Port::of(&object)?.authority?;
    dial(api, node).await.ok()
}

/// The address of a node that is dialled.
pub(super) fn preferred(node: &Value) -> Option<&str> {
    let addresses = node["status"]["addresses"].as_array()?;
    KINDS.iter().find_map(|kind| {
        let found = addresses.iter().find(|a| a["type"] == *kind);
        found.and_then(|a| a["address"].as_str())
    })
}

/// Where a node's HTTP server is said to be.
#[derive(Debug, PartialEq, Eq)]
struct Port {
    host: String,
    port: u16,
    /// The authority behind its certificate; none for a kubelet that registered itself, whose serving certificate must
    /// be of an authority that this server trusts, for this host.
    authority: Option<Pin>,
}

impl Port {
    /// What the Node says. Nobody is dialled who cannot prove to be it: whoever had its address would get what people
    /// type into their shells.
    fn of(node: &Value) -> Option<Self> {
        let status = &node["status"];
        let port = status["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64()?;
        let host = preferred(node)?;
        let authority = node["metadata"]["annotations"][NODE_AUTHORITY].as_str();
        Some(Self {
            host: host.to_owned(),
            port: u16::try_from(port).ok().filter(|p| *p != 0)?,
            authority: match authority {
                Some(pin) => Some(pin.parse().ok()?),
                None => None,
            },
        })
    }

    async fn dial(&self, settings: Arc<ClientConfig>) -> io::Result<Box<dyn ByteStream>> {
        // A pinned authority says who answers, not the name.
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        let stream = within(TcpStream::connect((self.host.as_str(), self.port))).await?;
        let _ = stream.set_nodelay(true);
        // Boxed: the future of a handshake is large.
        let shaking = Box::pin(TlsConnector::from(settings).connect(name, stream));
        Ok(Box::new(within(shaking).await.map_err(in_words)?))
    }
}

/// What `pki` has against the other end, in its own words.
fn in_words(error: io::Error) -> io::Error {
    match Refusal::behind(&error) {
        Some(refusal) => io::Error::other(refusal),
        None => error,
    }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 s");
    tokio::time::timeout(DIAL_LIMIT, work).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_dialled_where_it_says_and_by_the_authority_that_it_names() {
        let pin = Pin([7; 32]);
        let mut node = json!({
            "metadata": {"annotations": {NODE_AUTHORITY: pin.to_string()}},
            "status": {
                "addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.9"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 40123}},
            },
        });
        let port = Port::of(&node).unwrap();
        assert_eq!((port.host.as_str(), port.port), ("10.0.0.9", 40123));
        assert_eq!(port.authority, Some(pin));
        node["metadata"]["annotations"] = json!({});
        assert_eq!(Port::of(&node).unwrap().authority, None, "a kubelet");
        node["metadata"]["annotations"] = json!({NODE_AUTHORITY: "nonsense"});
        assert_eq!(Port::of(&node), None);
    }
}
