//! Logs and streams through a node.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cedge_apiserver::{ByteStream, ConnectError, NodeConnector};
use cedge_pki::{Authority, Key, LiveCredential, NODE_AUTHORITY, Pin, Profile, Validity, tls};
use cedge_tasks::Trigger;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, LogParams};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{PODS, Server, pod, start_with};

/// A node that answers logs, and echoes what is upgraded.
#[derive(Default, Clone)]
struct FakeNode {
    asked: Arc<Mutex<Vec<String>>>,
}

impl NodeConnector for FakeNode {
    fn connect<'a>(
        &'a self,
        node: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn ByteStream>, ConnectError>> {
        Box::pin(async move {
            if node != "n" {
                return Err(ConnectError::NotConnected(node.to_owned()));
            }
            let (ours, theirs) = tokio::io::duplex(4096);
            let asked = self.asked.clone();
            cedge_tasks::spawn("test/node", async move {
                let service = service_fn(move |request| answer(asked.clone(), request));
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection
                    .serve_connection(TokioIo::new(theirs), service)
                    .with_upgrades()
                    .await;
            });
            Ok(Box::new(ours) as Box<dyn ByteStream>)
        })
    }
}

fn answer(
    asked: Arc<Mutex<Vec<String>>>,
    mut request: Request<Incoming>,
) -> std::future::Ready<Result<Response<Full<Bytes>>, Infallible>> {
    asked.lock().unwrap().push(request.uri().to_string());
    if request.uri().path().starts_with("/containerLogs/") {
        return std::future::ready(Ok(Response::new(Full::from("line 1\nline 2\n"))));
    }
    let accept = request
        .headers()
        .get("sec-websocket-key")
        .map(|key| tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes()));
    let upgraded = hyper::upgrade::on(&mut request);
    cedge_tasks::spawn("test/echo", async move {
        let mut stream = TokioIo::new(upgraded.await.unwrap());
        // One binary frame: channel 1 (standard output), then the text; then a close frame.
        stream.write_all(&[0x82, 3, 1, b'h', b'i']).await.unwrap();
        stream.write_all(&[0x88, 0]).await.unwrap();
        // The client closes as well; then the server ends the connection, as WebSocket wants.
        let mut close = [0; 64];
        let _ = stream.read(&mut close).await;
        let _ = stream.shutdown().await;
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert("connection", "Upgrade".parse().unwrap());
    headers.insert("upgrade", "websocket".parse().unwrap());
    headers.insert(
        "sec-websocket-protocol",
        "v5.channel.k8s.io".parse().unwrap(),
    );
    headers.insert("sec-websocket-accept", accept.unwrap().parse().unwrap());
    std::future::ready(Ok(response))
}

async fn server_with_pod(node: FakeNode) -> Server {
    let server = start_with(|config| config.node_connector = Arc::new(node)).await;
    server.create(PODS, pod("p")).await;
    server
}

async fn bind(server: &Server, node: &str) {
    let object = json!({"metadata": {"name": node}});
    server.create("/api/v1/nodes", object).await;
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": node}});
    assert_eq!(
        server
            .post(&format!("{PODS}/p/binding"), binding)
            .await
            .code,
        201
    );
}

#[tokio::test]
async fn logs_come_from_the_node() {
    let node = FakeNode::default();
    let server = server_with_pod(node.clone()).await;
    assert_eq!(server.get(&format!("{PODS}/p/log")).await.body, "");
    bind(&server, "n").await;
    let log = server
        .get(&format!("{PODS}/p/log?tailLines=2&timestamps=true"))
        .await;
    assert_eq!(log.body, "line 1\nline 2\n");
    assert_eq!(
        *node.asked.lock().unwrap(),
        ["/containerLogs/default/p/c?timestamps=true&tailLines=2"]
    );
    let wrong = server.get(&format!("{PODS}/p/log?container=x")).await;
    assert_eq!(wrong.body["message"], "container x is not valid for pod p");
    let wrong = server.get(&format!("{PODS}/p/log?tailLines=-1")).await;
    assert_eq!(wrong.code, 422);
    let client = server.api.client("admin", ["system:masters"]);
    let pods: Api<Pod> = Api::namespaced(client, "default");
    assert_eq!(
        pods.logs("p", &LogParams::default()).await.unwrap(),
        "line 1\nline 2\n"
    );
}

#[tokio::test]
async fn a_node_that_was_never_there_is_not_dialled() {
    let server = server_with_pod(FakeNode::default()).await;
    bind(&server, "n").await;
    server.delete("/api/v1/nodes/n").await;
    let log = server.get(&format!("{PODS}/p/log")).await;
    assert_eq!(log.code, 404);
    assert_eq!(log.body["message"], "pods \"n\" not found");
}

#[tokio::test]
async fn a_node_that_is_away_is_named() {
    let server = server_with_pod(FakeNode::default()).await;
    bind(&server, "m").await;
    let log = server.get(&format!("{PODS}/p/log")).await;
    assert_eq!(log.code, 500);
    assert_eq!(
        log.body["message"],
        "Internal error occurred: error dialing backend: node `m` is not connected"
    );
}

#[tokio::test]
async fn exec_is_a_stream_to_the_node_even_without_a_socket() {
    let node = FakeNode::default();
    let server = server_with_pod(node.clone()).await;
    bind(&server, "n").await;
    let client = server.api.client("admin", ["system:masters"]);
    let pods: Api<Pod> = Api::namespaced(client, "default");
    let params = AttachParams::default().stdout(true).stderr(false);
    let mut process = pods.exec("p", ["echo", "h i"], &params).await.unwrap();
    let mut text = String::new();
    process
        .stdout()
        .unwrap()
        .read_to_string(&mut text)
        .await
        .unwrap();
    assert_eq!(text, "hi");
    assert_eq!(
        *node.asked.lock().unwrap(),
        ["/exec/default/p/c?command=echo&command=h%20i&output=1"]
    );
    let plain = server
        .get(&format!("{PODS}/p/exec?command=true&stdout=1"))
        .await;
    assert_eq!(plain.code, 400, "exec without an upgrade");
}

/// A node's port as a hub holds it open: TLS, for users of the cluster only. Answers the pin of who is behind it.
async fn port_of_a_node(node: FakeNode, users: &Authority) -> (u16, Pin, Trigger) {
    let hub = Authority::ephemeral();
    let names = vec!["hub.example".to_owned()];
    let shown = hub.server_credential(names, cedge_tasks::clock::now());
    let shown = LiveCredential::new(&shown.unwrap());
    let settings = tls::node_server(shown, &[users.certificate().clone()]).unwrap();
    let listener = cedge_serving::bind("127.0.0.1:0".parse().unwrap());
    let listener = listener.await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, shutdown) = cedge_tasks::shutdown();
    let service = tower::service_fn(move |request| answer(node.asked.clone(), request));
    let serving = cedge_serving::Server::new(settings, service).serve(listener, shutdown);
    cedge_tasks::spawn("test/port", serving);
    (port, hub.pin(), stop)
}

async fn show_port(server: &Server, port: u16, authority: Pin) {
    let node = json!({
        "kind": "Node", "apiVersion": "v1",
        "metadata": {"name": "far", "annotations": {NODE_AUTHORITY: authority.to_string()}},
    });
    server.post("/api/v1/nodes", node).await;
    let status = json!({
        "metadata": {"annotations": {NODE_AUTHORITY: authority.to_string()}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        },
    });
    for path in ["/api/v1/nodes/far", "/api/v1/nodes/far/status"] {
        let patched = server.patch(path, "merge-patch+json", status.clone()).await;
        assert_eq!(patched.code, 200, "{patched:?}");
    }
}

#[tokio::test]
async fn a_node_that_hangs_elsewhere_is_dialled_at_its_port_if_who_answers_is_who_it_says() {
    let users = Authority::ephemeral();
    let profile = Profile::User {
        name: "kube-apiserver-kubelet-client".into(),
        group: None,
    };
    let validity = Validity::from_now(cedge_tasks::clock::now());
    let shown = users.issue(&profile, &Arc::new(Key::generate()), validity);
    let shown = LiveCredential::new(&shown.unwrap());
    let (here, far) = (FakeNode::default(), FakeNode::default());
    let server = start_with(|config| {
        config.node_connector = Arc::new(here);
        config.node_credential = Some(shown);
    })
    .await;
    server.create(PODS, pod("p")).await;
    bind(&server, "far").await;
    let (port, authority, _stop) = port_of_a_node(far.clone(), &users).await;
    show_port(&server, port, authority).await;
    let log = server.get(&format!("{PODS}/p/log")).await;
    assert_eq!(log.body, "line 1\nline 2\n");
    assert_eq!(
        *far.asked.lock().unwrap(),
        ["/containerLogs/default/p/c"],
        "through the port"
    );
    show_port(&server, port, Pin([7; 32])).await;
    let log = server.get(&format!("{PODS}/p/log")).await;
    let message = log.body["message"].as_str().unwrap();
    assert!(message.contains("another authority"), "{message}");
}
