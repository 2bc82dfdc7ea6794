//! A disk that fills up below the tables. Needs a file system of its own, so root.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use cedge_link::{StoreOptions, TableStore, Writer};

use crate::support::{DOWN, Folder};

/// A small file system in memory, unmounted with its owner.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Result<Self, String> {
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"])
            .arg(at);
        match mount.output() {
            Ok(done) if done.status.success() => Ok(Self(at)),
            Ok(done) => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
            Err(e) => Err(e.to_string()),
        }
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn value(n: usize) -> Bytes {
    format!("{n:08}").repeat(8000).into()
}

fn check(table: &Writer, count: usize) {
    for n in 0..count {
        assert_eq!(table.get(&format!("o/{n}")).unwrap(), Some(value(n)), "{n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_of_a_table_and_needs_no_restart() {
    let folder = Folder::new();
    let disk = match SmallDisk::mount(&folder.0) {
        Ok(disk) => disk,
        Err(why) => {
            eprintln!("skipped: no small file system can be mounted here: {why}");
            return;
        }
    };
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![0; 6 << 20]).unwrap();
    let peer = cedge_pki::Key::generate().id();
    let file = disk.0.join("tables.redb");
    let store = TableStore::open(&file, &StoreOptions::default()).unwrap();
    let table = store.writer(&peer, DOWN).unwrap();
    let mut count = 0;
    let refused = loop {
        match table.put(&format!("o/{count}"), value(count)).await {
            Ok(_) => count += 1,
            Err(e) => break e.to_string(),
        }
    };
    assert!(refused.contains("No space left"), "{refused}");
    assert!(count > 10, "{count}");
    check(&table, count);
    let again = table.put("o/again", Bytes::from_static(b"small")).await;
    assert!(again.is_err(), "the disk is still full");
    check(&table, count);

    std::fs::remove_file(&ballast).unwrap();
    // What was refused is stored with what comes.
    while table
        .put("o/more", Bytes::from_static(b"more"))
        .await
        .is_err()
    {}
    check(&table, count + 1);
    drop((table, store));
    let store = TableStore::open(&file, &StoreOptions::default()).unwrap();
    let table = store.writer(&peer, DOWN).unwrap();
    check(&table, count + 1);
    let more = table.get("o/more").unwrap();
    assert_eq!(more.as_deref(), Some(&b"more"[..]));
    drop((table, store));
}
