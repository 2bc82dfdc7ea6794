//! One priority level: seats, and queues of those who wait for one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cedge_kinds::read::Read;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::meta;

/// A level, with those who are in it.
#[derive(Debug)]
pub(crate) struct Level {
    name: String,
    uid: String,
    form: Form,
    state: Mutex<State>,
}

/// What a level is told to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nobody waits.
    Exempt,
    Limited {
        seats: usize,
        /// `None` sends away whoever finds no seat.
        queues: Option<Queues>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Queues {
    count: usize,
    /// Of how many queues a flow takes the shortest.
    hand: usize,
    length_max: usize,
}

#[derive(Debug, Default)]
struct State {
    executing: usize,
    waiting: usize,
    queues: Vec<VecDeque<oneshot::Sender<Seat>>>,
    /// The queue that is served next: each gets its turn, however long it is.
    next: usize,
}

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The level has no queues.
    NoQueue,
    QueueFull,
    TimeOut,
}

/// A seat; given to the next who waits when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    level: Option<Arc<Level>>,
}

// === impl Level ===

impl Level {
    pub(super) fn read(object: &Value, seats: usize) -> Self {
        let spec = object.field("spec");
        let response = spec.field("limited").field("limitResponse");
        let queuing = response.field("queuing");
        let number = |field: &str, default: i64| {
            let given = queuing.int(field).unwrap_or(default).max(1);
            usize::try_from(given).unwrap_or(1)
        };
        let queues = (response.text("type") == "Queue").then(|| {
            let count = number("queues", 64).min(10_000);
            Queues {
                count,
                hand: number("handSize", 8).min(count),
                length_max: number("queueLengthLimit", 50),
            }
        });
        let form = if spec.text("type") == "Exempt" {
            Form::Exempt
        } else {
            Form::Limited { seats, queues }
        };
        Self {
            name: meta::name(object).to_owned(),
            uid: meta::uid(object).to_owned(),
            form,
            state: Mutex::default(),
        }
    }

    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.uid == other.uid && self.form == other.form
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn uid(&self) -> &str {
        &self.uid
    }

    /// Seats that are taken, and requests that wait.
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.executing, state.waiting)
    }

    /// A seat for a request of a flow, now or when it is its turn.
    pub(super) async fn enter(
        self: &Arc<Self>,
        flow: u64,
        limit: Duration,
    ) -> Result<Seat, Refused> {
        let Form::Limited { seats, queues } = self.form else {
            return Ok(Seat { level: None });
        };
        let turn = {
            let mut state = self.lock();
            if state.executing < seats && state.waiting == 0 {
                state.executing += 1;
                return Ok(self.seat());
            }
            let queues = queues.ok_or(Refused::NoQueue)?;
            state.queue(queues, flow)?
        };
        match tokio::time::timeout(limit, turn).await {
            Ok(Ok(seat)) => Ok(seat),
            // Whoever gives the next seat finds that nobody waits here any more.
            Ok(Err(_)) | Err(_) => Err(Refused::TimeOut),
        }
    }

    fn seat(self: &Arc<Self>) -> Seat {
        Seat {
            level: Some(self.clone()),
        }
    }

    /// A seat is free: it goes to the next who still waits.
    fn leave(self: &Arc<Self>) {
        let mut state = self.lock();
        while let Some(waiting) = state.pop() {
            if waiting.is_closed() {
                continue;
            }
            // Sent outside of the lock: one who has gone meanwhile gives the seat back, which takes the lock again.
            drop(state);
            let _ = waiting.send(self.seat());
            return;
        }
        state.executing = state.executing.saturating_sub(1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// Stands in the shortest of the queues that a flow is dealt: two flows share all of theirs hardly ever.
    fn queue(&mut self, queues: Queues, flow: u64) -> Result<oneshot::Receiver<Seat>, Refused> {
        if self.queues.is_empty() {
            self.queues.resize_with(queues.count, VecDeque::new);
        }
        let hand = deal(flow, queues.count, queues.hand);
        let shortest = hand.into_iter().min_by_key(|i| self.queues[*i].len());
        let queue = &mut self.queues[shortest.unwrap_or_default()];
        if queue.len() >= queues.length_max {
            let before = queue.len();
            queue.retain(|waiting| !waiting.is_closed());
            self.waiting -= before - queue.len();
        }
        if queue.len() >= queues.length_max {
            return Err(Refused::QueueFull);
        }
        let (sender, receiver) = oneshot::channel();
        queue.push_back(sender);
        self.waiting += 1;
        Ok(receiver)
    }

    fn pop(&mut self) -> Option<oneshot::Sender<Seat>> {
        if self.waiting == 0 {
            return None;
        }
        let count = self.queues.len();
        let turn = (0..count).map(|i| (self.next + i) % count);
        let found = turn.into_iter().find(|i| !self.queues[*i].is_empty())?;
        self.next = (found + 1) % count;
        self.waiting -= 1;
        self.queues[found].pop_front()
    }
}

/// Different queues for a flow, as cards are dealt: the first of all, the next of those that are left.
fn deal(flow: u64, count: usize, hand: usize) -> Vec<usize> {
    let mut left: Vec<usize> = Vec::with_capacity(hand);
    let mut rest = flow;
    for dealt in 0..hand {
        let choices = (count - dealt) as u64;
        let mut card = usize::try_from(rest % choices).unwrap_or_default();
        rest /= choices;
        for taken in &left {
            if card >= *taken {
                card += 1;
            }
        }
        let at = left.partition_point(|taken| *taken < card);
        left.insert(at, card);
    }
    left
}

// === impl Seat ===

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(level) = self.level.take() {
            level.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_hand_holds_different_queues() {
        for flow in [0, 1, 12_345, u64::MAX] {
            let hand: BTreeSet<usize> = deal(flow, 16, 6).into_iter().collect();
            assert_eq!(hand.len(), 6);
            assert!(hand.iter().all(|q| *q < 16));
        }
        assert_eq!(deal(7, 4, 4), [0, 1, 2, 3]);
    }
}
