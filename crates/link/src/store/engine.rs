//! The file and the one thread that writes it.

mod calls;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use cedge_sync::Save;
use redb::{Database, Durability, ReadableTable as _};

use super::file::{File, is_of_the_file};
use super::layout::{FORMAT, METAS, NAMES, NUMBERS, REFERENCES, ROWS, VALUES};
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
