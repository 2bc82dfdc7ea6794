//! A disk that fills up. Needs a file system of its own, so root.

use std::path::Path;
use std::process::Command;

use cedge_store::{CommitError, Options, Store, Txn, WriteError};

use crate::folder::Folder;

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

fn value(n: usize) -> String {
    format!("{n:08}").repeat(2000)
}

async fn put(store: &Store, n: usize) -> Result<(), CommitError> {
    let txn = Txn::create(format!("/{n:04}"), value(n));
    store.commit(txn).await.map(|_| ())
}

fn check(store: &Store, count: usize) {
    let items = store.range("/", None, None, 0).unwrap().items;
    assert_eq!(items.len(), count);
    for (n, item) in items.iter().enumerate() {
        assert_eq!(item.value, value(n));
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_loses_nothing_and_works_again_with_space() {
    let folder = Folder::new();
    let disk = match SmallDisk::mount(folder.path()) {
        Ok(disk) => disk,
        Err(why) => {
            eprintln!("skipped: no small file system can be mounted here: {why}");
            return;
        }
    };
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![0; 6 << 20]).unwrap();
    let store = folder.store();
    let lease = Txn::put("/lease", "seen").relaxed();

    let mut count = 0;
    let refused = loop {
        match put(&store, count).await {
            Ok(()) => count += 1,
            Err(e) => break e,
        }
    };
    assert!(
        matches!(refused, CommitError::Write(WriteError::NoSpace(_))),
        "{refused:?}"
    );
    assert!(count > 10, "{count}");
    // Full: everything acknowledged can be read, and each further write is refused, not lost.
    check(&store, count);
    for _ in 0..3 {
        let again = put(&store, count).await.unwrap_err();
        assert!(matches!(again, CommitError::Write(_)), "{again:?}");
        check(&store, count);
    }
    // Space: it goes on by itself.
    std::fs::remove_file(&ballast).unwrap();
    for _ in 0..20 {
        put(&store, count).await.unwrap();
        count += 1;
    }
    check(&store, count);
    store.commit(lease).await.unwrap();
    drop(store);
    let store = Store::open(folder.file(), Options::default()).unwrap();
    assert!(store.get("/lease", None).unwrap().is_some());
    let txn = Txn::delete(
        "/lease",
        store.get("/lease", None).unwrap().unwrap().modified,
    );
    store.commit(txn).await.unwrap();
    check(&store, count);
    store.close().await;
}
