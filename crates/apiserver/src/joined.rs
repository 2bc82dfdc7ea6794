//! Two connections that were upgraded become one: exec, port-forward, and whatever else goes through to another server.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cedge_serving::splice;
use http::{HeaderMap, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::api::Api;
use crate::audit::{Record, Stage};
use crate::respond::{self, Body};

/// Stands in the extensions of an answer that switches protocols, and lives as long as what follows it: then the request is
/// complete.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending(Arc<Told>);

#[derive(Debug, Default)]
struct Told(OnceLock<Arc<Record>>);

// === impl Ending ===

impl Ending {
    /// What is to be told of the end.
    pub(crate) fn tells(&self, record: Arc<Record>) {
        let _ = self.0.0.set(record);
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(record) = self.0.get() {
            let code = StatusCode::SWITCHING_PROTOCOLS.as_u16();
            record.tell(Stage::ResponseComplete, Some(code));
        }
    }
}

/// Joins a client and the server behind us once both have switched, and answers the client with what that server said.
/// `connection` is kept until then: without it the way to that server would end before it is upgraded.
pub(crate) fn join(
    api: &Api,
    name: String,
    (client, backend): (OnUpgrade, OnUpgrade),
    connection: impl Send + 'static,
    said: &HeaderMap,
) -> Response<Body> {
    let (ending, shutdown) = (Ending::default(), api.tasks.shutdown().clone());
    let held = ending.clone();
    api.tasks.spawn(name, async move {
        let _held = (connection, held);
        match (backend.await, client.await) {
            (Ok(backend), Ok(client)) => {
                let joined = splice(TokioIo::new(client), TokioIo::new(backend), &shutdown).await;
                tracing::debug!(?joined, "a stream to another server ended");
            }
            (Err(error), _) | (_, Err(error)) => tracing::debug!(%error, "upgrade failed"),
        }
    });
    let mut response = Response::new(respond::full(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().clone_from(said);
    response.extensions_mut().insert(ending);
    response
}
