//! What goes on to the servers of nodes, pods and services.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use cedge_apiserver::{Body, ByteStream, ConnectError, Identity, InProcess, NodeConnector};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;

use crate::support::{PODS, Server, pod, start_with};

const PROXY: &str = "/api/v1/namespaces/default/pods/p:80/proxy";

/// A node whose own server and whose pods answer with what they got.
#[derive(Clone, Copy)]
struct FakeNode;

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
            cedge_tasks::spawn("test/node", serve(TokioIo::new(theirs)));
            Ok(Box::new(ours) as Box<dyn ByteStream>)
        })
    }
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

fn serve<S>(stream: S) -> BoxFuture<'static, ()>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request)) });
    let connection = hyper::server::conn::http1::Builder::new();
    let connection = connection.serve_connection(stream, service).with_upgrades();
    Box::pin(async move {
        let _ = connection.await;
    })
}

fn text(words: impl Into<Bytes>) -> Answer {
    let body = Full::new(words.into()).map_err(|never| match never {});
    Response::new(body.boxed())
}

fn answer(mut request: Request<Incoming>) -> Answer {
    match request.uri().path() {
        "/connect/default/p" if request.uri().query() == Some("port=80") => {
            switch(&mut request, "tcp", serve)
        }
        "/connect/default/p" => {
            let mut refused = text("connect: connection refused");
            *refused.status_mut() = StatusCode::BAD_GATEWAY;
            refused
        }
        "/shout" => switch(&mut request, "shouting", |mut io| {
            Box::pin(async move {
                let mut io = TokioIo::new(&mut io);
                let mut heard = [0; 5];
                io.read_exact(&mut heard).await.unwrap();
                io.write_all(&heard.to_ascii_uppercase()).await.unwrap();
                io.shutdown().await.unwrap();
            })
        }),
        "/pieces" => {
            let pieces = request.into_body().into_data_stream();
            let upper = pieces.map(|p| p.map(|p| Frame::data(p.to_ascii_uppercase().into())));
            Response::new(BodyExt::boxed(StreamBody::new(upper)))
        }
        "/refuses" => {
            let mut refused = text("not today");
            *refused.status_mut() = StatusCode::FORBIDDEN;
            refused
        }
        "/page" => {
            let mut page = text("<a href=/x>");
            let kind = "text/html; charset=utf-8".parse().unwrap();
            page.headers_mut().insert("content-type", kind);
            page
        }
        _ => {
            let headers = request.headers().iter();
            let headers: serde_json::Map<String, Value> = headers
                .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
                .collect();
            let said = json!({
                "method": request.method().as_str(), "target": request.uri().to_string(), "headers": headers,
            });
            text(said.to_string())
        }
    }
}

fn switch<F>(
    request: &mut Request<Incoming>,
    to: &'static str,
    then: impl FnOnce(hyper::upgrade::Upgraded) -> F + Send + 'static,
) -> Answer
where
    F: Future<Output = ()> + Send + 'static,
{
    let upgraded = hyper::upgrade::on(request);
    cedge_tasks::spawn("test/switched", async move {
        then(upgraded.await.unwrap()).await;
    });
    let mut response = text("");
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert("connection", "Upgrade".parse().unwrap());
    headers.insert("upgrade", to.parse().unwrap());
    response
}

/// With a pod that runs on the node, and a service before it.
async fn server() -> Server {
    let server = start_with(|config| config.node_connector = Arc::new(FakeNode)).await;
    server
        .create("/api/v1/nodes", json!({"metadata": {"name": "n"}}))
        .await;
    let mut object = pod("p");
    object["spec"]["nodeName"] = json!("n");
    server.create(PODS, object).await;
    let ip = json!({"status": {"podIP": "10.1.2.3", "podIPs": [{"ip": "10.1.2.3"}]}});
    let status = format!("{PODS}/p/status");
    assert_eq!(
        server.patch(&status, "merge-patch+json", ip).await.code,
        200
    );
    server
}

#[tokio::test]
async fn a_request_goes_on_to_a_pod_and_credentials_stay_here() {
    let server = server().await;
    let headers = [
        ("authorization", "Bearer x"),
        ("impersonate-x", "y"),
        ("x-mine", "1"),
    ];
    let path = format!("{PROXY}/a/../b%20c/?q=%20&r");
    let got = server
        .ask_with("POST", &path, &headers, json!({"some": "body"}))
        .await;
    assert_eq!(got.code, 200, "{:#}", got.body);
    assert_eq!(got.body["method"], "POST");
    assert_eq!(got.body["target"], "/b%20c/?q=%20&r");
    assert_eq!(got.body["headers"]["x-mine"], "1");
    for name in ["authorization", "impersonate-x"] {
        assert!(got.body["headers"][name].is_null(), "{name}");
    }
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let got = server.ask(method, &format!("{PROXY}/x"), Value::Null).await;
        assert_eq!(got.body["method"], method);
        assert_eq!(got.body["headers"]["x-forwarded-uri"], format!("{PROXY}/x"));
    }
    let head = server.ask("HEAD", &format!("{PROXY}/x"), Value::Null).await;
    assert_eq!((head.code.as_u16(), head.body), (200, json!("")));
    let moved = server.get(&format!("{PROXY}?a=b")).await;
    assert_eq!(moved.code, 301);
    assert_eq!(moved.headers["location"], format!("{PROXY}/?a=b"));
    let page = server.get(&format!("{PROXY}/page")).await;
    assert_eq!(page.body, format!("<a href=\"{PROXY}/x\">"));
}

#[tokio::test]
async fn a_service_leads_to_its_ready_pods_only() {
    let server = server().await;
    let service =
        json!({"metadata": {"name": "s"}, "spec": {"ports": [{"name": "web", "port": 8080}]}});
    server
        .create("/api/v1/namespaces/default/services", service)
        .await;
    let proxy = "/api/v1/namespaces/default/services/s:8080/proxy/x";
    let nothing = server.get(proxy).await;
    assert_eq!(nothing.code, 503);
    assert_eq!(
        nothing.body["message"],
        "no endpoints available for service \"s\""
    );
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    let slice = json!({
        "metadata": {"name": "s-1", "labels": {"kubernetes.io/service-name": "s"}}, "addressType": "IPv4",
        "ports": [{"name": "web", "port": 80}],
        "endpoints": [
            {"addresses": ["10.9.9.9"], "targetRef": {"kind": "Pod", "namespace": "default", "name": "p"}},
            {"addresses": ["10.1.2.3"], "targetRef": {"kind": "Pod", "namespace": "other", "name": "p"}},
            {"addresses": ["10.1.2.3"]},
            {"addresses": ["10.1.2.3"], "conditions": {"ready": false}, "targetRef": {"kind": "Pod", "namespace": "default", "name": "p"}},
        ],
    });
    let mut slice = server.create(slices, slice).await;
    assert_eq!(
        server.get(proxy).await.code,
        503,
        "none of these is a ready pod"
    );
    slice["endpoints"][3]["conditions"]["ready"] = json!(true);
    assert_eq!(server.put(&format!("{slices}/s-1"), slice).await.code, 200);
    for name in ["s:8080", "s:web", "http:s:web"] {
        let path = format!("/api/v1/namespaces/default/services/{name}/proxy/x");
        let got = server.get(&path).await;
        assert_eq!(got.body["target"], "/x", "{name}: {:#}", got.body);
    }
    for name in ["s,x:web", "a%20b:web", "in%20(s):web", "!s:web"] {
        let path = format!("/api/v1/namespaces/default/services/{name}/proxy/x");
        let nobody = server.get(&path).await;
        assert_eq!(
            nobody.code, 503,
            "no name of a service is a selector: {name}"
        );
    }
    let wrong = server
        .get("/api/v1/namespaces/default/services/s:1/proxy/x")
        .await;
    assert_eq!(
        wrong.body["message"],
        "no service port 1 found for service \"s\""
    );
}

#[tokio::test]
async fn a_node_answers_through_its_link() {
    let server = server().await;
    let got = server.get("/api/v1/nodes/n/proxy/stats/summary?x=1").await;
    assert_eq!(got.body["target"], "/stats/summary?x=1");
    let away = server.create("/api/v1/nodes", json!({"metadata": {"name": "m"}}));
    away.await;
    let got = server.get("/api/v1/nodes/m/proxy/x").await;
    assert_eq!(got.code, 500);
    assert_eq!(
        got.body["message"],
        "no preferred addresses found; known addresses: []"
    );
}

#[tokio::test]
async fn what_cannot_be_reached_is_said_in_the_words_of_kubernetes() {
    let server = server().await;
    let refused = server
        .get("/api/v1/namespaces/default/pods/p:81/proxy/x")
        .await;
    assert_eq!(refused.code, 503);
    assert_eq!(
        refused.body["message"],
        "error trying to reach service: dial tcp 10.1.2.3:81: connect: connection refused"
    );
    let ip = json!({"status": {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}});
    let status = format!("{PODS}/p/status");
    server.patch(&status, "merge-patch+json", ip).await;
    let loopback = server.get(&format!("{PROXY}/x")).await;
    assert_eq!(loopback.body["message"], "address not allowed");
}

#[tokio::test]
async fn bodies_go_through_as_they_come() {
    let server = server().await;
    let (to, from) = tokio::sync::mpsc::channel::<Bytes>(1);
    let pieces = futures::stream::unfold(from, |mut from| async {
        let piece = from.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(piece)), from))
    });
    let mut request = Request::post(format!("{PROXY}/pieces"))
        .body(StreamBody::new(pieces))
        .unwrap();
    let identity = Identity::authenticated("admin", ["system:masters"]);
    request.extensions_mut().insert(InProcess(identity));
    let asking = server.api.service().oneshot(request);
    // The first piece is there before the second is sent; each comes back before the next.
    to.send("one".into()).await.unwrap();
    let mut body: Body = asking.await.unwrap().into_body();
    for (expected, next) in [
        ("ONE", Some("two")),
        ("TWO", Some("three")),
        ("THREE", None),
    ] {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), expected);
        if let Some(next) = next {
            to.send(next.into()).await.unwrap();
        }
    }
    drop(to);
    assert!(
        body.frame()
            .await
            .is_none_or(|f| f.is_ok_and(|f| f.is_trailers()))
    );
}

async fn switched(server: &Server, path: &str) -> Response<kube::client::Body> {
    let request = Request::get(path)
        .header("connection", "Upgrade")
        .header("upgrade", "shouting")
        .body(kube::client::Body::empty())
        .unwrap();
    let client = server.api.client("admin", ["system:masters"]);
    client.send(request).await.unwrap()
}

#[tokio::test]
async fn protocols_are_switched_through_a_pod() {
    let server = server().await;
    let answer = switched(&server, &format!("{PROXY}/shout")).await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.headers()["upgrade"], "shouting");
    let mut stream = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    stream.write_all(b"hello").await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "HELLO");
    let refused = switched(&server, &format!("{PROXY}/refuses")).await;
    assert_eq!(refused.status(), 403);
    let body = refused.into_body().collect_bytes().await.unwrap();
    assert_eq!(body, "not today");
    let plain = switched(&server, &format!("{PROXY}/x")).await;
    assert_eq!(plain.status(), 500);
    let body = plain.into_body().collect_bytes().await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["message"], "invalid upgrade response: status code 200");
}

#[tokio::test]
async fn each_method_needs_its_own_right() {
    let server = server().await;
    let roles = "/apis/rbac.authorization.k8s.io/v1";
    let rule = json!({"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get", "create"]});
    let role = json!({"metadata": {"name": "r"}, "rules": [rule]});
    server.create(&format!("{roles}/clusterroles"), role).await;
    let binding = json!({
        "metadata": {"name": "r"}, "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "bob"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"},
    });
    server
        .create(&format!("{roles}/clusterrolebindings"), binding)
        .await;
    // Whoever reads sees what was written, and so does everybody from then on.
    server.get("/api/v1/namespaces").await;
    for (method, allowed) in [
        ("GET", true),
        ("HEAD", true),
        ("POST", true),
        ("PUT", false),
        ("PATCH", false),
        ("DELETE", false),
        ("OPTIONS", false),
    ] {
        let path = format!("{PROXY}/x");
        let got = server
            .ask_as("bob", &[], method, &path, &[], Value::Null)
            .await;
        let expected = if allowed { 200 } else { 403 };
        assert_eq!(got.code, expected, "{method}: {:#}", got.body);
    }
}
