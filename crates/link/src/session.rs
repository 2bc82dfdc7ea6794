//! One live link.

mod counted;
mod frames;
mod mux;
mod run;
mod stream;
mod tables;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use cedge_wire::link::Hello;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::{PeerId, Refusal, SessionError};

pub use cedge_wire::StreamKind;
pub(crate) use counted::Traffic;
pub(crate) use frames::Frames;
pub(crate) use mux::Io;
pub(crate) use run::{Parts, RenewalRequest, Side, Start, hello, start};
pub use stream::Stream;

/// How long a peer may take to accept a stream that is opened.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The peer closed it, or the network did.
    Lost(String),
    /// Nothing was heard for as long as silence is borne.
    Silent,
    /// The peer, or we, said why.
    Refused(Refusal),
    /// We are stopping.
    Local,
}

/// What a session has carried, inside TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

/// Streams that we wish to open wait for the multiplexer here.
pub(crate) type OpenRequest = oneshot::Sender<Result<yamux::Stream, SessionError>>;

#[derive(Debug)]
struct Shared {
    peer: PeerId,
    hello: Hello,
    opens: mpsc::Sender<OpenRequest>,
    accepted: Mutex<mpsc::Receiver<(StreamKind, Stream)>>,
    /// Somebody here wants it to end.
    ending: watch::Sender<Option<Refusal>>,
    closed: watch::Receiver<Option<Closed>>,
    traffic: Arc<Traffic>,
    /// How much silence is borne; read by the half that speaks.
    pace: watch::Sender<Pace>,
}

/// What an idle link costs, and how soon it is noticed that it is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// After so much silence the peer is given up.
    pub(crate) silence: Duration,
    /// After so much time we speak.
    pub(crate) heartbeat: Duration,
}

impl Pace {
    /// We speak as often as the other end needs it: how much silence we bear is the other end's matter.
    pub(crate) fn of(ours: Duration, theirs: Duration) -> Self {
        Self {
            silence: ours,
            heartbeat: theirs * 5 / 9,
        }
    }
}

/// One live link. Cheap to clone; it ends when either end closes it, not when clones are dropped.
#[derive(Debug, Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

impl Session {
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &PeerId {
        &self.shared.peer
    }

    /// What the other end said about itself.
    pub(crate) fn hello(&self) -> &Hello {
        &self.shared.hello
    }

    /// Whether two handles are of the same link.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Opens a stream to the peer.
    ///
    /// # Errors
    /// When the session has ended or the peer takes no more.
    ///
    /// *Cancel safety*: a stream that nobody waits for is closed.
    pub async fn open(&self, kind: StreamKind) -> Result<Stream, SessionError> {
        let open = async {
            let (answer, stream) = oneshot::channel();
            self.shared
                .opens
                .send(answer)
                .await
                .map_err(|_| SessionError::Closed)?;
            let stream = stream.await.map_err(|_| SessionError::Closed)??;
            Stream::begin(stream, kind)
                .await
                .map_err(|_| SessionError::Closed)
        };
        tokio::time::timeout(OPEN_WITHIN, open)
            .await
            .unwrap_or(Err(SessionError::Timeout))
    }

    /// The next stream that the peer opened; `None` when the session has ended. One caller at a time.
    ///
    /// *Cancel safety*: safe.
    pub async fn accept(&self) -> Option<(StreamKind, Stream)> {
        self.shared.accepted.lock().await.recv().await
    }

    /// Completes when the session has ended, with the reason.
    ///
    /// *Cancel safety*: safe.
    pub async fn closed(&self) -> Closed {
        let mut closed = self.shared.closed.clone();
        match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(Closed::Local),
            Err(_) => Closed::Local,
        }
    }

    /// Ends the session, telling the peer why.
    pub fn close(&self, reason: Refusal) {
        self.shared.ending.send_replace(Some(reason));
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.closed.borrow().is_some() || self.shared.closed.has_changed().is_err()
    }

    /// Bears that much silence from now on, and speaks accordingly. The other end is to be told by other means, before it
    /// gives us up.
    pub fn set_silence(&self, silence: Duration) {
        let pace = Pace::of(silence, silence);
        self.shared.pace.send_if_modified(|now| {
            let differs = now.silence != silence;
            if differs {
                *now = pace;
            }
            differs
        });
    }

    /// What it has carried.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.traffic.counters()
    }
}
