//! Logs, exec, attach and port forwarding, as clients of Kubernetes ask for them.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::lab::{Lab, one, shell};

type Socket = WebSocketStream<DuplexStream>;

async fn connect(lab: &Lab, path: &str, protocol: &str) -> Socket {
    let mut request = format!("ws://node{path}").into_client_request().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol.parse().unwrap());
    let stream = lab.stream().await;
    let (socket, response) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    let spoken = response.headers()["sec-websocket-protocol"]
        .to_str()
        .unwrap();
    assert!(protocol.contains(spoken));
    socket
}

/// Everything on each channel until the socket is closed.
async fn collect(mut socket: Socket) -> [String; 4] {
    let mut texts = [const { Vec::new() }; 4];
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(bytes) => texts[usize::from(bytes[0])].extend_from_slice(&bytes[1..]),
            // kubectl takes any other end for a failure.
            Message::Close(frame) => assert_eq!(u16::from(frame.unwrap().code), 1000),
            other => panic!("{other:?}"),
        }
    }
    texts.map(|t| String::from_utf8(t).unwrap())
}

fn frame(channel: u8, text: &str) -> Message {
    Message::binary([&[channel], text.as_bytes()].concat())
}

async fn running() -> Lab {
    let lab = Lab::new();
    lab.pod("web", one("echo up; sleep 300"));
    lab.ready("web").await;
    lab.says("web", "a", "up").await;
    lab
}

#[tokio::test]
async fn exec_carries_both_outputs_and_the_exit_code() {
    let lab = running().await;
    let path = "/exec/default/web/a?command=sh&command=-c&command=echo+out%3B+echo+err+%3E%262%3B+exit+3&stdout=true&stderr=true";
    let [_, out, err, end] = collect(connect(&lab, path, "v5.channel.k8s.io").await).await;
    assert_eq!((out.as_str(), err.as_str()), ("out\n", "err\n"));
    let status: Value = serde_json::from_str(&end).unwrap();
    assert_eq!(status["reason"], "NonZeroExitCode");
    assert_eq!(
        status["details"]["causes"][0],
        json!({"reason": "ExitCode", "message": "3"})
    );
    let [_, out, _, end] =
        collect(connect(&lab, "/exec/default/web/a?command=pwd", "v4.channel.k8s.io").await).await;
    assert!(!out.is_empty() && end.contains("Success"), "{out} {end}");
}

#[tokio::test]
async fn exec_reads_until_standard_input_is_closed() {
    let lab = running().await;
    let path = "/exec/default/web/a?command=wc&command=-c&stdin=true&stdout=true";
    let mut socket = connect(&lab, path, "v5.channel.k8s.io, v4.channel.k8s.io").await;
    let chunk = "x".repeat(50_000);
    for _ in 0..10 {
        socket.send(frame(0, &chunk)).await.unwrap();
    }
    socket.send(Message::binary(vec![255, 0])).await.unwrap();
    let [_, out, _, end] = collect(socket).await;
    assert_eq!((out.trim(), end.contains("Success")), ("500000", true));
}

#[tokio::test]
async fn exec_on_a_terminal_follows_its_window() {
    let lab = running().await;
    let path = "/exec/default/web/a?command=sh&stdin=true&stdout=true&tty=true";
    let mut socket = connect(&lab, path, "v5.channel.k8s.io").await;
    socket
        .send(frame(4, r#"{"Width":91,"Height":37}"#))
        .await
        .unwrap();
    socket.send(frame(0, "stty size; exit 5\n")).await.unwrap();
    let [_, out, _, end] = collect(socket).await;
    assert!(out.contains("37 91"), "{out}");
    assert!(end.contains(r#""message":"5""#), "{end}");
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_command_along() {
    let lab = running().await;
    let path =
        "/exec/default/web/a?command=sh&command=-c&command=echo+%24%24%3B+sleep+300&stdout=true";
    let mut socket = connect(&lab, path, "v5.channel.k8s.io").await;
    let Some(Ok(Message::Binary(bytes))) = socket.next().await else {
        panic!("nothing said")
    };
    let pid = String::from_utf8(bytes[1..].to_vec())
        .unwrap()
        .trim()
        .to_owned();
    assert!(crate::lab::alive(&pid));
    drop(socket);
    for _ in 0..250 {
        if !crate::lab::alive(&pid) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{pid} lives");
}

#[tokio::test]
async fn logs_answer_all_options_and_say_what_is_wrong() {
    let lab = Lab::new();
    lab.pod(
        "web",
        one("for i in 1 2 3; do echo line $i; done; sleep 300"),
    );
    lab.says("web", "a", "line 3").await;
    let get = async |query: &str| {
        lab.get(&format!("/containerLogs/default/web/a?{query}"))
            .await
    };
    assert_eq!(get("tailLines=2").await, (200, "line 2\nline 3\n".into()));
    assert_eq!(get("limitBytes=4").await, (200, "line".into()));
    assert_eq!(
        get("sinceTime=2099-01-01T00:00:00Z").await,
        (200, String::new())
    );
    let stamped = get("timestamps=true&tailLines=1").await.1;
    assert!(
        stamped.starts_with("20") && stamped.ends_with("Z line 3\n"),
        "{stamped}"
    );
    let (code, words) = get("previous=true").await;
    assert_eq!(
        (code, words.as_str()),
        (
            400,
            "previous terminated container \"a\" in pod \"web\" not found"
        )
    );
    assert_eq!(lab.get("/containerLogs/default/web/b").await.0, 400);
    assert_eq!(lab.get("/containerLogs/default/nope/a").await.0, 404);
    lab.pod(
        "image",
        json!({"containers": [{"name": "a", "image": "nginx"}]}),
    );
    lab.until("image", "refused", |r| r.to_string().contains("ImagePull"))
        .await;
    let (code, words) = lab.get("/containerLogs/default/image/a").await;
    assert_eq!(code, 400);
    assert!(words.contains("is waiting to start"), "{words}");
}

#[tokio::test]
async fn following_a_log_ends_with_the_container() {
    let lab = Lab::new();
    let mut spec = one("echo one; sleep 0.5; echo two");
    spec["restartPolicy"] = json!("Never");
    lab.pod("web", spec);
    lab.says("web", "a", "one").await;
    let (code, text) = lab.get("/containerLogs/default/web/a?follow=true").await;
    assert_eq!((code, text.as_str()), (200, "one\ntwo\n"));
}

#[tokio::test]
async fn attach_shows_what_is_said_from_now_on_and_writes_to_standard_input() {
    let lab = Lab::new();
    let mut a = shell("echo up; read word; echo got $word");
    a["stdin"] = json!(true);
    lab.pod("web", json!({"restartPolicy": "Never", "containers": [a]}));
    lab.says("web", "a", "up").await;
    let mut socket = connect(
        &lab,
        "/attach/default/web/a?stdin=true&stdout=true",
        "v5.channel.k8s.io",
    )
    .await;
    socket.send(frame(0, "milk\n")).await.unwrap();
    let [_, out, _, end] = collect(socket).await;
    assert_eq!(out, "got milk\n");
    assert!(end.contains("Success"));
}

#[tokio::test]
async fn a_port_is_forwarded() {
    let lab = running().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut socket = connect(
        &lab,
        &format!("/portForward/default/web?ports={port}"),
        "v4.channel.k8s.io",
    )
    .await;
    for channel in [0u8, 1] {
        let Some(Ok(Message::Binary(bytes))) = socket.next().await else {
            panic!("no port")
        };
        assert_eq!(
            bytes.to_vec(),
            [&[channel][..], &port.to_le_bytes()].concat()
        );
    }
    let (mut program, _) = listener.accept().await.unwrap();
    socket.send(frame(0, "ping")).await.unwrap();
    let mut heard = [0; 4];
    program.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");
    program.write_all(b"pong").await.unwrap();
    let Some(Ok(Message::Binary(bytes))) = socket.next().await else {
        panic!("no answer")
    };
    assert_eq!(bytes.to_vec(), b"\0pong");
}

#[tokio::test]
async fn other_paths_and_protocols_are_refused() {
    let lab = running().await;
    assert_eq!(lab.get("/healthz").await, (200, "ok".into()));
    assert_eq!(lab.get("/etc/passwd").await.0, 404);
    assert_eq!(lab.get("/exec/default/web/a?command=id").await.0, 400);
    let stats: Value = serde_json::from_str(&lab.get("/stats/summary").await.1).unwrap();
    assert!(
        stats["pods"][0]["containers"][0]["memory"]["workingSetBytes"]
            .as_u64()
            .unwrap()
            > 0
    );
}
