//! What is between the modules of one process: no sockets.

use std::io;
use std::sync::{Arc, OnceLock};

use cedge_apiserver::{ApiServer, ByteStream, ConnectError, NodeConnector};
use cedge_link::StreamKind;
use cedge_pki::Identity;
use cedge_serving::{Connection, Limits};
use cedge_tasks::Shutdown;
use cedge_tree::Tree;
use cedge_tree::reach::{ApiDial, Io};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::HeaderMap;

/// Bytes that may wait in a pipe between two modules.
const PIPE: usize = 64 * 1024;

/// The way of the API server to nodes: through the hub's links.
pub(crate) struct ToNodes(pub(crate) Arc<OnceLock<Tree>>);

impl NodeConnector for ToNodes {
    fn connect<'a>(
        &'a self,
        node: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn ByteStream>, ConnectError>> {
        async move {
            let absent = || ConnectError::NotConnected(node.to_owned());
            let session = self
                .0
                .get()
                .and_then(|tree| tree.hub().session_of_node(node))
                .ok_or_else(absent)?;
            let stream =
                session
                    .open(StreamKind::Request)
                    .await
                    .map_err(|e| ConnectError::Failed {
                        node: node.to_owned(),
                        cause: io::Error::other(e),
                    })?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        }
        .boxed()
    }
}

/// The way of the tree to the API server of the same process.
pub(crate) struct InProcess {
    api: ApiServer,
    identity: Identity,
    shutdown: Shutdown,
}

impl InProcess {
    pub(crate) fn new(api: ApiServer, identity: Identity, shutdown: Shutdown) -> Self {
        Self {
            api,
            identity,
            shutdown,
        }
    }
}

impl ApiDial for InProcess {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Io>>> {
        async move {
            let (ours, theirs) = tokio::io::duplex(PIPE);
            let (service, shutdown) = (self.api.service(), self.shutdown.clone());
            let connection = Connection::vouched(self.identity.clone());
            cedge_tasks::spawn("tree/api", async move {
                let served = cedge_serving::serve_stream(
                    theirs,
                    service,
                    connection,
                    &Limits::default(),
                    &shutdown,
                )
                .await;
                if let Err(error) = served {
                    tracing::debug!(%error, "a request from above broke off");
                }
            });
            Ok(Box::new(ours) as Box<dyn Io>)
        }
        .boxed()
    }

    fn dress(&self, _: &mut HeaderMap) {}
}

/// The way of the tree to an API server elsewhere.
pub(crate) struct OverNetwork {
    host: String,
    port: u16,
    tls: tokio_rustls::TlsConnector,
    name: rustls::pki_types::ServerName<'static>,
    authorization: Option<http::HeaderValue>,
}

impl OverNetwork {
    /// With the rights of a kubeconfig: a client certificate or a fixed bearer token.
    pub(crate) fn new(config: &kube::Config) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let host = config
            .cluster_url
            .host()
            .context("the kubeconfig's server has no host")?
            .to_owned();
        let bare = host.trim_matches(['[', ']']).to_owned();
        let name = config
            .tls_server_name
            .clone()
            .unwrap_or_else(|| bare.clone());
        let mut tls = kube::client::ConfigExt::rustls_client_config(config)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let token = config
            .auth_info
            .token
            .as_ref()
            .map(|t| secrecy::ExposeSecret::expose_secret(t).to_owned());
        let authorization = token
            .map(|t| http::HeaderValue::try_from(format!("Bearer {t}")))
            .transpose()?;
        Ok(Self {
            port: config.cluster_url.port_u16().unwrap_or(443),
            host: bare,
            tls: Arc::new(tls).into(),
            name: rustls::pki_types::ServerName::try_from(name)?,
            authorization,
        })
    }
}

impl ApiDial for OverNetwork {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Io>>> {
        async move {
            let stream = tokio::net::TcpStream::connect((self.host.as_str(), self.port)).await?;
            let stream = self.tls.connect(self.name.clone(), stream).await?;
            Ok(Box::new(stream) as Box<dyn Io>)
        }
        .boxed()
    }

    fn dress(&self, headers: &mut HeaderMap) {
        if let Some(value) = &self.authorization {
            headers.insert(http::header::AUTHORIZATION, value.clone());
        }
    }
}
