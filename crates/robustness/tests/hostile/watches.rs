//! Watches and lists: many, large, with selectors, and unread.

use std::time::Duration;

use bytes::Bytes;
use cedge_e2e::{enabled, say};
use cedge_robustness::door::{Client, Door, request};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout};

use crate::{Siege, send};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: &str = "application/json";
/// Who never reads.
const DEAF: usize = 50;
/// On one connection; the server allows 250.
const PER_CONNECTION: usize = 200;
/// Objects, and what each holds.
const OBJECTS: usize = 200;
const FILLER: usize = 50_000;
/// Who list at once.
const LISTERS: usize = 40;

/// `CEDGE_HOSTILE_WATCHES`: watches at one time, each with a selector of its own.
fn watches() -> usize {
    let set = std::env::var("CEDGE_HOSTILE_WATCHES").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(1000)
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_that_do_not_read_and_lists_without_end_cost_little() {
    if !enabled("watchers_that_do_not_read_and_lists_without_end_cost_little") {
        return;
    }
    let siege = Siege::lay("watches").await;
    let door = siege.door();
    let mut client = door.client();
    let deaf = deaf(&door).await;
    for n in 0..OBJECTS {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m-{n}")}, "data": {"f": "x".repeat(FILLER)}});
        assert_eq!(
            send(&mut client, Method::POST, MAPS, JSON, object.to_string())
                .await
                .code,
            201
        );
    }
    lists(&door).await;
    drop(deaf);
    siege.ends(1024).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_one_of_very_many_watches_is_told() {
    if !enabled("every_one_of_very_many_watches_is_told") {
        return;
    }
    let siege = Siege::lay("selectors").await;
    let door = siege.door();
    many(&door, &mut door.client()).await;
    siege.ends(1024).await;
}

/// Watches whose connections nobody reads.
async fn deaf(door: &Door) -> Vec<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    let mut kept = Vec::new();
    for _ in 0..DEAF {
        let mut stream = door.stream().await.expect("a connection");
        let head = format!("GET {MAPS}?watch=1 HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("a request");
        stream.flush().await.expect("a request");
        kept.push(stream);
    }
    kept
}

/// The whole list, many times at once, in every form.
async fn lists(door: &Door) {
    let begun = Instant::now();
    let mut asking = Vec::new();
    for n in 0..LISTERS {
        let mut client = door.client();
        let accept = [
            "application/json",
            "application/yaml",
            "application/json;as=Table;v=v1;g=meta.k8s.io",
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        ][n % 4];
        asking.push(cedge_tasks::spawn("hostile/list", async move {
            let mut asked = request(Method::GET, MAPS, "", Bytes::new());
            asked
                .headers_mut()
                .insert(header::ACCEPT, accept.parse().expect("a header"));
            client
                .ask(asked)
                .await
                .map(|answer| (answer.code, answer.body.len()))
        }));
    }
    let mut read = 0;
    for asked in asking {
        match asked.await.expect("a client") {
            Ok((200, bytes)) => read += bytes,
            // Who asks for so much may be told to come later.
            Ok((429, _)) => {}
            other => panic!("{other:?}"),
        }
    }
    say(&format!(
        "{LISTERS} lists of {} MB at once: {} MB in {:.1} s",
        OBJECTS * FILLER / 1_000_000,
        read / 1_000_000,
        begun.elapsed().as_secs_f64()
    ));
}

/// Watches with a selector each, on few connections; one of them is told of one object.
async fn many(door: &Door, client: &mut Client) {
    let begun = Instant::now();
    let (mut connections, mut bodies): (Vec<_>, Vec<Incoming>) = (Vec::new(), Vec::new());
    let all = watches();
    let mut sender = None;
    for n in 0..all {
        if n % PER_CONNECTION == 0 {
            let stream = door.h2().stream().await.expect("a connection");
            let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
            let (opened, connection) = handshake.expect("HTTP/2");
            connections.push(cedge_tasks::spawn("hostile/h2", connection));
            sender = Some(opened);
        }
        let sender: &mut http2::SendRequest<Empty<Bytes>> = sender.as_mut().expect("opened before");
        let several = (0..20)
            .map(|k| format!("!k{k}"))
            .collect::<Vec<_>>()
            .join(",");
        let uri = format!("https://hostile{MAPS}?watch=1&labelSelector=n+in+(v{n},w{n}),{several}");
        let request = Request::get(uri).body(Empty::new()).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
        bodies.push(answer.into_body());
    }
    let open = begun.elapsed();
    for n in [0, all / 2, all - 1] {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("s-{n}"), "labels": {"n": format!("v{n}")}}});
        let told = Instant::now();
        assert_eq!(
            send(client, Method::POST, MAPS, JSON, object.to_string())
                .await
                .code,
            201
        );
        let frame = timeout(Duration::from_secs(60), bodies[n].frame()).await;
        let frame = frame
            .expect("in time")
            .expect("the watch goes on")
            .expect("it is whole");
        let line = frame.into_data().expect("data");
        let name = format!("\"s-{n}\"");
        assert!(
            line.windows(name.len()).any(|part| part == name.as_bytes()),
            "{line:?}"
        );
        say(&format!(
            "watch {n} of {all} was told after {:.2} s",
            told.elapsed().as_secs_f64()
        ));
    }
    say(&format!(
        "{all} watches with selectors were open after {:.1} s",
        open.as_secs_f64()
    ));
    for connection in connections {
        connection.abort();
    }
}
