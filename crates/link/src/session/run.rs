//! A session from its handshake to its end.

use std::sync::Arc;
use std::time::Duration;

use cedge_tasks::{Shutdown, clock};
use cedge_wire::limits::{FRAME_MAX, FRAME_STRANGER_MAX, TABLES_MAX};
use cedge_wire::link::{Body, Frame, Hello, Renewed};
use cedge_wire::{VERSION_MAX, VERSION_MIN};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use super::frames::say;
use super::tables::{Sending, Tables};
use super::talk::{Listener, Speaker, Talk};
use super::{
    Closed, Frames, Io, OpenRequest, Pace, Session, Shared, Stream, StreamKind, Traffic, mux,
};
use crate::{Endpoint, PeerId, Refusal, RefusalReason, SessionError};

/// How long the other end may take to say hello.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// Streams that wait to be accepted.
const ACCEPT_QUEUE: usize = 32;
/// Answers of the listening half that wait for the speaking one.
const CONTROLS: usize = 8;

/// Which end we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// We dialed.
    Child,
    /// We accepted.
    Parent,
}

/// A connection whose multiplexer runs and whose sync stream is open: the two ends may say hello.
pub(crate) struct Start {
    pub(crate) traffic: Arc<Traffic>,
    frames: Frames<ReadHalf<Stream>>,
    out: WriteHalf<Stream>,
    opens: mpsc::Sender<OpenRequest>,
    stop: oneshot::Sender<()>,
    inbound: mpsc::Receiver<yamux::Stream>,
    ended: oneshot::Receiver<String>,
}

/// A request for a new certificate, and where the answer goes.
pub(crate) type RenewalRequest = (Vec<u8>, oneshot::Sender<Renewed>);

/// What a session is run with once both have said hello.
pub(crate) struct Parts {
    pub(crate) peer: PeerId,
    pub(crate) hello: Hello,
    pub(crate) silence: Duration,
    pub(crate) endpoints: Vec<Endpoint>,
    /// Parent: answers requests for renewal.
    pub(crate) renewals: Option<mpsc::Sender<RenewalRequest>>,
    /// Child: requests for renewal to be sent, with the answers.
    pub(crate) renew: Option<mpsc::Receiver<RenewalRequest>>,
}

/// Starts the multiplexer and opens, or waits for, the sync stream.
pub(crate) async fn start<T: Io>(io: T, side: Side) -> Result<Start, String> {
    let traffic = Traffic::new();
    let mode = if side == Side::Child {
        yamux::Mode::Client
    } else {
        yamux::Mode::Server
    };
    let connection = mux::connection(io, &traffic, mode);
    let (opens, open_requests) = mpsc::channel::<OpenRequest>(ACCEPT_QUEUE);
    let (inbound_sender, mut inbound) = mpsc::channel(ACCEPT_QUEUE);
    let (end, mut ended) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    cedge_tasks::spawn("link/mux", async move {
        let _ = end.send(mux::drive(connection, stopped, open_requests, inbound_sender).await);
    });
    let sync = async {
        match side {
            Side::Child => {
                let (answer, stream) = oneshot::channel();
                let closed = |_| SessionError::Closed.to_string();
                opens
                    .send(answer)
                    .await
                    .map_err(|_| SessionError::Closed.to_string())?;
                let stream = stream.await.map_err(closed)?.map_err(|e| e.to_string())?;
                Stream::begin(stream, StreamKind::Sync)
                    .await
                    .map_err(|e| e.to_string())
            }
            Side::Parent => {
                let stream = inbound
                    .recv()
                    .await
                    .ok_or("closed before the first stream")?;
                match Stream::identify(stream).await {
                    Some((StreamKind::Sync, stream)) => Ok(stream),
                    _ => Err("the first stream is not the one for tables".to_owned()),
                }
            }
        }
    };
    let stream = tokio::select! {
        biased;
        ended = &mut ended => return Err(ended.unwrap_or_default()),
        stream = tokio::time::timeout(HELLO_WITHIN, sync) => {
            stream.map_err(|_| "no stream for tables was opened in time".to_owned())??
        }
    };
    let (read, out) = tokio::io::split(stream);
    Ok(Start {
        traffic,
        frames: Frames::new(read, FRAME_STRANGER_MAX),
        out,
        opens,
        stop,
        inbound,
        ended,
    })
}

/// What we say first.
pub(crate) fn hello(name: &str, silence: Duration, endpoints: &[Endpoint]) -> Hello {
    Hello {
        version_min: VERSION_MIN,
        version_max: VERSION_MAX,
        name: name.to_owned(),
        silence_millis: u64::try_from(silence.as_millis()).unwrap_or(u64::MAX),
        clock: clock::now().as_second(),
        tables: Tables::listed(endpoints),
        renewal_only: false,
        program: concat!("cedge/", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

impl Start {
    /// Says hello.
    pub(crate) async fn say_hello(&mut self, hello: Hello) -> Result<(), String> {
        let said = tokio::time::timeout(HELLO_WITHIN, say(&mut self.out, Body::Hello(hello))).await;
        said.map_err(|_| "the other end does not read".to_owned())?
            .map_err(|e| e.to_string())
    }

    /// Says why not, and ends it.
    pub(crate) async fn refuse(mut self, refusal: &Refusal) {
        let said = say(&mut self.out, Body::Goodbye(refusal.to_wire()));
        let _ = tokio::time::timeout(Duration::from_secs(2), said).await;
        // Closing waits until the words are out.
        let _ = self.out.shutdown().await;
        drop(self.stop);
        let _ = tokio::time::timeout(Duration::from_secs(2), self.ended).await;
    }

    /// Hears the other end's hello, or why not.
    pub(crate) async fn hear_hello(&mut self) -> Result<Hello, Closed> {
        let heard = tokio::time::timeout(HELLO_WITHIN, self.frames.next::<Frame>()).await;
        let frame = match heard {
            Err(_) => return Err(Closed::Silent),
            Ok(Err(error)) => return Err(Closed::Lost(error.to_string())),
            Ok(Ok(frame)) => frame,
        };
        match frame.body {
            Some(Body::Hello(hello)) => check_hello(hello).map_err(Closed::Refused),
            Some(Body::Goodbye(goodbye)) => Err(Closed::Refused(Refusal::from_wire(&goodbye))),
            _ => Err(Closed::Lost("what came first is not a hello".to_owned())),
        }
    }

    /// The session: runs in tasks of its own until either end closes it, or `shutdown` comes.
    pub(crate) fn run(self, parts: Parts, shutdown: Shutdown) -> Session {
        let Self {
            traffic,
            mut frames,
            out,
            opens,
            stop,
            inbound,
            ended,
        } = self;
        frames.allow(FRAME_MAX);
        let (accepted_sender, accepted) = mpsc::channel(ACCEPT_QUEUE);
        let (ending, end) = watch::channel(None);
        let (closing, closed) = watch::channel(None);
        let theirs =
            Duration::from_millis(parts.hello.silence_millis).max(Duration::from_millis(200));
        let (pace, paced) = watch::channel(Pace::of(parts.silence, theirs));
        let session = Session {
            shared: Arc::new(Shared {
                peer: parts.peer,
                hello: parts.hello.clone(),
                opens,
                accepted: Mutex::new(accepted),
                ending,
                closed,
                traffic: Arc::clone(&traffic),
                pace,
            }),
        };
        let (control, controls) = mpsc::channel(CONTROLS);
        let tables = Tables::attach(&parts.endpoints, &parts.hello);
        let asked = Arc::default();
        let listener = Listener {
            tables: tables.clone(),
            renewals: parts.renewals,
            asked: Arc::clone(&asked),
            control,
            strange_table: false,
        };
        let speaker = Speaker {
            sending: Sending::of(&tables),
            tables,
            out,
            traffic,
            pace: paced,
            controls,
            renew: parts.renew,
            asked,
            writing: false,
        };
        let talk = Talk {
            listener,
            speaker,
            end,
            stop,
        };
        let peer = session.peer().name.clone();
        cedge_tasks::spawn("link/session", async move {
            let accepting = cedge_tasks::spawn("link/accept", sort(inbound, accepted_sender));
            let reason = talk.run(frames, ended, shutdown).await;
            accepting.abort();
            tracing::debug!(peer, ?reason, "link ended");
            closing.send_replace(Some(reason));
        });
        session
    }
}

fn check_hello(hello: Hello) -> Result<Hello, Refusal> {
    if hello.version_min > VERSION_MAX || hello.version_max < VERSION_MIN {
        let message = format!(
            "it speaks versions {} to {} of the link protocol, we {VERSION_MIN} to {VERSION_MAX}",
            hello.version_min, hello.version_max
        );
        return Err(Refusal::new(RefusalReason::Version, message));
    }
    if hello.tables.len() > TABLES_MAX || hello.name.len() > 256 {
        return Err(Refusal::new(RefusalReason::BadRequest, "an oversize hello"));
    }
    Ok(hello)
}

/// Finds out what the peer's streams are for, each in its own time.
async fn sort(
    mut inbound: mpsc::Receiver<yamux::Stream>,
    accepted: mpsc::Sender<(StreamKind, Stream)>,
) {
    while let Some(stream) = inbound.recv().await {
        let accepted = accepted.clone();
        cedge_tasks::spawn("link/stream", async move {
            match Stream::identify(stream).await {
                Some((StreamKind::Sync, _)) | None => {}
                // If nobody accepts, the stream is closed, and its opener sees that.
                Some(known) => drop(accepted.try_send(known)),
            }
        });
    }
}
