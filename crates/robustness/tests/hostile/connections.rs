//! Connections that do not keep to what they are for.

use std::time::Duration;

use bytes::Bytes;
use cedge_e2e::{enabled, say};
use cedge_robustness::door::Door;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::Siege;

/// The server gives a head half a minute; a busy machine some more.
const CLOSED_WITHIN: Duration = Duration::from_secs(75);
const SILENT: usize = 200;
const SLOW: usize = 100;
const RESETS: usize = 5000;
const STREAMS: u32 = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_or_nonsense_are_ended() {
    if !enabled("connections_that_say_nothing_or_nonsense_are_ended") {
        return;
    }
    let siege = Siege::lay("connections").await;
    let door = siege.door();
    let begun = Instant::now();
    let mut waiting = Vec::new();
    for _ in 0..SILENT {
        // Not even a handshake.
        let mut socket = TcpStream::connect(door.address())
            .await
            .expect("a connection");
        waiting.push(cedge_tasks::spawn("hostile/silent", async move {
            timeout(CLOSED_WITHIN, socket.read(&mut [0; 64]))
                .await
                .is_ok()
        }));
    }
    for _ in 0..SLOW {
        waiting.push(cedge_tasks::spawn("hostile/slow", drip(door.clone())));
    }
    rapid_reset(&door).await;
    too_many_streams(&door).await;
    nonsense(&door).await;
    for closed in waiting {
        assert!(
            closed.await.expect("a client"),
            "a connection is kept open for nothing"
        );
    }
    say(&format!(
        "{SILENT} silent connections and {SLOW} slow ones were ended within {:.0} s",
        begun.elapsed().as_secs_f64()
    ));
    siege.ends(512).await;
}

/// A head, byte by byte; whether the server ends that.
async fn drip(door: Door) -> bool {
    let Ok(mut stream) = door.stream().await else {
        return true;
    };
    let _ = stream.write_all(b"GET /api HTTP/1.1\r\nx-slow: ").await;
    let dripping = async {
        let mut byte = [0; 64];
        loop {
            match timeout(Duration::from_secs(1), stream.read(&mut byte)).await {
                // Told so, or closed.
                Ok(_) => return,
                Err(_) => {
                    if stream.write_all(b"x").await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    timeout(CLOSED_WITHIN, dripping).await.is_ok()
}

/// Streams that are opened and reset at once, again and again.
async fn rapid_reset(door: &Door) {
    let mut refused = 0;
    for _ in 0..5 {
        let stream = door.h2().stream().await.expect("a connection");
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.expect("HTTP/2");
        let connection = cedge_tasks::spawn("hostile/h2", connection);
        for _ in 0..RESETS / 5 {
            if sender.ready().await.is_err() {
                refused += 1;
                break;
            }
            let request = Request::get("https://hostile/api/v1/configmaps")
                .body(Empty::<Bytes>::new())
                .expect("a request");
            // Polled once, so that it is sent; then dropped.
            let _ = timeout(Duration::ZERO, sender.send_request(request)).await;
            tokio::task::yield_now().await;
        }
        connection.abort();
    }
    say(&format!(
        "rapid reset: {refused} of 5 connections were ended by the server"
    ));
}

/// More streams at once than the server allows, from who does not care.
async fn too_many_streams(door: &Door) {
    let mut stream = door.h2().stream().await.expect("a connection");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    let path = b"/api/v1/configmaps?watch=1";
    let mut block = vec![
        0x82,
        0x87,
        0x41,
        1,
        b'x',
        0x04,
        u8::try_from(path.len()).expect("short"),
    ];
    block.extend_from_slice(path);
    for number in 0..STREAMS {
        bytes.extend_from_slice(&[0, 0, u8::try_from(block.len()).expect("short"), 1, 5]);
        bytes.extend_from_slice(&(number * 2 + 1).to_be_bytes());
        bytes.extend_from_slice(&block);
    }
    let _ = stream.write_all(&bytes).await;
    let mut answer = vec![0; 64 << 10];
    let mut read = 0;
    while let Ok(Ok(more)) = timeout(Duration::from_secs(2), stream.read(&mut answer)).await
        && more > 0
    {
        read += more;
    }
    say(&format!(
        "{STREAMS} streams at once: {read} bytes came back"
    ));
}

/// Upgrades without a protocol, and bytes that are none.
async fn nonsense(door: &Door) {
    let heads = [
        "GET /api/v1/namespaces/default/pods/x/exec?command=a HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: !!!\r\n\r\n\u{1}\u{2}\u{3}",
        "GET /api/v1/namespaces/default/pods/x/portforward HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: SPDY/3.1\r\n\r\n\u{7f}\u{7f}\u{7f}\u{7f}",
        "\u{16}\u{3}\u{1}nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /api/v1/namespaces HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "POST /api/v1/namespaces HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    ];
    for head in heads {
        let mut stream = door.stream().await.expect("a connection");
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = vec![0; 4096];
        let read = timeout(Duration::from_secs(30), stream.read(&mut answer)).await;
        let read = read
            .unwrap_or_else(|_| panic!("no word for {head:?}"))
            .unwrap_or(0);
        let said = String::from_utf8_lossy(&answer[..read]);
        assert!(
            read == 0 || said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.1 5"),
            "{head:?}: {said}"
        );
    }
    // Many small headers are one large head.
    let stream = door.h2().stream().await.expect("a connection");
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.expect("HTTP/2");
    let connection = cedge_tasks::spawn("hostile/h2", connection);
    let mut request = Request::get("https://hostile/api");
    for n in 0..3000 {
        request = request.header(format!("x-{n}"), "y");
    }
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    if let Ok(Ok(answer)) = timeout(Duration::from_secs(30), sender.send_request(request)).await {
        assert_eq!(answer.status().as_u16(), 431);
        let _ = answer.into_body().collect().await;
    }
    connection.abort();
}
