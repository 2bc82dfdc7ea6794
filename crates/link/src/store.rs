//! The durable side of all tables of a cluster or a node: one file.

mod commit;
mod engine;
mod file;
mod layout;
mod tail;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use cedge_api::ClusterId;

pub(crate) use engine::Engine;

use crate::cell::Cell;
use crate::{OpenError, Policy, Reader, TableError, TableSpec, Writer};

/// Settings of a [`TableStore`].
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Bytes of page cache.
    pub cache_size: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            cache_size: 1024 * 1024,
        }
    }
}

#[derive(Debug, Clone)]
enum Handle {
    Writer(Arc<Cell<cedge_sync::Writer>>),
    Reader(Arc<Cell<cedge_sync::Reader>>),
}

/// Ends the disk's thread when the last handle is gone.
#[derive(Debug)]
pub(crate) struct Owner {
    engine: Arc<Engine>,
    handles: Mutex<HashMap<(ClusterId, &'static str, bool), Handle>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.engine.stop();
    }
}

/// The durable side of all tables: one file, one thread that writes it, one commit for all that changed meanwhile.
/// Values that several tables hold are stored once. Cheap to clone; the file is closed when the store and all its
/// handles are dropped.
#[derive(Debug, Clone)]
pub struct TableStore {
    owner: Arc<Owner>,
}

fn policy(spec: TableSpec) -> cedge_sync::Policy {
    match spec.policy {
        Policy::Retain => cedge_sync::Policy::Retain { hold: false },
        Policy::RetainAndHold => cedge_sync::Policy::Retain { hold: true },
        Policy::Mirror => cedge_sync::Policy::Mirror,
    }
}

impl TableStore {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// When it cannot be read or written, or is open already.
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        let engine = Engine::open(path, options.cache_size)?;
        let owner = Owner {
            engine,
            handles: Mutex::default(),
        };
        Ok(Self {
            owner: Arc::new(owner),
        })
    }

    /// Our end of a table that we write for `peer`. The same table for the same arguments.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn writer(&self, peer: &ClusterId, table: TableSpec) -> Result<Writer, TableError> {
        let mut handles = self.handles();
        let name = (peer.clone(), table.name, true);
        if let Some(Handle::Writer(cell)) = handles.get(&name) {
            return Ok(Writer::new(Arc::clone(cell), Arc::clone(&self.owner)));
        }
        let engine = &self.owner.engine;
        let id = engine.table_id(peer, table.name, true)?;
        let (mut meta, records) = engine.load(id)?;
        if meta.life == 0 {
            meta.life = rand::random::<u64>() | 1;
            engine.begin_life(id, meta)?;
        }
        let machine = cedge_sync::Writer::restore(policy(table), meta, records);
        let cell = Arc::new(Cell::new(table, id, machine, Arc::clone(engine)));
        engine.register(id, Arc::clone(&cell) as _);
        handles.insert(name, Handle::Writer(Arc::clone(&cell)));
        Ok(Writer::new(cell, Arc::clone(&self.owner)))
    }

    /// Our end of a table that `peer` writes. The same table for the same arguments. What a former parent assigned can
    /// be read like this for as long as it is not forgotten.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reader(&self, peer: &ClusterId, table: TableSpec) -> Result<Reader, TableError> {
        let mut handles = self.handles();
        let name = (peer.clone(), table.name, false);
        if let Some(Handle::Reader(cell)) = handles.get(&name) {
            return Ok(Reader::new(Arc::clone(cell), Arc::clone(&self.owner)));
        }
        let engine = &self.owner.engine;
        let id = engine.table_id(peer, table.name, false)?;
        let (meta, records) = engine.load(id)?;
        let machine = cedge_sync::Reader::restore(policy(table), table.rows_max, meta, records);
        let undelivered: Vec<_> = machine.undelivered().cloned().collect();
        let cell = Arc::new(Cell::new(table, id, machine, Arc::clone(engine)));
        cell.push_inbox(undelivered);
        engine.register(id, Arc::clone(&cell) as _);
        handles.insert(name, Handle::Reader(Arc::clone(&cell)));
        Ok(Reader::new(cell, Arc::clone(&self.owner)))
    }

    /// The peers that there is anything of: the present parent, former ones, children.
    #[must_use]
    pub fn peers(&self) -> Vec<ClusterId> {
        self.owner.engine.peers()
    }

    /// Drops every table of `peer`: it was evicted, or what it once assigned was taken over. Handles of them that are
    /// still there go on in memory, and nothing of that is kept.
    ///
    /// # Errors
    /// When the disk refuses.
    #[expect(
        clippy::unused_async,
        reason = "may wait for the disk's thread one day"
    )]
    pub async fn forget(&self, peer: &ClusterId) -> Result<(), TableError> {
        self.handles().retain(|(of, ..), _| of != peer);
        self.owner.engine.forget(peer)
    }

    fn handles(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<(ClusterId, &'static str, bool), Handle>> {
        self.owner
            .handles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
