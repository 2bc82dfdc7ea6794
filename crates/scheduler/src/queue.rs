//! The pods that wait for a node: by priority, then by age. A machine without a clock of its own.
//!
//! A pod is *active*, or *parked* until a change that may help, or *backing off* after such a change came too soon, or
//! being *placed*, or *failed* to be bound. Nothing is tried by the clock alone, but for the last. Who backs off yields to
//! others: where no others are, it is tried at once, as in Kubernetes.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use cedge_informer::Key;
use tokio::time::Instant;

use crate::decide::Causes;

/// As Kubernetes: one second after the first try, twice as long each time, ten at most.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(crate) struct Queue {
    pods: HashMap<Key, Waiting>,
    active: BTreeSet<Turn>,
    backing_off: BTreeSet<(Instant, Turn)>,
    failed: BTreeSet<(Instant, Turn)>,
    arrivals: u64,
}

/// Greatest priority first, then first come, first served.
type Turn = (Reverse<i32>, u64, Key);

#[derive(Debug)]
struct Waiting {
    turn: Turn,
    attempts: u32,
    last_attempt: Option<Instant>,
    state: State,
    /// Whether room is being made for it: then it does not back off.
    is_urgent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    BackingOff(Instant),
    Failed(Instant),
    Parked(Causes),
    Placed,
}

// === impl Queue ===

impl Queue {
    /// A pod that wants a node, new or changed: it is tried at once.
    pub(crate) fn add(&mut self, key: &Key, priority: i32) {
        let arrival = match self.remove(key) {
            Some(known) => known.turn.1,
            None => {
                self.arrivals += 1;
                self.arrivals
            }
        };
        let turn = (Reverse(priority), arrival, key.clone());
        self.active.insert(turn.clone());
        let waiting = Waiting {
            turn,
            attempts: 0,
            last_attempt: None,
            state: State::Active,
            is_urgent: false,
        };
        self.pods.insert(key.clone(), waiting);
    }

    /// A pod that wants no node any more.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.remove(key);
    }

    pub(crate) fn knows(&self, key: &Key) -> bool {
        self.pods.contains_key(key)
    }

    /// The next pod to try. It counts as being placed until it is parked, retried or forgotten.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Key> {
        self.wake(now);
        let early = || self.backing_off.pop_first().map(|(_, turn)| turn);
        let (.., key) = self.active.pop_first().or_else(early)?;
        if let Some(pod) = self.pods.get_mut(&key) {
            pod.state = State::Placed;
            pod.attempts += 1;
            pod.last_attempt = Some(now);
        }
        Some(key)
    }

    /// When to look again, if nothing changes before.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.failed.first().map(|(at, _)| *at)
    }

    /// No node takes it: it waits for a change that may help. An urgent one is tried as soon as that comes.
    pub(crate) fn park(&mut self, key: &Key, causes: Causes, is_urgent: bool) {
        if let Some(pod) = self.pods.get_mut(key)
            && pod.state == State::Placed
        {
            pod.state = State::Parked(causes);
            pod.is_urgent = is_urgent;
        }
    }

    /// A parked pod is tried again at once: what it waits for will not come by itself.
    pub(crate) fn activate(&mut self, key: &Key) {
        if let Some(pod) = self.pods.get_mut(key)
            && matches!(pod.state, State::Parked(_))
        {
            pod.state = State::Active;
            self.active.insert(pod.turn.clone());
        }
    }

    /// Placing it failed for a reason that passes.
    pub(crate) fn retry(&mut self, key: &Key) {
        if let Some(pod) = self.pods.get_mut(key)
            && pod.state == State::Placed
        {
            let at = pod.ready_at();
            pod.state = State::Failed(at);
            self.failed.insert((at, pod.turn.clone()));
        }
    }

    /// Something changed: whom it may help is tried again. Says whether that is anybody.
    pub(crate) fn changed(&mut self, change: Causes, now: Instant) -> bool {
        let mut any = false;
        for pod in self.pods.values_mut() {
            let State::Parked(causes) = pod.state else {
                continue;
            };
            if !causes.meets(change) {
                continue;
            }
            any = true;
            let at = pod.ready_at();
            if pod.is_urgent || at <= now {
                pod.state = State::Active;
                self.active.insert(pod.turn.clone());
            } else {
                pod.state = State::BackingOff(at);
                self.backing_off.insert((at, pod.turn.clone()));
            }
        }
        any
    }

    fn wake(&mut self, now: Instant) {
        for waiting in [&mut self.backing_off, &mut self.failed] {
            while let Some((at, _)) = waiting.first()
                && *at <= now
            {
                let Some((_, turn)) = waiting.pop_first() else {
                    break;
                };
                if let Some(pod) = self.pods.get_mut(&turn.2) {
                    pod.state = State::Active;
                    self.active.insert(turn);
                }
            }
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Waiting> {
        let pod = self.pods.remove(key)?;
        match pod.state {
            State::Active => {
                self.active.remove(&pod.turn);
            }
            State::BackingOff(at) => {
                self.backing_off.remove(&(at, pod.turn.clone()));
            }
            State::Failed(at) => {
                self.failed.remove(&(at, pod.turn.clone()));
            }
            State::Parked(_) | State::Placed => {}
        }
        Some(pod)
    }
}

impl Waiting {
    fn ready_at(&self) -> Instant {
        let doublings = self.attempts.saturating_sub(1).min(8);
        let delay = BACKOFF_FIRST
            .saturating_mul(1 << doublings)
            .min(BACKOFF_MAX);
        self.last_attempt.unwrap_or_else(Instant::now) + delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("default", name)
    }

    fn order(queue: &mut Queue, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| queue.next(now).map(|k| k.name.to_string())).collect()
    }

    #[test]
    fn the_greater_priority_comes_first_then_the_older_pod() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for (name, priority) in [("a", 0), ("b", 0), ("high", 100), ("low", -5), ("c", 0)] {
            queue.add(&key(name), priority);
        }
        assert_eq!(order(&mut queue, now), ["high", "a", "b", "c", "low"]);
    }

    #[test]
    fn a_parked_pod_waits_for_a_change_that_may_help() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.add(&key("a"), 0);
        queue.next(now);
        queue.park(&key("a"), Causes::NODES, false);
        let later = now + Duration::from_secs(3600);
        assert_eq!(queue.next(later), None);
        assert_eq!(queue.due(), None, "nothing is tried by the clock alone");

        assert!(!queue.changed(Causes::LEAVING, later));
        assert!(queue.changed(Causes::NODES, later));
        assert_eq!(queue.next(later), Some(key("a")));
    }

    #[test]
    fn who_was_tried_just_now_yields_to_others_and_waits_for_nobody_else() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.add(&key("a"), 100);
        queue.next(now);
        queue.park(&key("a"), Causes::ROOM, false);
        queue.add(&key("b"), 0);
        queue.changed(Causes::ROOM, now);
        assert_eq!(order(&mut queue, now), ["b", "a"]);

        queue.park(&key("a"), Causes::ROOM, false);
        queue.add(&key("c"), 0);
        queue.changed(Causes::ROOM, now);
        let later = now + Duration::from_secs(2);
        assert_eq!(order(&mut queue, later), ["a", "c"], "it has waited enough");
    }

    #[test]
    fn a_binding_that_fails_backs_off_longer_each_time() {
        let mut now = Instant::now();
        let mut queue = Queue::default();
        queue.add(&key("a"), 0);
        for delay in [1, 2, 4, 8, 10, 10] {
            assert_eq!(queue.next(now), Some(key("a")));
            queue.retry(&key("a"));
            assert_eq!(queue.next(now), None);
            let due = queue.due().unwrap();
            assert_eq!(due - now, Duration::from_secs(delay));
            now = due;
        }
    }

    #[test]
    fn a_pod_for_which_room_is_made_does_not_back_off() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.add(&key("a"), 0);
        queue.next(now);
        queue.park(&key("a"), Causes::ROOM, true);
        assert!(queue.changed(Causes::LEAVING, now));
        assert_eq!(queue.next(now), Some(key("a")));
    }

    #[test]
    fn a_pod_that_changed_itself_is_tried_at_once() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.add(&key("a"), 0);
        queue.next(now);
        queue.park(&key("a"), Causes::NODES, false);
        queue.add(&key("a"), 0);
        assert_eq!(queue.next(now), Some(key("a")));
    }

    #[test]
    fn a_pod_that_is_gone_is_not_tried() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.add(&key("a"), 0);
        queue.add(&key("b"), 0);
        queue.next(now);
        queue.retry(&key("a"));
        queue.forget(&key("a"));
        queue.forget(&key("b"));
        assert_eq!(queue.next(now + Duration::from_secs(60)), None);
        assert!(!queue.knows(&key("a")));
    }
}
