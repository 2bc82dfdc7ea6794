//! One end of a table as it lives in memory: the machine, who waits for it, and which session it belongs to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cedge_sync::Save;
use cedge_wire::table::Body;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::store::Engine;
use crate::{TableError, TableSpec};

/// What the two machines have in common.
pub(crate) trait Machine: Send + 'static {
    fn take_save(&mut self) -> Option<Save>;
    fn persisted(&mut self, ticket: u64);
    fn latest_ticket(&self) -> u64;
    fn connected(&mut self, now: Duration);
    fn disconnected(&mut self);
    fn receive(&mut self, body: Body, now: Duration) -> Result<(), cedge_sync::ProtocolError>;
    fn next_send(&mut self) -> Option<cedge_sync::Outgoing>;
    fn unsent(&mut self, key: &cedge_sync::Key, version: u64);
    fn tick(&mut self, now: Duration);
    fn sent(&mut self, now: Duration);
    fn deadline(&self) -> Option<Duration>;
    /// Tells the users of the table what happened since the last call; says whether they may want to look.
    fn take_news(&mut self) -> News;
}

/// What users may want to know.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) noticed: bool,
    pub(crate) changed: Vec<cedge_sync::Key>,
}

/// How far the disk is.
#[derive(Debug, Clone, Default)]
struct DiskState {
    ticket: u64,
    failures: u64,
    failure: String,
}

struct Inside<M> {
    machine: M,
    /// Which session speaks for this table, if one does.
    owner: Option<(u64, Arc<Notify>)>,
    owners: u64,
    /// Keys whose change waits for a user, in order of arrival; only a reader's.
    inbox: std::collections::VecDeque<cedge_sync::Key>,
}

/// One end of a table.
pub(crate) struct Cell<M> {
    pub(crate) spec: TableSpec,
    pub(crate) id: u32,
    inside: Mutex<Inside<M>>,
    disk: watch::Sender<DiskState>,
    notice: watch::Sender<u64>,
    arrived: Notify,
    engine: Arc<Engine>,
    began: Instant,
}

/// What the disk's thread sees of a table.
pub(crate) trait Saves: Send + Sync {
    fn take_save(&self) -> Option<Save>;
    fn persisted(&self, ticket: u64);
    fn failed(&self, why: &str);
}

impl<M: Machine> Cell<M> {
    pub(crate) fn new(spec: TableSpec, id: u32, machine: M, engine: Arc<Engine>) -> Self {
        let inside = Inside {
            machine,
            owner: None,
            owners: 0,
            inbox: std::collections::VecDeque::new(),
        };
        Self {
            spec,
            id,
            inside: Mutex::new(inside),
            disk: watch::channel(DiskState::default()).0,
            notice: watch::channel(0).0,
            arrived: Notify::new(),
            engine,
            began: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside<M>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Looks at the machine.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&M) -> T) -> T {
        f(&self.lock().machine)
    }

    /// Changes the machine, and tells disk, session and users.
    pub(crate) fn change<T>(&self, f: impl FnOnce(&mut M) -> T) -> T {
        let mut inside = self.lock();
        let result = f(&mut inside.machine);
        self.after(inside);
        result
    }

    fn after(&self, mut inside: MutexGuard<'_, Inside<M>>) {
        let news = inside.machine.take_news();
        let any = !news.changed.is_empty();
        inside.inbox.extend(news.changed);
        if let Some((_, wake)) = &inside.owner {
            wake.notify_one();
        }
        let dirty = inside.machine.latest_ticket() > self.disk.borrow().ticket;
        drop(inside);
        if any {
            self.arrived.notify_one();
        }
        if any || news.noticed {
            self.notice.send_modify(|n| *n += 1);
        }
        if dirty {
            self.engine.wake(self.id);
        }
    }

    /// Waits until everything done so far is stored.
    pub(crate) async fn stored(&self) -> Result<(), TableError> {
        let ticket = self.lock().machine.latest_ticket();
        let mut disk = self.disk.subscribe();
        let failures = disk.borrow().failures;
        let state = disk
            .wait_for(|disk| disk.ticket >= ticket || disk.failures > failures)
            .await;
        match state {
            Ok(disk) if disk.ticket >= ticket => Ok(()),
            Ok(disk) => Err(TableError::Store(disk.failure.clone())),
            Err(_) => Err(TableError::Store("the store was closed".to_owned())),
        }
    }

    pub(crate) fn notices(&self) -> watch::Receiver<u64> {
        self.notice.subscribe()
    }

    // --- For users of readers.

    pub(crate) fn pop_inbox(&self) -> Option<cedge_sync::Key> {
        self.lock().inbox.pop_front()
    }

    pub(crate) fn push_inbox(&self, keys: impl IntoIterator<Item = cedge_sync::Key>) {
        self.lock().inbox.extend(keys);
        self.arrived.notify_one();
    }

    pub(crate) async fn arrival(&self) {
        self.arrived.notified().await;
    }

    // --- For sessions.

    /// A session takes the table over; an older one loses it.
    pub(crate) fn attach(&self, wake: Arc<Notify>) -> u64 {
        let now = self.now();
        let mut inside = self.lock();
        inside.owners += 1;
        let owner = inside.owners;
        inside.owner = Some((owner, wake));
        inside.machine.connected(now);
        self.after(inside);
        owner
    }

    /// The session has ended.
    pub(crate) fn detach(&self, owner: u64) {
        let mut inside = self.lock();
        if inside.owner.as_ref().is_some_and(|(o, _)| *o == owner) {
            inside.owner = None;
            inside.machine.disconnected();
            self.after(inside);
        }
    }

    /// Does something to the machine in the name of a session; `None` if the table is not its own any more.
    pub(crate) fn as_owner<T>(
        &self,
        owner: u64,
        f: impl FnOnce(&mut M, Duration) -> T,
    ) -> Option<T> {
        let now = self.now();
        let mut inside = self.lock();
        if inside.owner.as_ref().is_none_or(|(o, _)| *o != owner) {
            return None;
        }
        let result = f(&mut inside.machine, now);
        self.after_quietly(inside);
        Some(result)
    }

    /// As [`Self::after`], without waking the session: it is the one that acts.
    fn after_quietly(&self, mut inside: MutexGuard<'_, Inside<M>>) {
        let owner = inside.owner.take();
        let news = inside.machine.take_news();
        inside.owner = owner;
        let any = !news.changed.is_empty();
        inside.inbox.extend(news.changed);
        let dirty = inside.machine.latest_ticket() > self.disk.borrow().ticket;
        drop(inside);
        if any {
            self.arrived.notify_one();
        }
        if any || news.noticed {
            self.notice.send_modify(|n| *n += 1);
        }
        if dirty {
            self.engine.wake(self.id);
        }
    }
}

impl<M: Machine> Saves for Cell<M> {
    fn take_save(&self) -> Option<Save> {
        self.lock().machine.take_save()
    }

    fn persisted(&self, ticket: u64) {
        self.disk
            .send_modify(|disk| disk.ticket = disk.ticket.max(ticket));
        self.change(|machine| machine.persisted(ticket));
    }

    fn failed(&self, why: &str) {
        self.disk.send_modify(|disk| {
            disk.failures += 1;
            why.clone_into(&mut disk.failure);
        });
    }
}

impl<M> std::fmt::Debug for Cell<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cell")
            .field("table", &self.spec.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Machine for cedge_sync::Writer {
    fn take_save(&mut self) -> Option<Save> {
        self.take_save()
    }
    fn persisted(&mut self, ticket: u64) {
        self.persisted(ticket);
    }
    fn latest_ticket(&self) -> u64 {
        self.latest_ticket()
    }
    fn connected(&mut self, now: Duration) {
        self.connected(now);
    }
    fn disconnected(&mut self) {
        self.disconnected();
    }
    fn receive(&mut self, body: Body, now: Duration) -> Result<(), cedge_sync::ProtocolError> {
        self.receive(body, now)
    }
    fn next_send(&mut self) -> Option<cedge_sync::Outgoing> {
        self.next_send()
    }
    fn unsent(&mut self, key: &cedge_sync::Key, version: u64) {
        self.unsent(key, version);
    }
    fn tick(&mut self, now: Duration) {
        self.tick(now);
    }
    fn sent(&mut self, now: Duration) {
        self.sent(now);
    }
    fn deadline(&self) -> Option<Duration> {
        None
    }
    fn take_news(&mut self) -> News {
        News {
            noticed: self.take_changed(),
            changed: Vec::new(),
        }
    }
}

impl Machine for cedge_sync::Reader {
    fn take_save(&mut self) -> Option<Save> {
        self.take_save()
    }
    fn persisted(&mut self, ticket: u64) {
        self.persisted(ticket);
    }
    fn latest_ticket(&self) -> u64 {
        self.latest_ticket()
    }
    fn connected(&mut self, now: Duration) {
        self.connected(now);
    }
    fn disconnected(&mut self) {
        self.disconnected();
    }
    fn receive(&mut self, body: Body, now: Duration) -> Result<(), cedge_sync::ProtocolError> {
        self.receive(body, now)
    }
    fn next_send(&mut self) -> Option<cedge_sync::Outgoing> {
        self.next_send()
    }
    /// A reader sends no values.
    fn unsent(&mut self, _key: &cedge_sync::Key, _version: u64) {}
    fn tick(&mut self, now: Duration) {
        self.tick(now);
    }
    fn sent(&mut self, _now: Duration) {}
    fn deadline(&self) -> Option<Duration> {
        self.deadline()
    }
    fn take_news(&mut self) -> News {
        let events = self.take_events();
        News {
            noticed: events.noticed,
            changed: events.changed,
        }
    }
}
