//! The tables of a session: what they want to send, what came for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cedge_sync::{Key, Outgoing};
use cedge_wire::limits::CHUNK_MAX;
use cedge_wire::link::{Body, Hello, Table, TableFrame};
use cedge_wire::table::{Body as Message, Data};
use tokio::sync::Notify;

use crate::cell::{Cell, Machine};
use crate::{Endpoint, TableError};

/// A table in the hands of a session.
trait Attached: Send + Sync {
    fn detach(&self);
    fn receive(&self, body: Message) -> Result<(), cedge_sync::ProtocolError>;
    fn next(&self) -> Option<Outgoing>;
    fn value(&self, hash: &cedge_sync::Hash) -> Result<Option<Bytes>, TableError>;
    fn unsent(&self, key: &Key, version: u64);
    fn tick(&self);
    fn moved(&self);
    fn deadline(&self) -> Option<Duration>;
    fn stored(&self) -> futures::future::BoxFuture<'_, Result<(), TableError>>;
}

struct Held<M> {
    cell: Arc<Cell<M>>,
    owner: u64,
}

impl<M: Machine> Attached for Held<M> {
    fn detach(&self) {
        self.cell.detach(self.owner);
    }
    fn receive(&self, body: Message) -> Result<(), cedge_sync::ProtocolError> {
        let received = self
            .cell
            .as_owner(self.owner, |machine, now| machine.receive(body, now));
        received.unwrap_or(Ok(()))
    }
    fn next(&self) -> Option<Outgoing> {
        self.cell
            .as_owner(self.owner, |machine, _| machine.next_send())
            .flatten()
    }
    fn value(&self, hash: &cedge_sync::Hash) -> Result<Option<Bytes>, TableError> {
        self.cell.engine().value(hash)
    }
    fn unsent(&self, key: &Key, version: u64) {
        self.cell
            .as_owner(self.owner, |machine, _| machine.unsent(key, version));
    }
    fn tick(&self) {
        self.cell.as_owner(self.owner, Machine::tick);
    }
    fn moved(&self) {
        self.cell.as_owner(self.owner, Machine::sent);
    }
    fn deadline(&self) -> Option<Duration> {
        let now = self.cell.now();
        self.cell
            .read(Machine::deadline)
            .map(|at| at.saturating_sub(now))
    }
    fn stored(&self) -> futures::future::BoxFuture<'_, Result<(), TableError>> {
        Box::pin(self.cell.stored())
    }
}

/// A large value under way.
struct Job {
    table: usize,
    key: Key,
    version: u64,
    value: Bytes,
    offset: usize,
}

/// The tables that both ends have. They are detached when the last clone is gone.
#[derive(Clone)]
pub(super) struct Tables {
    list: Arc<List>,
    pub(super) wake: Arc<Notify>,
}

struct List(Vec<(&'static str, Box<dyn Attached>)>);

/// What tables want to send, in turn.
pub(super) struct Sending {
    tables: Tables,
    jobs: VecDeque<Job>,
    turn: usize,
}

impl Tables {
    /// What our hello says.
    pub(super) fn listed(endpoints: &[Endpoint]) -> Vec<Table> {
        let table = |endpoint: &Endpoint| Table {
            name: endpoint.spec().name.to_owned(),
            writes: matches!(endpoint, Endpoint::Writer(_)),
        };
        endpoints.iter().map(table).collect()
    }

    /// Attaches those that the peer has the other end of; says once which of the peer's nobody here knows.
    pub(super) fn attach(endpoints: &[Endpoint], theirs: &Hello) -> Self {
        let wake = Arc::new(Notify::new());
        let mut tables: Vec<(&'static str, Box<dyn Attached>)> = Vec::new();
        for endpoint in endpoints {
            let name = endpoint.spec().name;
            let writes = matches!(endpoint, Endpoint::Writer(_));
            if !theirs
                .tables
                .iter()
                .any(|t| t.name == name && t.writes != writes)
            {
                continue;
            }
            let attached: Box<dyn Attached> = match endpoint {
                Endpoint::Writer(writer) => {
                    let cell = Arc::clone(writer.cell());
                    Box::new(Held {
                        owner: cell.attach(Arc::clone(&wake)),
                        cell,
                    })
                }
                Endpoint::Reader(reader) => {
                    let cell = Arc::clone(reader.cell());
                    Box::new(Held {
                        owner: cell.attach(Arc::clone(&wake)),
                        cell,
                    })
                }
            };
            tables.push((name, attached));
        }
        for table in &theirs.tables {
            if !tables.iter().any(|(name, _)| *name == table.name) {
                let table: String = table.name.chars().take(64).collect();
                tracing::warn!(
                    peer = theirs.name,
                    table,
                    "asks for a table that it has no part in"
                );
            }
        }
        Self {
            list: Arc::new(List(tables)),
            wake,
        }
    }

    /// What came for a table. `false` if there is no such table.
    pub(super) fn receive(&self, frame: TableFrame) -> Result<bool, cedge_sync::ProtocolError> {
        let Some((_, table)) = self.list.0.iter().find(|(name, _)| *name == frame.table) else {
            return Ok(false);
        };
        if let Some(body) = frame.message.and_then(|message| message.body) {
            table.receive(body)?;
        }
        Ok(true)
    }

    pub(super) fn tick(&self) {
        self.list.0.iter().for_each(|(_, table)| table.tick());
    }

    /// In how long a table wants to be ticked.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.list
            .0
            .iter()
            .filter_map(|(_, table)| table.deadline())
            .min()
    }

    /// Waits until the disk has what came: a peer that sends faster than the disk writes has to wait.
    pub(super) async fn stored(&self) {
        for (_, table) in &self.list.0 {
            let _ = table.stored().await;
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        self.0.iter().for_each(|(_, table)| table.detach());
    }
}

impl Sending {
    pub(super) fn of(tables: &Tables) -> Self {
        Self {
            tables: tables.clone(),
            jobs: VecDeque::new(),
            turn: 0,
        }
    }

    fn list(&self) -> &[(&'static str, Box<dyn Attached>)] {
        &self.tables.list.0
    }

    /// The next frame to send: tables take turns, and large values go piece by piece between the others.
    pub(super) fn next(&mut self) -> Option<Body> {
        for _ in 0..self.list().len() {
            let index = self.turn % self.list().len();
            self.turn = self.turn.wrapping_add(1);
            while let Some(outgoing) = self.list()[index].1.next() {
                if let Some(body) = self.prepare(index, outgoing) {
                    return Some(self.frame(index, body));
                }
            }
        }
        let mut job = self.jobs.pop_front()?;
        let end = job.value.len().min(job.offset + CHUNK_MAX);
        let data = Data {
            key: job.key.to_string(),
            version: job.version,
            offset: u32::try_from(job.offset).unwrap_or(u32::MAX),
            bytes: job.value.slice(job.offset..end),
        };
        job.offset = end;
        let index = job.table;
        self.list()[index].1.moved();
        if end < job.value.len() {
            self.jobs.push_back(job);
        }
        Some(self.frame(index, Message::Data(data)))
    }

    fn prepare(&mut self, table: usize, outgoing: Outgoing) -> Option<Message> {
        let load = |hash: &cedge_sync::Hash| match self.list()[table].1.value(hash) {
            Ok(value) => value,
            Err(error) => {
                tracing::error!(%error, table = self.list()[table].0, "a value cannot be read");
                None
            }
        };
        match outgoing {
            Outgoing::Message(body) => Some(body),
            Outgoing::Inline(mut put) => {
                put.value = put.hash[..].try_into().ok().and_then(|hash| load(&hash));
                if put.value.is_none() {
                    self.list()[table].1.unsent(&put.key.into(), put.version);
                    return None;
                }
                Some(Message::Put(put))
            }
            Outgoing::Value { key, version, hash } => {
                let Some(value) = load(&hash) else {
                    self.list()[table].1.unsent(&key, version);
                    return None;
                };
                self.jobs.push_back(Job {
                    table,
                    key,
                    version,
                    value,
                    offset: 0,
                });
                None
            }
        }
    }

    fn frame(&self, table: usize, body: Message) -> Body {
        let name = self.list()[table].0.to_owned();
        Body::Table(TableFrame {
            table: name,
            message: Some(body.into()),
        })
    }
}
