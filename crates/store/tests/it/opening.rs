//! Opening, closing, and what is refused.

use cedge_store::{CommitError, Ended, OpenError, Options, ReadError, Revision, Store, Txn};

use crate::folder::Folder;

#[tokio::test]
async fn a_store_opened_again_goes_on_where_it_was() {
    let folder = Folder::new();
    let (lineage, last) = {
        let store = folder.store();
        store.commit(Txn::put("/a", "1")).await.unwrap();
        let last = store.commit(Txn::put("/a", "2")).await.unwrap();
        store.compact(last).await.unwrap();
        (store.lineage(), last)
    };
    let store = folder.store();
    assert_eq!(store.lineage(), lineage);
    assert_eq!(store.revision(), last);
    assert_eq!(store.compacted(), last);
    let next = store.commit(Txn::put("/a", "3")).await.unwrap();
    assert_eq!(next, Revision::new(last.get() + 1));
}

#[test]
fn a_new_store_has_a_lineage_of_its_own() {
    let (one, other) = (Folder::new(), Folder::new());
    let lineage = one.store().lineage();
    assert_ne!(lineage, other.store().lineage());
    assert_eq!(lineage.len(), 36);
    assert_eq!(lineage.as_bytes()[14], b'4');
}

#[test]
fn a_file_in_use_is_refused() {
    let folder = Folder::new();
    let _store = folder.store();
    let second = Store::open(folder.file(), Options::default());
    assert!(
        matches!(second, Err(OpenError::Locked { .. })),
        "{second:?}"
    );
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let folder = Folder::new();
    let text = "not a database at all, but a long enough text ".repeat(200);
    std::fs::write(folder.file(), &text).unwrap();
    let opened = Store::open(folder.file(), Options::default());
    assert!(
        matches!(opened, Err(OpenError::Corrupt { .. })),
        "{opened:?}"
    );
    assert_eq!(std::fs::read_to_string(folder.file()).unwrap(), text);
}

#[tokio::test]
async fn a_truncated_file_is_refused() {
    let folder = Folder::new();
    {
        let store = folder.store();
        for n in 0..50 {
            let txn = Txn::put(format!("/{n}"), "x".repeat(2000));
            store.commit(txn).await.unwrap();
        }
    }
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(folder.file())
        .unwrap();
    file.set_len(file.metadata().unwrap().len() / 3).unwrap();
    let opened = Store::open(folder.file(), Options::default());
    assert!(
        matches!(opened, Err(OpenError::Corrupt { .. })),
        "{opened:?}"
    );
}

#[test]
fn a_missing_folder_is_a_disk_error_with_its_cause() {
    let folder = Folder::new();
    let opened = Store::open(folder.path().join("no/such"), Options::default());
    let Err(OpenError::Disk { cause, .. }) = opened else {
        panic!("{opened:?}");
    };
    let source = std::error::Error::source(&cause).unwrap().to_string();
    assert!(source.contains("No such file"), "{source}");
}

#[test]
fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let _store = folder.store();
    let mode = std::fs::metadata(folder.file())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_closed_store_says_so_to_everybody() {
    let folder = Folder::new();
    let store = folder.store();
    store.commit(Txn::put("/a", "1")).await.unwrap();
    let mut watch = store.watch("/", Revision::ZERO).unwrap();
    let mut idle = store.watch("/", store.revision()).unwrap();

    store.close().await;

    assert!(matches!(
        store.commit(Txn::put("/a", "2")).await,
        Err(CommitError::Closed)
    ));
    assert!(matches!(store.get("/a", None), Err(ReadError::Closed)));
    assert!(matches!(watch.next().await, Err(Ended::Closed)));
    assert!(matches!(idle.next().await, Err(Ended::Closed)));
    // The file is free again although a handle lives.
    let again = folder.store();
    assert!(again.get("/a", None).unwrap().is_some());
}

#[test]
fn a_store_is_created_whole_or_not_at_all() {
    let folder = Folder::new();
    // What a process leaves that is killed while it creates the file, and an empty file of somebody else.
    std::fs::write(folder.path().join("store.redb.new-1"), "half a database").unwrap();
    std::fs::write(folder.file(), "").unwrap();
    drop(folder.store());
    let names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, ["store.redb"]);
}
