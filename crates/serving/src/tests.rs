use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cedge_pki::{Authority, Key, LiveCredential, Profile, Validity, tls};
use cedge_tasks::{Shutdown, Trigger, shutdown};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{Connection, Drained, Limits, RawConnection, Server, Stats, bind, splice};

const LINK: &[u8] = b"edge-link/1";
const SOON: Duration = Duration::from_secs(10);

struct Port {
    authority: Authority,
    live: Arc<LiveCredential>,
    address: SocketAddr,
    stats: Arc<Stats>,
    trigger: Trigger,
    running: JoinHandle<Drained>,
}

/// A port that says who asked, takes its time at `/slow`, echoes what is upgraded, and echoes on links.
async fn port(limits: Limits) -> Port {
    let authority = Authority::ephemeral();
    let live = LiveCredential::new(&server_credential(&authority));
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, stop) = shutdown();
    let server = Server::new(
        tls::api_server(Arc::clone(&live), &authority),
        tower::service_fn(answer),
    )
    .raw(
        LINK,
        tls::link_server(Arc::clone(&live), &authority, LINK),
        echo,
    )
    .limits(limits);
    let stats = server.stats();
    let running = cedge_tasks::spawn("test/port", server.serve(listener, stop));
    Port {
        authority,
        live,
        address,
        stats,
        trigger,
        running,
    }
}

fn server_credential(authority: &Authority) -> cedge_pki::Credential {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    authority
        .server_credential(names, cedge_tasks::clock::now())
        .unwrap()
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let connection = request.extensions().get::<Connection>().unwrap();
    let user = connection
        .identity()
        .map_or_else(|| "nobody".to_owned(), |i| i.user);
    if request.uri().path() == "/slow" {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    if request.uri().path() == "/large" {
        return Ok(Response::new(Full::new(vec![0; 64 << 20].into())));
    }
    if request.uri().path() == "/upgrade" {
        let upgrade = hyper::upgrade::on(&mut request);
        cedge_tasks::spawn("test/upgrade", async move {
            let (near, far) = tokio::io::duplex(64);
            cedge_tasks::spawn("test/echo", async move {
                let (mut read, mut write) = tokio::io::split(far);
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
            let upgraded = TokioIo::new(upgrade.await.unwrap());
            let _ = splice(upgraded, near, &Shutdown::never()).await;
        });
        let response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "echo")
            .body(Full::default());
        return Ok(response.unwrap());
    }
    Ok(Response::new(Full::new(user.into())))
}

async fn echo(raw: RawConnection) {
    let (mut read, mut write) = tokio::io::split(raw.stream);
    let _ = raw
        .shutdown
        .or(tokio::io::copy(&mut read, &mut write))
        .await;
}

// === impl Port ===

impl Port {
    fn client(&self, alpn: &[&[u8]]) -> Arc<ClientConfig> {
        let roots = [self.authority.certificate().clone()];
        let mut config = tls::api_client(&roots, None).unwrap();
        Arc::make_mut(&mut config).alpn_protocols = alpn.iter().map(|a| a.to_vec()).collect();
        config
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn connect(&self, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
        let name = "localhost".try_into().unwrap();
        TlsConnector::from(config)
            .connect(name, self.tcp().await)
            .await
    }

    async fn http1(&self) -> TlsStream<TcpStream> {
        self.connect(self.client(&[b"http/1.1"])).await.unwrap()
    }

    async fn ask(&self) -> String {
        let mut stream = self.http1().await;
        say(
            &mut stream,
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        )
        .await;
        hear(&mut stream).await
    }

    async fn stop(self) -> Drained {
        self.trigger.ask();
        timeout(SOON, self.running).await.unwrap().unwrap()
    }
}

async fn say<IO: tokio::io::AsyncWrite + Unpin>(io: &mut IO, text: &str) {
    io.write_all(text.as_bytes()).await.unwrap();
    io.flush().await.unwrap();
}

/// Everything until the other end closes, however it does.
async fn hear<IO: tokio::io::AsyncRead + Unpin>(io: &mut IO) -> String {
    let mut heard = Vec::new();
    let _ = timeout(SOON, io.read_to_end(&mut heard))
        .await
        .expect("the port closes in time");
    String::from_utf8_lossy(&heard).into_owned()
}

fn quick() -> Limits {
    Limits {
        handshake: Duration::from_millis(300),
        head: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        drain: Duration::from_secs(2),
        ..Limits::default()
    }
}

#[tokio::test]
async fn http1_http2_and_unnamed_clients_are_served_with_what_they_proved() {
    let port = port(Limits::default()).await;
    assert!(port.ask().await.ends_with("nobody"));

    let mut unnamed = port.connect(port.client(&[])).await.unwrap();
    say(&mut unnamed, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(hear(&mut unnamed).await.ends_with("nobody"));

    let profile = Profile::User {
        name: "jo".into(),
        group: None,
    };
    let validity = Validity::from_now(cedge_tasks::clock::now());
    let key = Arc::new(Key::generate());
    let jo = port.authority.issue(&profile, &key, validity).unwrap();
    let roots = [port.authority.certificate().clone()];
    let config = tls::api_client(&roots, Some(LiveCredential::new(&jo))).unwrap();
    let stream = port.connect(config).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    cedge_tasks::spawn("test/client", connection);
    let request = Request::get("https://localhost/").body(Empty::<Bytes>::new());
    let response = send.send_request(request.unwrap()).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "jo");
    drop(send);
    assert_eq!(port.stop().await, Drained::All);
}

#[tokio::test]
async fn a_client_that_asks_for_a_link_gets_the_raw_stream_on_the_same_port() {
    let port = port(Limits::default()).await;
    let site = Authority::ephemeral();
    let profile = Profile::Cluster { name: "a".into() };
    let validity = Validity::from_now(cedge_tasks::clock::now());
    let credential = port
        .authority
        .issue(&profile, site.key(), validity)
        .unwrap();
    let config = tls::link_client(port.authority.pin(), LiveCredential::new(&credential), LINK);
    let mut stream = port.connect(config).await.unwrap();
    say(&mut stream, "hello").await;
    let mut heard = [0; 5];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
    // Without a child's certificate there is no link.
    let mut stranger = port
        .connect(tls::join_client(port.authority.pin(), LINK))
        .await
        .unwrap();
    assert_eq!(hear(&mut stranger).await, "");
    assert_eq!(port.stop().await, Drained::All);
}

#[tokio::test]
async fn an_unknown_protocol_is_refused_in_the_handshake() {
    let port = port(Limits::default()).await;
    let refused = port.connect(port.client(&[b"smtp"])).await.unwrap_err();
    assert!(
        refused.to_string().contains("NoApplicationProtocol"),
        "{refused}"
    );
}

#[tokio::test]
async fn garbage_is_dropped_and_plain_http_is_told_what_is_wrong() {
    let port = port(quick()).await;
    for garbage in [
        &b"\x00\x01\x02\x03"[..],
        b"\x16\x03\x01\xff\xff",
        &[0x16; 5000],
    ] {
        let mut tcp = port.tcp().await;
        let _ = tcp.write_all(garbage).await;
        hear(&mut tcp).await;
    }
    let mut tcp = port.tcp().await;
    say(&mut tcp, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let heard = hear(&mut tcp).await;
    assert!(heard.starts_with("HTTP/1.0 400"), "{heard}");
    assert!(heard.contains("use https://"), "{heard}");
    assert_eq!(port.stats.failed_handshakes(), 4);
    assert!(port.ask().await.ends_with("nobody"), "the port goes on");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_ended() {
    let port = port(quick()).await;
    let mut silent = port.tcp().await;
    assert_eq!(hear(&mut silent).await, "");
    let mut half = port.tcp().await;
    half.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
    hear(&mut half).await;
    assert_eq!(port.stats.failed_handshakes(), 2);
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off() {
    let port = port(quick()).await;
    let mut slow = port.http1().await;
    let dripping = async {
        for sign in "GET / HTTP/1.1\r\nhost: ".bytes().cycle() {
            if slow.write_all(&[sign]).await.is_err() || slow.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, dripping).await.expect("it is cut off");
}

#[tokio::test]
async fn silence_after_the_handshake_is_ended_for_every_version() {
    let port = port(quick()).await;
    for alpn in [&b"h2"[..], b"http/1.1"] {
        let mut silent = port.connect(port.client(&[alpn])).await.unwrap();
        hear(&mut silent).await;
    }
    // An HTTP/2 client that says hello and then nothing is idle.
    let mut idle = port.connect(port.client(&[b"h2"])).await.unwrap();
    say(
        &mut idle,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    )
    .await;
    hear(&mut idle).await;
}

#[tokio::test]
async fn an_oversize_head_is_refused() {
    let port = port(Limits::default()).await;
    let mut stream = port.http1().await;
    let head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.flush().await;
    let heard = hear(&mut stream).await;
    assert!(
        heard.is_empty() || heard.starts_with("HTTP/1.1 431"),
        "{heard}"
    );
}

#[tokio::test]
async fn those_who_are_too_many_are_told_so_and_served_when_there_is_room() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let port = port(limits).await;
    let (first, second) = (port.http1().await, port.http1().await);
    let heard = port.ask().await;
    assert!(heard.starts_with("HTTP/1.1 503"), "{heard}");
    assert!(heard.contains("too many connections"), "{heard}");
    assert!(heard.contains("retry-after: 5"), "{heard}");
    assert_eq!(port.stats.refused(), 1);
    drop((first, second));
    timeout(SOON, async {
        while !port.ask().await.ends_with("nobody") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_is_in_flight_finishes_when_the_port_stops() {
    let port = port(Limits::default()).await;
    let mut stream = port.http1().await;
    say(&mut stream, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    while port.stats.accepted() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let address = port.address;
    let (drained, heard) = tokio::join!(port.stop(), hear(&mut stream));
    assert_eq!(drained, Drained::All);
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut_off_and_counted() {
    let limits = Limits {
        drain: Duration::from_millis(100),
        ..Limits::default()
    };
    let port = port(limits).await;
    let mut upgraded = upgraded(&port).await;
    say(&mut upgraded, "x").await;
    let stopped = port.stop().await;
    assert_eq!(stopped, Drained::Cut(1));
}

async fn upgraded(port: &Port) -> TlsStream<TcpStream> {
    let mut stream = port.http1().await;
    let ask = "GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    say(&mut stream, ask).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    stream
}

#[tokio::test]
async fn a_client_that_does_not_read_what_it_asked_for_is_cut_off() {
    let limits = Limits {
        unread: Duration::from_millis(500),
        ..quick()
    };
    let port = port(limits).await;
    let (mut deaf, mut slow) = (port.http1().await, port.http1().await);
    for stream in [&mut deaf, &mut slow] {
        say(stream, "GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await;
    }
    let mut piece = vec![0; 256 << 10];
    timeout(SOON, async {
        while port.stats.open() > 1 {
            // Who reads a little now and then is waited for.
            slow.read_exact(&mut piece).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    slow.read_exact(&mut piece).await.unwrap();
}

#[tokio::test]
async fn an_upgraded_connection_is_spliced_both_ways_and_keeps_its_place() {
    let limits = Limits {
        connections: 1,
        ..quick()
    };
    let port = port(limits).await;
    let mut stream = upgraded(&port).await;
    // Longer than an idle connection may live.
    tokio::time::sleep(Duration::from_millis(500)).await;
    say(&mut stream, "ping").await;
    let mut heard = [0; 4];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");
    assert_eq!(port.stats.open(), 1);
    assert!(port.ask().await.starts_with("HTTP/1.1 503"));
    stream.shutdown().await.unwrap();
    hear(&mut stream).await;
    drop(stream);
    timeout(SOON, async {
        while port.stats.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let port = port(Limits::default()).await;
    let shown = async || {
        let stream = port.http1().await;
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let before = shown().await;
    port.live.replace(&server_credential(&port.authority));
    assert_ne!(shown().await, before);
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_likely_remedy() {
    let taken = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address).await.unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    assert!(error.contains("another program"), "{error}");
    let error = bind("192.0.2.1:0".parse().unwrap()).await.unwrap_err();
    assert!(
        error.to_string().contains("no network interface"),
        "{error}"
    );
}

#[tokio::test]
async fn a_stream_of_another_kind_is_served_for_the_user_it_is_vouched_for() {
    let (mut near, far) = tokio::io::duplex(4096);
    let jo = cedge_pki::Identity::authenticated("edge:parent:a", ["edge:parent"]);
    let serving = cedge_tasks::spawn("test/stream", async move {
        let limits = Limits::default();
        let connection = Connection::vouched(jo);
        crate::serve_stream(
            far,
            tower::service_fn(answer),
            connection,
            &limits,
            &Shutdown::never(),
        )
        .await
    });
    say(
        &mut near,
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(hear(&mut near).await.ends_with("edge:parent:a"));
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_short_request_may_have_a_long_answer() {
    let limits = Limits {
        head: Duration::from_millis(100),
        ..Limits::default()
    };
    let port = port(limits).await;
    let mut stream = port.http1().await;
    // Shorter than the preface of HTTP/2, and answered later than a head may take.
    say(&mut stream, "GET /slow HTTP/1.0\r\n\r\n").await;
    let heard = hear(&mut stream).await;
    assert!(heard.ends_with("nobody"), "{heard}");
}

#[tokio::test]
async fn a_flood_of_every_kind_of_nonsense_leaves_the_port_serving() {
    let limits = Limits {
        connections: 64,
        ..quick()
    };
    let port = port(limits).await;
    let mut floods = Vec::new();
    for seed in 0..200u32 {
        let address = port.address;
        floods.push(cedge_tasks::spawn("test/flood", async move {
            let Ok(mut tcp) = TcpStream::connect(address).await else {
                return;
            };
            let noise = noise(seed);
            let _ = tcp.write_all(&noise).await;
            if seed % 3 == 0 {
                let _ = timeout(Duration::from_secs(1), tcp.read_u8()).await;
            }
        }));
    }
    for flood in floods {
        flood.await.unwrap();
    }
    timeout(SOON, async {
        while port.stats.open() > 0 || !port.ask().await.ends_with("nobody") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("it serves again");
    assert_eq!(port.stop().await, Drained::All);
}

/// Bytes that begin as TLS, as HTTP, or as nothing, and go on at random.
fn noise(seed: u32) -> Vec<u8> {
    let beginnings: [&[u8]; 5] = [
        b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03",
        b"\x16\x03\x03\x40\x01",
        b"GET /",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0",
    ];
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut bytes = beginnings[seed as usize % 5].to_vec();
    for _ in 0..seed % 700 {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes.push(state.to_le_bytes()[0]);
    }
    bytes
}

#[tokio::test]
async fn an_http2_client_that_opens_and_cancels_without_end_is_sent_away() {
    let port = port(Limits::default()).await;
    let stream = port.connect(port.client(&[b"h2"])).await.unwrap();
    let mut wire = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for stream_id in (1..8001u32).step_by(2) {
        // HEADERS with GET, https, `/slow` (never indexed), authority `a`; then RST_STREAM.
        let block = [&b"\x82\x87\x04\x05/slow\x01\x01a"[..]].concat();
        wire.extend([0, 0, block.len().to_le_bytes()[0], 1, 5]);
        wire.extend(stream_id.to_be_bytes());
        wire.extend(&block);
        wire.extend([0, 0, 4, 3, 0]);
        wire.extend(stream_id.to_be_bytes());
        wire.extend([0, 0, 0, 8]);
    }
    let (mut read, mut write) = tokio::io::split(stream);
    let sending = async {
        let _ = write.write_all(&wire).await;
        let _ = write.flush().await;
    };
    let (heard, ()) = tokio::join!(hear(&mut read), sending);
    // GOAWAY (frame type 7) with ENHANCE_YOUR_CALM (11).
    assert!(
        heard.as_bytes().windows(2).any(|w| w == [0, 11]),
        "{heard:?}"
    );
    assert!(port.ask().await.ends_with("nobody"), "others are served");
}
