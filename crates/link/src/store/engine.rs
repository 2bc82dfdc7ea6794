//! The file and the one thread that writes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use cedge_api::ClusterId;
use cedge_sync::{Hash, Key, Meta, Record, Save};
use redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _};

use super::commit::count_values;
use super::file::{File, is_of_the_file};
use super::layout::{
    FORMAT, METAS, NAMES, NUMBERS, REFERENCES, ROWS, VALUES, meta_from, meta_to, record_from,
};
use super::tail::Tail;
use crate::cell::Saves;
use crate::{OpenError, TableError};

/// A disk that refuses is asked again after this time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Work {
    dirty: BTreeSet<u32>,
    tables: HashMap<u32, Arc<dyn Saves>>,
    /// Somebody saw the file fail: it is to be opened again.
    failed: bool,
    stopping: bool,
}

/// The file.
pub(crate) struct Engine {
    pub(super) file: File,
    work: Mutex<Work>,
    wake: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A table that may have something to store.
type Waiting = (u32, Arc<dyn Saves>);
pub(super) type Boxed = Box<dyn std::error::Error + Send + Sync>;

/// What the thread is to do.
struct Due {
    tables: Vec<Waiting>,
    /// The file failed.
    failed: bool,
    /// What is relaxed must become durable.
    flush: bool,
    stopping: bool,
}

impl Engine {
    pub(crate) fn open(path: &Path, cache_size: usize) -> Result<Arc<Self>, OpenError> {
        let shown = path.display().to_string();
        let file = |cause: Boxed| OpenError::File {
            path: shown.clone(),
            cause,
        };
        let (opened, found) = File::open(path, cache_size).map_err(file)?;
        if found > FORMAT {
            return Err(OpenError::Format {
                path: shown,
                found,
                known: FORMAT,
            });
        }
        let engine = Arc::new(Self {
            file: opened,
            work: Mutex::default(),
            wake: Condvar::new(),
            thread: Mutex::new(None),
        });
        let writing = Arc::clone(&engine);
        let thread = std::thread::Builder::new()
            .name("link-tables".to_owned())
            .spawn(move || writing.run())
            .map_err(|e| file(e.into()))?;
        *engine.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(engine)
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, id: u32, table: Arc<dyn Saves>) {
        self.lock().tables.insert(id, table);
    }

    /// A table may have something to store.
    pub(crate) fn wake(&self, id: u32) {
        if self.lock().dirty.insert(id) {
            self.wake.notify_one();
        }
    }

    /// Writes what is left, and ends the thread.
    pub(crate) fn stop(&self) {
        let mut work = self.lock();
        work.stopping = true;
        drop(work);
        self.wake.notify_one();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        // The tables know the engine and the engine the tables: end that.
        self.lock().tables.clear();
    }

    fn run(&self) {
        let mut tail = Tail::default();
        loop {
            let due = self.next_work(tail.left());
            if due.failed && !self.reopen(&mut tail) {
                // Whoever comes next sees it fail, and asks again.
                self.lock().failed = true;
                if self.wait_before_retry() {
                    return;
                }
            }
            let saves: Vec<(u32, Arc<dyn Saves>, Save)> = due
                .tables
                .into_iter()
                .filter_map(|(id, table)| Some((id, Arc::clone(&table), table.take_save()?)))
                .collect();
            let flush = !tail.is_empty() && (due.flush || tail.lost);
            if (!saves.is_empty() || flush) && !self.store(saves, flush, &mut tail) {
                return;
            }
            if due.stopping && self.lock().dirty.is_empty() {
                return;
            }
        }
    }

    /// Stores, as often as it takes; false if it is time to stop instead.
    fn store(&self, saves: Vec<(u32, Arc<dyn Saves>, Save)>, flush: bool, tail: &mut Tail) -> bool {
        let relaxed = saves.iter().all(|(_, _, save)| save.relaxed);
        let soft = loop {
            let soft = relaxed && !flush && !tail.lost;
            let durability = if soft {
                Durability::None
            } else {
                Durability::Immediate
            };
            let repeated = tail.to_repeat().iter().map(|(id, save)| (*id, save));
            let all: Vec<(u32, &Save)> = repeated
                .chain(saves.iter().map(|(id, _, save)| (*id, save)))
                .collect();
            let Err(error) = self.commit(&all, durability) else {
                break soft;
            };
            tracing::error!(%error, "the tables of the links cannot be stored");
            // At once, and before anybody hears of it, so that reading goes on.
            self.reopen(tail);
            for (_, table, _) in &saves {
                table.failed(&error.to_string());
            }
            if self.wait_before_retry() {
                return false;
            }
        };
        for (_, table, save) in &saves {
            table.persisted(save.ticket);
        }
        if soft {
            tail.push(saves.into_iter().map(|(id, _, save)| (id, save)));
        } else {
            *tail = Tail::default();
        }
        true
    }

    /// Opens the file again. What was not durable may be gone.
    fn reopen(&self, tail: &mut Tail) -> bool {
        tail.lost = !tail.is_empty();
        match self.file.reopen() {
            Ok(()) => {
                tracing::info!("the file of the links' tables is open again");
                true
            }
            Err(error) => {
                tracing::error!(%error, "the file of the links' tables could not be opened again");
                false
            }
        }
    }

    /// What is due; waits for it for as long as what is not durable yet may wait.
    fn next_work(&self, left: Option<Duration>) -> Due {
        let mut work = self.lock();
        let idle = |work: &Work| work.dirty.is_empty() && !work.stopping && !work.failed;
        let mut flush = left.is_some_and(|left| left.is_zero());
        while idle(&work) && !flush {
            match left {
                None => work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let (again, timeout) = self
                        .wake
                        .wait_timeout(work, left)
                        .unwrap_or_else(PoisonError::into_inner);
                    work = again;
                    flush = timeout.timed_out();
                }
            }
        }
        let dirty = std::mem::take(&mut work.dirty);
        let find = |id: u32| Some((id, Arc::clone(work.tables.get(&id)?)));
        Due {
            tables: dirty.into_iter().filter_map(find).collect(),
            failed: std::mem::take(&mut work.failed),
            flush: flush || work.stopping,
            stopping: work.stopping,
        }
    }

    /// Runs `f` on the database; should the file itself fail, it is opened again soon.
    fn with<T>(&self, f: impl FnOnce(&Database) -> Result<T, Boxed>) -> Result<T, TableError> {
        self.file.with(f).map_err(|error| {
            if is_of_the_file(&error) && !std::mem::replace(&mut self.lock().failed, true) {
                self.wake.notify_one();
            }
            TableError::Store(error.to_string())
        })
    }

    /// True if it is time to stop instead.
    fn wait_before_retry(&self) -> bool {
        let work = self.lock();
        let (work, _) = self
            .wake
            .wait_timeout_while(work, RETRY_AFTER, |work| !work.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        work.stopping
    }

    // --- Reading, and what is rare enough to be done by the caller.

    /// The number of a table; a new one if there is none yet.
    pub(crate) fn table_id(
        &self,
        peer: &ClusterId,
        table: &str,
        writes: bool,
    ) -> Result<u32, TableError> {
        let name = format!("{peer}/{table}/{}", if writes { 'w' } else { 'r' });
        let known = self.with(|database| {
            let names = database.begin_read()?.open_table(NAMES)?;
            Ok(names.get(&*name)?.map(|id| id.value()))
        })?;
        if let Some(id) = known {
            return Ok(id);
        }
        self.with(|database| {
            let transaction = database.begin_write()?;
            let id = {
                let mut numbers = transaction.open_table(NUMBERS)?;
                let next = numbers.get("next")?.map_or(1, |next| next.value());
                numbers.insert("next", next + 1)?;
                let id = u32::try_from(next)?;
                transaction.open_table(NAMES)?.insert(&*name, id)?;
                id
            };
            transaction.commit()?;
            Ok(id)
        })
    }

    pub(crate) fn begin_life(&self, id: u32, meta: Meta) -> Result<(), TableError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(METAS)?.insert(id, meta_to(meta))?;
            transaction.commit()?;
            Ok(())
        })
    }

    pub(crate) fn load(&self, id: u32) -> Result<(Meta, Vec<(Key, Record)>), TableError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let meta = transaction
                .open_table(METAS)?
                .get(id)?
                .map(|meta| meta_from(meta.value()));
            let rows = transaction.open_table(ROWS)?;
            let mut records = Vec::new();
            for row in rows.range((id, "")..(id + 1, ""))? {
                let (key, record) = row?;
                let record = record_from(record.value()).ok_or("a damaged record")?;
                records.push((Key::from(key.value().1), record));
            }
            Ok((meta.unwrap_or_default(), records))
        })
    }

    /// What is stored under a key, with its value.
    pub(crate) fn get(
        &self,
        id: u32,
        key: &str,
    ) -> Result<Option<(Record, Option<Bytes>)>, TableError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let rows = transaction.open_table(ROWS)?;
            let Some(record) = rows.get((id, key))?.and_then(|r| record_from(r.value())) else {
                return Ok(None);
            };
            let Some(content) = record.content else {
                return Ok(Some((record, None)));
            };
            let values = transaction.open_table(VALUES)?;
            let value = values.get(content.hash)?.ok_or("a value is missing")?;
            Ok(Some((record, Some(Bytes::copy_from_slice(value.value())))))
        })
    }

    pub(crate) fn value(&self, hash: &Hash) -> Result<Option<Bytes>, TableError> {
        self.with(|database| {
            let values = database.begin_read()?.open_table(VALUES)?;
            Ok(values
                .get(hash)?
                .map(|value| Bytes::copy_from_slice(value.value())))
        })
    }

    pub(crate) fn peers(&self) -> Vec<ClusterId> {
        let list = self.with(|database| {
            let names = database.begin_read()?.open_table(NAMES)?;
            let mut peers = BTreeSet::new();
            for name in names.range::<&str>(..)? {
                let (name, _) = name?;
                let peer = name
                    .value()
                    .split('/')
                    .next()
                    .and_then(|peer| peer.parse().ok());
                peers.extend(peer);
            }
            Ok(peers.into_iter().collect())
        });
        list.unwrap_or_default()
    }

    pub(crate) fn forget(&self, peer: &ClusterId) -> Result<(), TableError> {
        let ids = self.with(|database| {
            let transaction = database.begin_write()?;
            let mut ids = Vec::new();
            {
                let mut names = transaction.open_table(NAMES)?;
                let (from, to) = (format!("{peer}/"), format!("{peer}0"));
                let gone: Vec<(String, u32)> = names
                    .range::<&str>(&*from..&*to)?
                    .filter_map(|name| name.ok().map(|(n, id)| (n.value().to_owned(), id.value())))
                    .collect();
                let mut rows = transaction.open_table(ROWS)?;
                let mut metas = transaction.open_table(METAS)?;
                let mut references = BTreeMap::new();
                for (name, id) in gone {
                    names.remove(&*name)?;
                    metas.remove(id)?;
                    for row in rows.extract_from_if((id, "")..(id + 1, ""), |_, _| true)? {
                        let record = record_from(row?.1.value());
                        if let Some(content) = record.and_then(|r| r.content) {
                            *references.entry(content.hash).or_insert(0) -= 1;
                        }
                    }
                    ids.push(id);
                }
                count_values(&transaction, &references, &BTreeMap::new())?;
            }
            transaction.commit()?;
            Ok(ids)
        })?;
        let mut work = self.lock();
        for id in ids {
            work.tables.remove(&id);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// Creates what is missing; gives the format of the file.
pub(super) fn prepare(database: &Database) -> Result<u64, Boxed> {
    let transaction = database.begin_write()?;
    let format = {
        let mut numbers = transaction.open_table(NUMBERS)?;
        let found = numbers.get("format")?.map(|format| format.value());
        if found.is_none() {
            numbers.insert("format", FORMAT)?;
        }
        transaction.open_table(NAMES)?;
        transaction.open_table(METAS)?;
        transaction.open_table(ROWS)?;
        transaction.open_table(REFERENCES)?;
        transaction.open_table(VALUES)?;
        found.unwrap_or(FORMAT)
    };
    transaction.commit()?;
    Ok(format)
}
