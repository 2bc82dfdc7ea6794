//! What runs in the sync stream: one half listens, the other speaks, so that two ends that both have much to say never
//! wait for each other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cedge_tasks::Shutdown;
use cedge_wire::encode;
use cedge_wire::link::{Body, Frame, Heartbeat, Renew, Renewed};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::frames::{FrameError, say};
use super::run::RenewalRequest;
use super::tables::{Sending, Tables};
use super::{Closed, Frames, Pace, Stream, Traffic};
use crate::{Refusal, RefusalReason};

/// How often machines look at the time when nothing else happens.
const TICK: Duration = Duration::from_secs(15);
/// After so many frames the listener waits for the disk: a peer that sends faster than it writes has to wait.
const FRAMES_PER_WAIT: usize = 256;
/// What is written together.
const WRITE_TOGETHER: usize = 16 * 1024;
/// How long last words may take.
const FAREWELL_WITHIN: Duration = Duration::from_secs(1);

/// Where the answer to our request for renewal goes.
pub(super) type Asked = Arc<Mutex<Option<oneshot::Sender<Renewed>>>>;

/// Both halves.
pub(super) struct Talk {
    pub(super) listener: Listener,
    pub(super) speaker: Speaker,
    pub(super) end: watch::Receiver<Option<Refusal>>,
    pub(super) stop: oneshot::Sender<()>,
}

/// The half that listens.
pub(super) struct Listener {
    pub(super) tables: Tables,
    pub(super) renewals: Option<mpsc::Sender<RenewalRequest>>,
    pub(super) asked: Asked,
    pub(super) control: mpsc::Sender<Body>,
    /// A table that is none of the peer's was complained about.
    pub(super) strange_table: bool,
}

/// The half that speaks.
pub(super) struct Speaker {
    pub(super) tables: Tables,
    pub(super) sending: Sending,
    pub(super) out: WriteHalf<Stream>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) pace: watch::Receiver<Pace>,
    pub(super) controls: mpsc::Receiver<Body>,
    pub(super) renew: Option<mpsc::Receiver<RenewalRequest>>,
    pub(super) asked: Asked,
    /// A frame is half written: nothing can follow it.
    pub(super) writing: bool,
}

// === impl Talk ===

impl Talk {
    pub(super) async fn run(
        self,
        frames: Frames<ReadHalf<Stream>>,
        mut ended: oneshot::Receiver<String>,
        shutdown: Shutdown,
    ) -> Closed {
        let Self {
            listener,
            mut speaker,
            mut end,
            stop,
        } = self;
        let reason = tokio::select! {
            biased;
            // All of it ends here, so nothing is lost by dropping the others.
            () = shutdown.wait() => Closed::Local,
            refusal = ending(&mut end) => Closed::Refused(refusal),
            closed = listener.run(frames) => closed,
            closed = speaker.run() => closed,
            lost = &mut ended => Closed::Lost(lost.unwrap_or_default()),
        };
        speaker.farewell(&reason).await;
        // The peer sees the end of the connection when the multiplexer stops.
        drop(stop);
        if !matches!(reason, Closed::Lost(_)) {
            let _ = tokio::time::timeout(FAREWELL_WITHIN, ended).await;
        }
        reason
    }
}

async fn ending(end: &mut watch::Receiver<Option<Refusal>>) -> Refusal {
    let reason = end
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|reason| reason.clone());
    match reason {
        Some(reason) => reason,
        None => std::future::pending().await,
    }
}

// === impl Listener ===

impl Listener {
    async fn run(mut self, mut frames: Frames<ReadHalf<Stream>>) -> Closed {
        let mut received = 0usize;
        loop {
            let frame = match frames.next::<Frame>().await {
                Ok(frame) => frame,
                Err(FrameError::Wire(error)) => return broken(&error),
                Err(error) => return Closed::Lost(error.to_string()),
            };
            received += 1;
            if received.is_multiple_of(FRAMES_PER_WAIT) {
                self.tables.stored().await;
            }
            if let Some(body) = frame.body
                && let Err(closed) = self.heard(body)
            {
                return closed;
            }
        }
    }

    fn heard(&mut self, body: Body) -> Result<(), Closed> {
        match body {
            Body::Table(frame) => {
                let table: String = frame.table.chars().take(64).collect();
                let known = self.tables.receive(frame).map_err(|error| broken(&error))?;
                // What came may be answered, or wants to be looked at in a while.
                self.tables.wake.notify_one();
                if !known && !std::mem::replace(&mut self.strange_table, true) {
                    tracing::warn!(table, "a peer speaks of a table that it has no part in");
                }
            }
            Body::Goodbye(goodbye) => return Err(Closed::Refused(Refusal::from_wire(&goodbye))),
            Body::Renew(Renew { csr }) => self.renewal(csr),
            Body::Renewed(renewed) => {
                if let Some(asked) = lock(&self.asked).take() {
                    let _ = asked.send(renewed);
                }
            }
            Body::Hello(_) | Body::Heartbeat(_) => {}
        }
        Ok(())
    }

    /// Passes a request for renewal on; its answer is said when it comes.
    fn renewal(&self, csr: Vec<u8>) {
        let Some(renewals) = &self.renewals else {
            return;
        };
        let (answer, answered) = oneshot::channel();
        if renewals.try_send((csr, answer)).is_ok() {
            let control = self.control.clone();
            cedge_tasks::spawn("link/renewal", async move {
                if let Ok(renewed) = answered.await {
                    let _ = control.send(Body::Renewed(renewed)).await;
                }
            });
        }
    }
}

/// The peer broke the protocol: that is said once, here and there.
fn broken(error: &dyn std::fmt::Display) -> Closed {
    tracing::warn!(%error, "a peer broke the protocol of the link; it is closed");
    Closed::Refused(Refusal::new(RefusalReason::BadRequest, error.to_string()))
}

fn lock(asked: &Asked) -> std::sync::MutexGuard<'_, Option<oneshot::Sender<Renewed>>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Speaker ===

impl Speaker {
    async fn run(&mut self) -> Closed {
        loop {
            if let Err(closed) = self.turn().await {
                return closed;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Closed> {
        self.flush_tables().await?;
        let wake = Arc::clone(&self.tables.wake);
        let next_tick = self.next_tick();
        tokio::select! {
            biased;
            // Each may be dropped: what is not taken is told again.
            Some(body) = self.controls.recv() => self.say(body).await,
            request = next_of(&mut self.renew) => self.ask_renewal(request).await,
            () = wake.notified() => Ok(()),
            // The sender lives in the session, which may be gone.
            Ok(()) = self.pace.changed() => Ok(()),
            () = tokio::time::sleep_until(next_tick) => self.tick().await,
        }
    }

    async fn flush_tables(&mut self) -> Result<(), Closed> {
        let mut batch = Vec::new();
        while let Some(body) = self.sending.next() {
            batch.extend(encode(&Frame { body: Some(body) }));
            if batch.len() >= WRITE_TOGETHER {
                // There is probably more: come back at once.
                self.tables.wake.notify_one();
                break;
            }
        }
        if batch.is_empty() {
            Ok(())
        } else {
            self.write(&batch).await
        }
    }

    async fn say(&mut self, body: Body) -> Result<(), Closed> {
        self.write(&encode(&Frame { body: Some(body) })).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        self.writing = true;
        let write = async {
            self.out.write_all(bytes).await?;
            self.out.flush().await
        };
        // A peer that takes nothing for so long is not there.
        let silence = self.pace.borrow().silence;
        match tokio::time::timeout(silence, write).await {
            Ok(Ok(())) => {
                self.writing = false;
                Ok(())
            }
            Ok(Err(error)) => Err(Closed::Lost(error.to_string())),
            Err(_) => Err(Closed::Silent),
        }
    }

    async fn ask_renewal(&mut self, request: Option<RenewalRequest>) -> Result<(), Closed> {
        let Some((csr, answer)) = request else {
            self.renew = None;
            return Ok(());
        };
        *lock(&self.asked) = Some(answer);
        self.say(Body::Renew(Renew { csr })).await
    }

    fn next_tick(&self) -> Instant {
        let (now, pace) = (Instant::now(), *self.pace.borrow());
        let tick = self
            .tables
            .deadline()
            .map_or(now + TICK, |wait| now + wait.min(TICK));
        let speak = self.traffic.spoke() + pace.heartbeat;
        let silent = self.traffic.heard() + pace.silence;
        tick.min(speak)
            .min(silent)
            .max(now + Duration::from_millis(1))
    }

    async fn tick(&mut self) -> Result<(), Closed> {
        let (now, pace) = (Instant::now(), *self.pace.borrow());
        if self.traffic.heard() + pace.silence <= now {
            return Err(Closed::Silent);
        }
        self.tables.tick();
        if self.traffic.spoke() + pace.heartbeat <= now {
            self.say(Body::Heartbeat(Heartbeat {})).await?;
        }
        Ok(())
    }

    /// Tells the peer why, if there is anybody to tell.
    async fn farewell(mut self, reason: &Closed) {
        if self.writing {
            return;
        }
        if let Closed::Refused(refusal) = reason {
            let said = say(&mut self.out, Body::Goodbye(refusal.to_wire()));
            let _ = tokio::time::timeout(FAREWELL_WITHIN, said).await;
        }
        if matches!(reason, Closed::Refused(_) | Closed::Local) {
            let _ = tokio::time::timeout(FAREWELL_WITHIN, self.out.shutdown()).await;
        }
    }
}

async fn next_of<T>(receiver: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}
