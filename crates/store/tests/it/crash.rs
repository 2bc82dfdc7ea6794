//! `kill -9` of a real process under write load, a few hundred times.
//!
//! The child is this test binary again, running [`child`]. It says what it finds, then writes and says what was
//! acknowledged. The parent kills it after a random number of lines and holds the next child's findings against what
//! it was told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cedge_store::{Batch, Options, Retention, Store, Txn, Write};
use rand::{Rng as _, SeedableRng as _};

use crate::folder::Folder;

const KILLS: usize = 200;
const FILE: &str = "CEDGE_STORE_CRASH_FILE";
const WRITERS: u64 = 6;
/// Keys that each writer goes through.
const SLOTS: u64 = 8;
/// Written together: `COUNT` always, `FLIP` set when the count is odd and removed when it is even.
const COUNT: &str = "/flip/count";
const FLIP: &str = "/flip/key";

// === the child ===

#[test]
#[ignore = "started by the crash test, as a process to be killed"]
fn child() {
    let Ok(file) = std::env::var(FILE) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let retention = Retention {
            revisions: 1500,
            ..Retention::default()
        };
        let options = Options {
            retention,
            ..Options::default()
        };
        let store = Store::open(file, options).unwrap();
        say(format_args!("open {}", store.revision()));
        let next = tell(&store);
        check_history(&store);
        say(format_args!("ready"));
        write_forever(&store, &next).await;
    });
}

fn say(line: std::fmt::Arguments<'_>) {
    // One write, so that a kill cuts between lines. The parent may be gone.
    let _ = std::io::stdout()
        .lock()
        .write_all(format!("{line}\n").as_bytes());
}

/// Says what is there; answers with the next number of each series.
fn tell(store: &Store) -> BTreeMap<String, u64> {
    let mut next = BTreeMap::new();
    for item in store.range("/", None, None, 0).unwrap().items {
        let n = number(&item.value);
        say(format_args!("has {} {n} {}", item.key, item.modified));
        let last = next.entry(series(&item.key)).or_insert(0);
        *last = n.max(*last);
    }
    next
}

/// `/w/3/5` → `/w/3`: the keys that one writer goes through.
fn series(key: &str) -> String {
    key.rsplit_once('/').unwrap().0.to_owned()
}

fn value(n: u64) -> String {
    let length = usize::try_from(n * 37 % 3000).unwrap();
    format!("{n} {}", "x".repeat(length))
}

/// The number of a value, which must be whole.
fn number(bytes: &[u8]) -> u64 {
    let text = std::str::from_utf8(bytes).unwrap();
    let n = text.split_once(' ').unwrap().0.parse().unwrap();
    assert_eq!(text, value(n), "a half value");
    n
}

fn check_history(store: &Store) {
    let mut watch = store.watch("/", store.compacted()).unwrap();
    let mut last = store.compacted();
    while watch.progress() < store.revision() {
        let Some(batch) = watch.try_next().unwrap() else {
            continue;
        };
        assert!(batch.revision > last, "the history is out of order");
        last = batch.revision;
        check_flip(&batch);
    }
}

fn check_flip(batch: &Batch) {
    let Some(count) = batch.events.iter().find(|e| &*e.key == COUNT) else {
        return;
    };
    let flips = batch.events.iter().filter(|e| &*e.key == FLIP).count();
    assert!(
        number(&count.value) == 0 || flips == 1,
        "a half transaction"
    );
}

async fn write_forever(store: &Store, next: &BTreeMap<String, u64>) {
    let begin = |series: &str| next.get(series).map_or(0, |n| n + 1);
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, first) = (store.clone(), begin(&format!("/w/{writer}")));
        tasks.spawn(async move {
            for n in first.. {
                let key = format!("/w/{writer}/{}", n % SLOTS);
                let at = store
                    .commit(Txn::put(key.as_str(), value(n)))
                    .await
                    .unwrap();
                say(format_args!("ack {key} {n} {at}"));
            }
        });
    }
    let (flipper, first) = (store.clone(), begin("/flip"));
    tasks.spawn(async move {
        for n in first.. {
            let flip = if n % 2 == 1 {
                Write::put(FLIP, value(n))
            } else {
                Write::delete(FLIP)
            };
            let txn = Txn {
                writes: vec![Write::put(COUNT, value(n)), flip],
                ..Txn::default()
            };
            let at = flipper.commit(txn).await.unwrap();
            say(format_args!("ack {COUNT} {n} {at}"));
        }
    });
    let (leaser, first) = (store.clone(), begin("/lease"));
    tasks.spawn(async move {
        for n in first.. {
            let txn = Txn::put("/lease/node", value(n)).relaxed();
            let at = leaser.commit(txn).await.unwrap();
            say(format_args!("relaxed /lease/node {n} {at}"));
            // The writers above are waited for, or this one would be all there is.
            tokio::task::yield_now().await;
        }
    });
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

// === the parent ===

/// What the children said before they died.
#[derive(Debug, Default)]
struct Told {
    /// key → number and revision, as last acknowledged.
    acked: BTreeMap<String, (u64, u64)>,
    /// The last acknowledged number of each series.
    last: BTreeMap<String, u64>,
    /// No revision up to this may be seen again.
    revision_max: u64,
    acks: u64,
    ready: u64,
}

/// What one child said.
#[derive(Debug, Default)]
struct Life {
    found: BTreeMap<String, (u64, u64)>,
    ready: bool,
}

impl Told {
    fn hear(&mut self, life: &mut Life, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let n = |i: usize| words[i].parse::<u64>().unwrap();
        match words[0] {
            "open" => assert!(n(1) >= self.revision_max, "{line} after {self:?}"),
            "has" => {
                life.found.insert(words[1].to_owned(), (n(2), n(3)));
            }
            "ready" => {
                life.ready = true;
                self.ready += 1;
                self.check(&life.found);
                self.take(&life.found);
            }
            "ack" | "relaxed" => {
                assert!(n(3) > 0);
                if words[0] == "ack" {
                    assert!(life.ready);
                    self.acks += 1;
                    self.acked.insert(words[1].to_owned(), (n(2), n(3)));
                    self.last.insert(series(words[1]), n(2));
                }
            }
            _ => {}
        }
    }

    /// What was read was on disk, so it must be there from now on.
    fn take(&mut self, found: &BTreeMap<String, (u64, u64)>) {
        let durable = |key: &str| key.starts_with("/w/") || key == COUNT;
        for (key, at) in found.iter().filter(|(key, _)| durable(key)) {
            self.acked.insert(key.clone(), *at);
            let last = self.last.entry(series(key)).or_insert(at.0);
            *last = at.0.max(*last);
        }
    }

    /// Holds what a child found against what was acknowledged to those before it.
    fn check(&self, found: &BTreeMap<String, (u64, u64)>) {
        for (key, acked) in &self.acked {
            let found = found.get(key).unwrap_or_else(|| panic!("{key} is lost"));
            // Either that write, or the one that the writer was waiting for when it was killed.
            let waited_for = self.last[&series(key)] + 1;
            assert!(
                found == acked || (found.0 == waited_for && found.1 > acked.1),
                "{key}: acknowledged {acked:?}, found {found:?}"
            );
        }
        if let Some((count, _)) = found.get(COUNT) {
            let flip = found.get(FLIP).map(|(n, _)| *n);
            assert_eq!(flip, (count % 2 == 1).then_some(*count), "a half one");
        }
    }
}

fn start(file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--ignored", "--nocapture"])
        .env(FILE, file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets a child live for some lines, kills it, and hears all that it had said.
fn live(told: &mut Told, file: &Path, lines: usize) {
    let mut child = start(file);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut life = Life::default();
    let mut revisions = Vec::new();
    let mut line = String::new();
    let mut heard = 0;
    loop {
        if heard == lines {
            child.kill().unwrap();
        }
        heard += 1;
        line.clear();
        if out.read_line(&mut line).unwrap() == 0 {
            break;
        }
        // The harness says something as well, without an end of line at the last.
        let said = line.trim_end().rsplit("... ").next().unwrap_or_default();
        told.hear(&mut life, said);
        if said.starts_with("ack ") || said.starts_with("relaxed ") {
            let revision = said.rsplit(' ').next().unwrap();
            revisions.push(revision.parse::<u64>().unwrap());
        }
    }
    let status = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&status.stderr);
    assert!(!complaint.contains("panicked"), "{complaint}");
    revisions.sort_unstable();
    if let Some(first) = revisions.first() {
        assert!(*first > told.revision_max, "a revision is given out twice");
    }
    assert!(
        revisions.is_sorted_by(|a, b| a < b),
        "a revision is given out twice"
    );
    told.revision_max = revisions.last().copied().unwrap_or(told.revision_max);
}

#[test]
fn a_store_killed_under_load_two_hundred_times_keeps_every_acknowledged_write() {
    let folder = Folder::new();
    let mut told = Told::default();
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    for kill in 0..KILLS {
        // One in eight is killed while it opens the file.
        let lines = if kill % 8 == 7 {
            random.random_range(0..8)
        } else {
            random.random_range(50..200)
        };
        live(&mut told, &folder.file(), lines);
    }
    live(&mut told, &folder.file(), 100);
    assert!(
        told.ready > 100,
        "most children got to write: {}",
        told.ready
    );
    assert!(told.acks > 1000, "{}", told.acks);
}
