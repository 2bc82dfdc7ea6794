//! Watches as pages in browsers open them.

use cedge_apiserver::{Identity, StaticToken};
use futures::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::support::{CONFIG_MAPS, Server, config_map, start, start_with};

const OFFER: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

async fn offer(server: &Server, path: &str, more: &[(&str, &str)]) -> Response<kube::client::Body> {
    let mut request = Request::get(path);
    for (name, value) in OFFER.iter().chain(more) {
        request = request.header(*name, *value);
    }
    let request = request.body(kube::client::Body::empty()).unwrap();
    let client = server.api.client("admin", ["system:masters"]);
    client.send(request).await.unwrap()
}

#[tokio::test]
async fn the_events_of_a_watch_are_messages() {
    let server = start().await;
    server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let path = format!("{CONFIG_MAPS}?watch=1&timeoutSeconds=3");
    let origin = [("origin", "http://page")];
    let answer = offer(&server, &path, &origin).await;
    assert_eq!(answer.status(), 101);
    let upgraded = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
    socket.send(Message::Ping("p".into())).await.unwrap();
    let mut seen = Vec::new();
    let mut ponged = false;
    while seen.len() < 2 {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => {
                let event: Value = serde_json::from_str(&text).unwrap();
                let name = &event["object"]["metadata"]["name"];
                seen.push(format!("{} {name}", event["type"]));
                if seen.len() == 1 {
                    server.create(CONFIG_MAPS, config_map("b", "1")).await;
                }
            }
            Message::Pong(_) => ponged = true,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, ["\"ADDED\" \"a\"", "\"ADDED\" \"b\""]);
    let mut end = None;
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Pong(_) => ponged = true,
            Message::Close(frame) => end = frame,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        u16::from(end.unwrap().code),
        1000,
        "the watch's time is over"
    );
    assert!(ponged);
}

#[tokio::test]
async fn only_pages_are_agreed_with_and_lists_stay_lists() {
    let server = start().await;
    let path = format!("{CONFIG_MAPS}?watch=1&timeoutSeconds=1");
    assert_eq!(offer(&server, &path, &[]).await.status(), 403);
    let origin = [("origin", "http://page")];
    assert_eq!(offer(&server, CONFIG_MAPS, &origin).await.status(), 200);
    let wrong = format!("{path}&fieldSelector=spec.none=x");
    assert_eq!(offer(&server, &wrong, &origin).await.status(), 400);
}

#[tokio::test]
async fn a_token_may_stand_among_the_protocols() {
    let server = start_with(|config| {
        config.static_tokens.push(StaticToken {
            token: "secret".into(),
            identity: Identity::authenticated("admin", ["system:masters"]),
        });
    })
    .await;
    let path = format!("{CONFIG_MAPS}?watch=1&timeoutSeconds=1");
    let ask = async |protocols: &str| {
        let more = [
            ("origin", "http://page"),
            ("sec-websocket-protocol", protocols),
        ];
        let headers: Vec<_> = OFFER.iter().chain(&more).copied().collect();
        server.ask_unproven("GET", &path, &headers).await
    };
    let good = ask("base64url.bearer.authorization.k8s.io.c2VjcmV0, mine").await;
    assert_eq!(good.code, 101);
    assert_eq!(good.headers["sec-websocket-protocol"], "mine");
    for wrong in [
        "base64url.bearer.authorization.k8s.io.c2VjcmV0",
        "base64url.bearer.authorization.k8s.io.d3Jvbmc, mine",
    ] {
        assert_eq!(ask(wrong).await.code, 401, "{wrong}");
    }
    assert_eq!(ask("mine").await.code, 403, "nobody may watch");
}
