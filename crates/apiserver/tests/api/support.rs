//! A server with a store of its own, and short ways to ask it.

use bytes::Bytes;
use cedge_apiserver::{ApiServer, ApiService, Body, Config, Identity, InProcess};
use cedge_pki::{Key, ServiceAccountTokens};
use cedge_store::{Options, Store};
use cedge_tasks::{Trigger, shutdown};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt as _;

/// A server that ends with the test.
pub(crate) struct Server {
    pub(crate) api: ApiServer,
    pub(crate) store: Store,
    _stop: Trigger,
    dir: tempfile::TempDir,
}

/// An answer as a whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

/// Starts a server without controllers: pods need no service account.
pub(crate) async fn start() -> Server {
    start_with(|_| {}).await
}

pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Server {
    start_in(tempfile::tempdir().unwrap(), change).await
}

/// Starts a server on what a folder holds.
pub(crate) async fn start_in(dir: tempfile::TempDir, change: impl FnOnce(&mut Config)) -> Server {
    let store = Store::open(dir.path().join("store"), Options::default()).unwrap();
    let tokens =
        ServiceAccountTokens::of_key(Arc::new(Key::generate()), "https://kubernetes.default.svc");
    let mut config = Config::new(store.clone(), tokens);
    config.require_service_accounts = false;
    change(&mut config);
    let (stop, signal) = shutdown();
    let api = ApiServer::start(config, signal).await.unwrap();
    Server {
        api,
        store,
        _stop: stop,
        dir,
    }
}

// === impl Server ===

impl Server {
    /// What a `kill -9` leaves: the file as it is on the disk, in a folder of its own.
    pub(crate) fn killed(self) -> tempfile::TempDir {
        let left = tempfile::tempdir().unwrap();
        std::fs::copy(self.dir.path().join("store"), left.path().join("store")).unwrap();
        left
    }

    /// Writes an object past the API.
    pub(crate) async fn store_directly(&self, path: &str, object: &Value) {
        let bytes = serde_json::to_vec(object).unwrap();
        let txn = cedge_store::Txn::put(format!("/registry/{path}"), bytes);
        self.store.commit(txn).await.unwrap();
    }

    /// A request of the administrator.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask_as("admin", &["system:masters"], method, path, &[], body)
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask("PUT", path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, Value::Null).await
    }

    /// `kind` is the last part of the media type: `merge-patch+json`.
    pub(crate) async fn patch(&self, path: &str, kind: &str, body: Value) -> Answer {
        let media = format!("application/{kind}");
        let headers = [("content-type", media.as_str())];
        self.ask_as("admin", &["system:masters"], "PATCH", path, &headers, body)
            .await
    }

    pub(crate) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        self.ask_as("admin", &["system:masters"], method, path, headers, body)
            .await
    }

    pub(crate) async fn ask_as(
        &self,
        user: &str,
        groups: &[&str],
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let body = if body.is_null() {
            Vec::new()
        } else {
            serde_json::to_vec(&body).unwrap()
        };
        let identity = Identity::authenticated(user, groups.iter().copied());
        let mut request = request(method, path, headers, body.into());
        request.extensions_mut().insert(InProcess(identity));
        answer(self.api.service().oneshot(request).await.unwrap()).await
    }

    /// A request that proves nothing, or what its headers prove.
    pub(crate) async fn ask_unproven(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let request = request(method, path, headers, Bytes::new());
        answer(self.api.service().oneshot(request).await.unwrap()).await
    }

    /// Opens a watch.
    pub(crate) async fn watch(&self, path: &str) -> Lines {
        let mut request = request("GET", path, &[], Bytes::new());
        let identity = Identity::authenticated("admin", ["system:masters"]);
        request.extensions_mut().insert(InProcess(identity));
        let service: ApiService = self.api.service();
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        Lines {
            body: response.into_body(),
            rest: Vec::new(),
        }
    }

    pub(crate) async fn create(&self, path: &str, object: Value) -> Value {
        let answer = self.post(path, object).await;
        assert_eq!(answer.code, 201, "{:#}", answer.body);
        answer.body
    }
}

/// The lines of a watch.
pub(crate) struct Lines {
    body: Body,
    rest: Vec<u8>,
}

// === impl Lines ===

impl Lines {
    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let wait = std::time::Duration::from_secs(20);
            let frame = tokio::time::timeout(wait, self.body.frame())
                .await
                .expect("no event came");
            let data = frame?.unwrap().into_data().unwrap();
            self.rest.extend_from_slice(&data);
        }
    }

    /// The next event as its type and the object's name.
    pub(crate) async fn short(&mut self) -> (String, String) {
        let event = self.next().await.expect("the watch is open");
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        (
            text(&event["type"]),
            text(&event["object"]["metadata"]["name"]),
        )
    }
}

fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut builder = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(body)).unwrap()
}

async fn answer(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
    Answer {
        code: parts.status,
        headers: parts.headers,
        body,
    }
}

/// A config map in `default`.
pub(crate) fn config_map(name: &str, value: &str) -> Value {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "labels": {"v": value}}, "data": {"k": value}})
}

pub(crate) const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A pod that runs nothing.
pub(crate) fn pod(name: &str) -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "process", "command": ["true"]}]},
    })
}

pub(crate) const PODS: &str = "/api/v1/namespaces/default/pods";
