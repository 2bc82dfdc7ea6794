//! The peer: etcd, one member on loopback, spoken to over gRPC without TLS.

mod proto;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::Samples;
use crate::load::{Round, VALUE, Write, age, rate, stamped};

type Sender = http2::SendRequest<BoxBody<Bytes, std::convert::Infallible>>;

/// Connections of many clients, as an API server has several.
const CONNECTIONS: usize = 4;

/// A running etcd; killed with its owner.
#[derive(Debug)]
pub struct Etcd {
    child: Child,
    port: u16,
    version: String,
    /// Rounds of writes so far: each makes keys of its own.
    rounds: AtomicU32,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Etcd {
    /// `None` if there is no etcd on this machine.
    ///
    /// # Errors
    /// When there is one that does not come up.
    pub async fn start(folder: &Path) -> Result<Option<Self>> {
        let Ok(told) = Command::new("etcd").arg("--version").output() else {
            return Ok(None);
        };
        let told = String::from_utf8_lossy(&told.stdout);
        let version = told.lines().next().unwrap_or("etcd").to_owned();
        let (port, peers) = (free_port()?, free_port()?);
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let child = Command::new("etcd")
            .arg("--data-dir")
            .arg(folder.join("etcd"))
            .args([
                "--listen-client-urls",
                &url(port),
                "--advertise-client-urls",
                &url(port),
            ])
            .args(["--listen-peer-urls", &url(peers)])
            .args(["--initial-advertise-peer-urls", &url(peers)])
            .args(["--initial-cluster", &format!("default={}", url(peers))])
            .args(["--logger", "zap", "--log-level", "error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("etcd does not start")?;
        let etcd = Self {
            child,
            port,
            version,
            rounds: AtomicU32::new(0),
        };
        etcd.wait().await?;
        Ok(Some(etcd))
    }

    /// What it calls itself.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    async fn wait(&self) -> Result<()> {
        for _ in 0..5000 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            if let Ok(mut sender) = self.connect().await
                && put(&mut sender, b"ready", vec![0; 8]).await.is_ok()
            {
                return Ok(());
            }
        }
        bail!("etcd does not become ready")
    }

    async fn connect(&self) -> Result<Sender> {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(16 << 20)
            .handshake(TokioIo::new(stream))
            .await?;
        cedge_tasks::spawn("bench/etcd", async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn connections(&self, clients: usize) -> Result<Vec<Sender>> {
        let count = if clients >= 16 { CONNECTIONS } else { 1 };
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(self.connect().await?);
        }
        Ok(connections)
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writers that each make keys, or replace their own, by compare-and-swap.
    ///
    /// # Errors
    /// What etcd says.
    pub async fn writes(&self, kind: Write, writers: usize, length: Duration) -> Result<Round> {
        let connections = self.connections(writers).await?;
        let round = self.rounds.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let mut sender = connections[writer % connections.len()].clone();
                cedge_tasks::spawn("bench/writer", async move {
                    let mut key = format!("/registry/pods/default/pod-{writer}").into_bytes();
                    let mut at = put(&mut sender, &key, vec![1; VALUE]).await?;
                    let mut latency = Samples::default();
                    while begun.elapsed() < length {
                        if kind == Write::Create {
                            at = 0;
                            key = format!("/registry/pods/{round}/{writer}/{}", latency.len())
                                .into_bytes();
                        }
                        let asked = Instant::now();
                        at = swap(&mut sender, &key, at).await?;
                        latency.push(asked.elapsed());
                    }
                    anyhow::Ok(latency)
                })
            })
            .collect();
        let mut round = Round::default();
        for task in tasks {
            round.latency.extend(task.await??);
        }
        round.per_second = rate(round.latency.len(), begun);
        Ok(round)
    }

    /// Watchers of one prefix, one put every `beat`; tells how old each change was when each watcher had it.
    ///
    /// # Errors
    /// What etcd says.
    pub async fn watches(
        &self,
        watchers: usize,
        length: Duration,
        beat: Duration,
    ) -> Result<Samples> {
        let connections = self.connections(watchers).await?;
        let begun = Instant::now();
        let ready = Arc::new(Semaphore::new(0));
        let stop = Arc::new(Semaphore::new(0));
        let mut tasks = Vec::with_capacity(watchers);
        for watcher in 0..watchers {
            let sender = connections[watcher % connections.len()].clone();
            let (ready, stop) = (ready.clone(), stop.clone());
            tasks.push(cedge_tasks::spawn("bench/watcher", async move {
                watch(sender, begun, &ready, &stop).await
            }));
        }
        let all = u32::try_from(watchers)?;
        ready.acquire_many(all).await?.forget();
        let mut sender = self.connect().await?;
        let mut beat = tokio::time::interval(beat);
        let started = Instant::now();
        while started.elapsed() < length {
            beat.tick().await;
            put(&mut sender, b"/registry/watched/pod", stamped(begun)).await?;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.close();
        let mut ages = Samples::default();
        for task in tasks {
            ages.extend(task.await??);
        }
        Ok(ages)
    }
}

async fn put(sender: &mut Sender, key: &[u8], value: Vec<u8>) -> Result<i64> {
    let put = proto::Put {
        key: key.to_vec(),
        value,
    };
    let answer: proto::PutAnswer = call(sender, "/etcdserverpb.KV/Put", &put).await?;
    Ok(answer.header.context("no header")?.revision)
}

async fn swap(sender: &mut Sender, key: &[u8], at: i64) -> Result<i64> {
    let txn = proto::Txn {
        compare: vec![proto::Compare {
            target: proto::TARGET_MOD,
            key: key.to_vec(),
            wanted: Some(proto::Wanted::ModRevision(at)),
        }],
        success: vec![proto::Operation {
            put: Some(proto::Put {
                key: key.to_vec(),
                value: vec![2; VALUE],
            }),
        }],
    };
    let answer: proto::TxnAnswer = call(sender, "/etcdserverpb.KV/Txn", &txn).await?;
    if !answer.succeeded {
        bail!("a compare-and-swap of a key of one's own failed");
    }
    Ok(answer.header.context("no header")?.revision)
}

async fn watch(
    mut sender: Sender,
    begun: Instant,
    ready: &Semaphore,
    stop: &Semaphore,
) -> Result<Samples> {
    let create = proto::Watch {
        create: Some(proto::WatchCreate {
            key: b"/registry/watched/".to_vec(),
            range_end: b"/registry/watched0".to_vec(),
        }),
    };
    // The request stays open, as watches may be added to it.
    let first = futures::stream::once(std::future::ready(frame(&create)));
    let open = futures::StreamExt::chain(first, futures::stream::pending());
    let frames = futures::StreamExt::map(open, |bytes| Ok(Frame::data(bytes)));
    let body = BoxBody::new(StreamBody::new(frames));
    let mut incoming = send(&mut sender, "/etcdserverpb.Watch/Watch", body).await?;
    let mut buffer = BytesMut::new();
    let mut ages = Samples::default();
    loop {
        let data = tokio::select! {
            biased;
            _ = stop.acquire() => return Ok(ages),
            data = incoming.frame() => data,
        };
        let Some(data) = data else {
            bail!("a watch ended");
        };
        if let Ok(data) = data?.into_data() {
            buffer.extend_from_slice(&data);
        }
        while let Some(answer) = message::<proto::WatchAnswer>(&mut buffer)? {
            if answer.created {
                ready.add_permits(1);
            }
            for event in answer.events {
                let kv = event.kv.context("an event without a key")?;
                ages.push(age(&kv.value, begun));
            }
        }
    }
}

async fn call<Q: Message, A: Message + Default>(
    sender: &mut Sender,
    path: &str,
    request: &Q,
) -> Result<A> {
    let body = BoxBody::new(Full::new(frame(request)));
    let answer = send(sender, path, body).await?.collect().await?;
    let failure = answer
        .trailers()
        .and_then(|t| t.get("grpc-status"))
        .filter(|status| status.as_bytes() != b"0")
        .cloned();
    if let Some(status) = failure {
        bail!("etcd answered {status:?}");
    }
    let mut buffer = BytesMut::from(&*answer.to_bytes());
    message(&mut buffer)?.ok_or_else(|| anyhow!("etcd answered nothing"))
}

async fn send(
    sender: &mut Sender,
    path: &str,
    body: BoxBody<Bytes, std::convert::Infallible>,
) -> Result<Incoming> {
    let request = http::Request::post(format!("http://127.0.0.1{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)?;
    sender.ready().await?;
    Ok(sender.send_request(request).await?.into_body())
}

/// One message with gRPC's head: not compressed, length.
fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(5 + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    bytes.extend_from_slice(&message.encode_to_vec());
    bytes.freeze()
}

/// Takes the next message off the buffer, if it is whole.
fn message<M: Message + Default>(buffer: &mut BytesMut) -> Result<Option<M>> {
    let Some(head) = buffer.get(1..5) else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let length = usize::try_from(length)?;
    if buffer.len() < 5 + length {
        return Ok(None);
    }
    buffer.advance(5);
    Ok(Some(M::decode(buffer.split_to(length))?))
}

fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}
