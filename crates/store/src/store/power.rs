//! Power loss at any instant, on a simulated disk: of what was written since the last sync any part may be there, in
//! pieces of a sector, and the rest not. `kill -9` cannot show that, as the kernel still writes what it was given.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use cedge_dbfile::{Allocated, Disk};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use redb::StorageBackend;

use super::*;
use crate::types::Durability;

const LIVES: usize = 60;
const SECTOR: usize = 512;
const KEYS: u64 = 12;

/// A disk that loses its power after so many operations. Cheap to clone.
#[derive(Debug, Clone)]
struct Weak(Arc<Mutex<Sectors>>);

#[derive(Debug)]
struct Sectors {
    /// What readers see.
    current: Vec<u8>,
    /// What a sync has made safe.
    synced: Vec<u8>,
    /// What came since.
    pending: Vec<Pending>,
    /// Whether the database is complete and has its name.
    kept: bool,
    operations_left: Option<usize>,
    random: StdRng,
}

#[derive(Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Sectors {
    fn operate(&mut self) -> io::Result<()> {
        match &mut self.operations_left {
            Some(0) => Err(io::Error::other("no power")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The power is back: what is there is decided now.
    fn come_back(&mut self) {
        let mut image = std::mem::take(&mut self.synced);
        // Some losses keep everything up to a point, most keep any part.
        let in_order = self.random.random_bool(0.3);
        let kept = self.random.random_range(0..=self.pending.len());
        for (i, pending) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            let keep = |random: &mut StdRng| {
                if in_order {
                    i < kept
                } else {
                    random.random_bool(0.5)
                }
            };
            match pending {
                Pending::Length(length) => {
                    if keep(&mut self.random) {
                        image.resize(length, 0);
                    }
                }
                Pending::Write(at, bytes) => {
                    for (n, piece) in bytes.chunks(SECTOR).enumerate() {
                        let start = at + n * SECTOR;
                        if keep(&mut self.random) && start + piece.len() <= image.len() {
                            image[start..start + piece.len()].copy_from_slice(piece);
                        }
                    }
                }
            }
        }
        self.current = image.clone();
        self.synced = image;
        self.operations_left = None;
    }
}

impl Weak {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Sectors {
            current: Vec::new(),
            synced: Vec::new(),
            pending: Vec::new(),
            kept: false,
            operations_left: None,
            random: StdRng::seed_from_u64(seed),
        })))
    }

    fn lose_power_after(&self, operations: usize) {
        self.0.lock().unwrap().operations_left = Some(operations);
    }

    fn come_back(&self) {
        self.0.lock().unwrap().come_back();
    }
}

impl Disk for Weak {
    fn exists(&self) -> io::Result<bool> {
        let mut sectors = self.0.lock().unwrap();
        sectors.operate()?;
        Ok(sectors.kept)
    }

    fn create(&self) -> Result<Allocated, redb::Error> {
        let mut sectors = self.0.lock().unwrap();
        sectors.operate()?;
        sectors.current.clear();
        sectors.synced.clear();
        sectors.pending.clear();
        Ok(Allocated::elsewhere(self.clone()))
    }

    fn keep(&self) -> io::Result<()> {
        let mut sectors = self.0.lock().unwrap();
        sectors.operate()?;
        sectors.kept = true;
        Ok(())
    }

    fn open(&self) -> Result<Allocated, redb::Error> {
        self.0.lock().unwrap().operate()?;
        Ok(Allocated::elsewhere(self.clone()))
    }
}

impl StorageBackend for Weak {
    fn len(&self) -> io::Result<u64> {
        let mut sectors = self.0.lock().unwrap();
        sectors.operate()?;
        Ok(sectors.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut sectors = self.0.lock().unwrap();
        sectors.operate()?;
        let start = usize::try_from(offset).unwrap();
        let found = sectors.current.get(start..start + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut sectors = self.0.lock().unwrap();
        sectors.operate()?;
        let length = usize::try_from(len).unwrap();
        sectors.current.resize(length, 0);
        sectors.pending.push(Pending::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut sectors = self.0.lock().unwrap();
        sectors.operate()?;
        let sectors = &mut *sectors;
        for pending in sectors.pending.drain(..) {
            match pending {
                Pending::Length(length) => sectors.synced.resize(length, 0),
                Pending::Write(at, bytes) => {
                    sectors.synced[at..at + bytes.len()].copy_from_slice(&bytes);
                }
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut sectors = self.0.lock().unwrap();
        sectors.operate()?;
        let start = usize::try_from(offset).unwrap();
        let end = start + data.len();
        if end > sectors.current.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sectors.current[start..end].copy_from_slice(data);
        sectors.pending.push(Pending::Write(start, data.to_vec()));
        Ok(())
    }
}

fn open(disk: &Weak) -> Result<Store, OpenError> {
    // Small, so that pages go to the disk between commits too.
    let options = Options {
        cache_bytes: 64 << 10,
        ..Options::default()
    };
    let (engine, opened) = Engine::open_on(
        Box::new(disk.clone()),
        Path::new("simulated"),
        options.cache_bytes,
    )?;
    Store::start(engine, opened, options)
}

/// What is known across lives.
#[derive(Debug, Default)]
struct Known {
    /// Key → number, as acknowledged durably or read after a loss.
    numbers: BTreeMap<String, u64>,
    /// Numbers that were sent and not answered, or answered before their sync.
    unsure: BTreeMap<String, Vec<u64>>,
    next: u64,
    revision: u64,
}

impl Known {
    /// Everything acknowledged is there, every pair is whole, and the revision goes on.
    fn check(&mut self, page: Page) {
        assert!(
            page.revision.get() >= self.revision,
            "a revision comes again"
        );
        let mut found = BTreeMap::new();
        for item in page.items {
            found.insert(item.key.to_string(), number(&item.value));
        }
        for key in 0..KEYS {
            let (left, right) = (format!("/{key:02}/left"), format!("/{key:02}/right"));
            assert_eq!(found.get(&left), found.get(&right), "half a transaction");
            let (found, known) = (found.get(&left), self.numbers.get(&left));
            let unsure = self
                .unsure
                .get(&left)
                .into_iter()
                .flatten()
                .any(|n| Some(n) == found);
            assert!(
                found == known || unsure,
                "{left}: {found:?}, acknowledged {known:?}"
            );
        }
        found.retain(|key, _| key.ends_with("left"));
        self.numbers = found;
        self.unsure.clear();
    }

    async fn write(&mut self, store: &Store, random: &mut StdRng) -> Result<(), CommitError> {
        let key = random.random_range(0..KEYS);
        let (left, right) = (format!("/{key:02}/left"), format!("/{key:02}/right"));
        self.next += 1;
        let number = self.next;
        let value = value(number, random.random_range(0..3000));
        let relaxed = random.random_bool(0.3);
        self.unsure.entry(left.clone()).or_default().push(number);
        let txn = Txn {
            writes: vec![
                Write::put(left.as_str(), value.clone()),
                Write::put(right, value),
            ],
            durability: if relaxed {
                Durability::Relaxed
            } else {
                Durability::Durable
            },
            ..Txn::default()
        };
        let at = store.commit(txn).await?.get();
        assert!(at > self.revision, "a revision is given out twice");
        self.revision = at;
        if !relaxed {
            // Relaxed ones before it are safe with it.
            for (key, sent) in std::mem::take(&mut self.unsure) {
                self.numbers.extend(sent.last().map(|n| (key, *n)));
            }
        }
        Ok(())
    }
}

fn value(number: u64, length: usize) -> Vec<u8> {
    let mut value = number.to_be_bytes().to_vec();
    value.resize(8 + length, u8::try_from(number % 251).unwrap());
    value
}

fn number(value: &[u8]) -> u64 {
    let number = u64::from_be_bytes(value[..8].try_into().unwrap());
    let filler = u8::try_from(number % 251).unwrap();
    assert!(value[8..].iter().all(|b| *b == filler), "half a value");
    number
}

#[tokio::test]
async fn power_lost_at_any_instant_loses_nothing_acknowledged() {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let disk = Weak::new(random.random());
    let mut known = Known::default();
    let mut losses_while_writing = 0;
    for _ in 0..LIVES {
        let operations = random.random_range(20..600);
        disk.lose_power_after(operations);
        if let Ok(store) = open(&disk) {
            if let Ok(page) = store.range("/", None, None, 0) {
                known.check(page);
            }
            while known.write(&store, &mut random).await.is_ok() {}
            losses_while_writing += 1;
        }
        disk.come_back();
        let store = open(&disk).unwrap();
        known.check(store.range("/", None, None, 0).unwrap());
        // Left without a close, so that the next life begins after a crash as well.
        disk.lose_power_after(0);
        drop(store);
        disk.come_back();
    }
    assert!(losses_while_writing > LIVES / 2, "{losses_while_writing}");
}

#[tokio::test]
async fn power_lost_while_the_store_is_created_leaves_one_that_opens() {
    for seed in 0..2 {
        for operations in 0..60 {
            let disk = Weak::new(seed);
            disk.lose_power_after(operations);
            let opened = open(&disk);
            let created = opened.is_ok();
            drop(opened);
            disk.come_back();
            let store = open(&disk).unwrap_or_else(|e| {
                panic!("seed {seed}, after {operations} operations ({created}): {e}")
            });
            store.commit(Txn::put("/a", "1")).await.unwrap();
        }
    }
}

/// Keys and their revisions.
type Seen = Vec<(String, u64)>;

/// What a watch told, and what can be read.
fn told(store: &Store, watch: &mut Watch) -> (Seen, Seen) {
    let mut told = Vec::new();
    while let Some(batch) = watch.try_next().unwrap() {
        let events = batch.events.iter();
        told.extend(events.map(|e| (e.key.to_string(), e.revision.get())));
    }
    let items = store.range("/", None, None, 0).unwrap().items;
    let read = items.iter().map(|i| (i.key.to_string(), i.modified.get()));
    (told, read.collect())
}

#[tokio::test]
async fn a_disk_that_fails_for_a_moment_takes_nothing_back_that_was_seen() {
    let mut failed_but_there = 0;
    for operations in 0..40 {
        let disk = Weak::new(7);
        let store = open(&disk).unwrap();
        let mut watch = store.watch("/", store.revision()).unwrap();
        store.commit(Txn::put("/a", "1")).await.unwrap();
        let relaxed = store.commit(Txn::put("/b", "1").relaxed()).await.unwrap();

        disk.lose_power_after(operations);
        let failed = store.commit(Txn::put("/c", vec![1; 20_000])).await.is_err();
        disk.0.lock().unwrap().operations_left = None;
        store.commit(Txn::put("/d", "1")).await.unwrap();

        let (told, read) = told(&store, &mut watch);
        assert_eq!(told, read, "after {operations} operations");
        assert!(read.contains(&("/b".to_owned(), relaxed.get())), "{read:?}");
        let there = read.iter().any(|(key, _)| key == "/c");
        assert!(failed || there, "after {operations} operations");
        failed_but_there += u32::from(failed && there);
        store.close().await;
        let again = open(&disk).unwrap();
        assert_eq!(
            again.range("/", None, None, 0).unwrap().items.len(),
            read.len()
        );
    }
    assert!(
        failed_but_there > 0,
        "the commit whose answer alone is lost occurs"
    );
}
