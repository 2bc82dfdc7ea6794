//! The file of tables is created whole or not at all: whatever instant a `kill -9` picks, the next start opens.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use cedge_link::{StoreOptions, TableStore};

use crate::support::Folder;

/// How often it is created; each time some hundred instants are looked at.
const LIVES: usize = 20;

/// What a `kill -9` would leave now.
fn left_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let file = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        Some((name, std::fs::read(entry.path()).ok()?))
    };
    entries.filter_map(file).collect()
}

#[test]
fn tables_that_are_killed_while_they_are_created_open_at_the_next_start() {
    let (folder, after) = (Folder::new(), Folder::new());
    for life in 0..LIVES {
        let dir = folder.0.join(life.to_string());
        std::fs::create_dir(&dir).unwrap();
        let created = AtomicBool::new(false);
        let mut seen: Vec<BTreeMap<String, Vec<u8>>> = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let store = TableStore::open(&dir.join("tables"), &StoreOptions::default());
                created.store(true, Ordering::Release);
                drop(store.unwrap());
            });
            while !created.load(Ordering::Acquire) {
                let left = left_in(&dir);
                if seen.last() != Some(&left) {
                    seen.push(left);
                }
            }
        });
        for (instant, left) in seen.iter().enumerate() {
            let dir = after.0.join(format!("{life}-{instant}"));
            std::fs::create_dir(&dir).unwrap();
            for (name, bytes) in left {
                std::fs::write(dir.join(name), bytes).unwrap();
            }
            let opened = TableStore::open(&dir.join("tables"), &StoreOptions::default());
            let names: Vec<_> = left.iter().map(|(n, b)| (n, b.len())).collect();
            assert!(
                opened.is_ok(),
                "instant {instant} left {names:?}: {opened:?}"
            );
            drop(opened);
            std::fs::remove_dir_all(dir).unwrap();
        }
    }
}
