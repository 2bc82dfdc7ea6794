//! Transactions, reads and compaction.

use cedge_store::{
    CommitError, Durability, Expect, Item, LimitError, Limits, Options, ReadError, Retention,
    Revision, Store, Txn, Write,
};

use crate::folder::Folder;

fn value_of(item: Option<Item>) -> Option<String> {
    item.map(|i| String::from_utf8(i.value.to_vec()).unwrap())
}

fn names(items: &[Item]) -> Vec<&str> {
    items.iter().map(|i| &*i.key).collect()
}

#[tokio::test]
async fn a_key_is_created_once() {
    let folder = Folder::new();
    let store = folder.store();
    let created = store.commit(Txn::create("/a", "1")).await.unwrap();

    let second = store.commit(Txn::create("/a", "2")).await.unwrap_err();

    let CommitError::Conflict { key, current } = second else {
        panic!("{second:?}");
    };
    assert_eq!(&*key, "/a");
    let current = current.unwrap();
    assert_eq!((current.modified, current.version), (created, 1));
    assert_eq!(current.value, "1");
    assert_eq!(store.stats().conflicts, 1);
}

#[tokio::test]
async fn an_update_holds_only_at_the_revision_that_it_names() {
    let folder = Folder::new();
    let store = folder.store();
    let first = store.commit(Txn::create("/a", "1")).await.unwrap();
    let second = store.commit(Txn::update("/a", first, "2")).await.unwrap();
    assert!(second > first);

    let stale = store.commit(Txn::update("/a", first, "3")).await;
    assert!(matches!(stale, Err(CommitError::Conflict { .. })));

    let item = store.get("/a", None).unwrap().unwrap();
    assert_eq!(item.created, first);
    assert_eq!((item.modified, item.version), (second, 2));
}

#[tokio::test]
async fn a_transaction_happens_as_a_whole_or_not_at_all() {
    let folder = Folder::new();
    let store = folder.store();
    store.commit(Txn::create("/b", "there")).await.unwrap();
    let before = store.revision();
    let txn = |expect| Txn {
        expect: vec![("/b".into(), expect)],
        writes: vec![Write::put("/a", "1"), Write::put("/c", "1")],
        durability: Durability::Durable,
    };

    store.commit(txn(Expect::Absent)).await.unwrap_err();
    assert_eq!(store.revision(), before);
    assert_eq!(store.range("/", None, None, 0).unwrap().items.len(), 1);

    let at = store.commit(txn(Expect::Present)).await.unwrap();
    let page = store.range("/", None, None, 0).unwrap();
    assert_eq!(names(&page.items), ["/a", "/b", "/c"]);
    assert_eq!(page.items[0].modified, at);
    assert_eq!(page.items[2].modified, at);
}

#[tokio::test]
async fn deleting_what_is_absent_changes_nothing() {
    let folder = Folder::new();
    let store = folder.store();
    let before = store.revision();
    let txn = Txn {
        writes: vec![Write::delete("/a")],
        ..Txn::default()
    };
    assert_eq!(store.commit(txn).await.unwrap(), before);
    assert_eq!(store.revision(), before);
}

#[tokio::test]
async fn a_key_that_is_created_again_starts_anew() {
    let folder = Folder::new();
    let store = folder.store();
    let first = store.commit(Txn::create("/a", "1")).await.unwrap();
    store.commit(Txn::delete("/a", first)).await.unwrap();
    let again = store.commit(Txn::create("/a", "2")).await.unwrap();

    let item = store.get("/a", None).unwrap().unwrap();
    assert_eq!((item.created, item.version), (again, 1));
}

#[tokio::test]
async fn pages_show_one_revision_whatever_is_written_between_them() {
    let folder = Folder::new();
    let store = folder.store();
    for name in ["/p/a", "/p/b", "/p/c", "/p/d", "/q/a"] {
        store.commit(Txn::create(name, "old")).await.unwrap();
    }
    let first = store.range("/p/", None, None, 2).unwrap();
    assert_eq!(names(&first.items), ["/p/a", "/p/b"]);
    assert!(first.more);

    store.commit(Txn::put("/p/c", "new")).await.unwrap();
    store.commit(Txn::put("/p/bb", "new")).await.unwrap();
    let d = store.get("/p/d", None).unwrap().unwrap();
    store.commit(Txn::delete("/p/d", d.modified)).await.unwrap();

    let rest = store
        .range("/p/", Some("/p/b"), Some(first.revision), 0)
        .unwrap();
    assert_eq!(names(&rest.items), ["/p/c", "/p/d"]);
    assert!(rest.items.iter().all(|i| i.value == "old"));
    assert!(!rest.more);
    let left = |at| store.count("/p/", Some("/p/b"), at).unwrap();
    assert_eq!((left(Some(first.revision)), left(None)), (2, 2));
    let now = store.range("/p/", None, None, 0).unwrap();
    assert_eq!(names(&now.items), ["/p/a", "/p/b", "/p/bb", "/p/c"]);
}

#[tokio::test]
async fn the_past_is_readable_until_it_is_compacted() {
    let folder = Folder::new();
    let store = folder.store();
    let first = store.commit(Txn::put("/a", "1")).await.unwrap();
    let second = store.commit(Txn::put("/a", "2")).await.unwrap();
    let gone = store.commit(Txn::create("/b", "x")).await.unwrap();
    store.commit(Txn::delete("/b", gone)).await.unwrap();
    let last = store.commit(Txn::put("/a", "3")).await.unwrap();
    assert_eq!(
        value_of(store.get("/a", Some(first)).unwrap()).unwrap(),
        "1"
    );

    store.compact(last).await.unwrap();

    assert!(matches!(
        store.get("/a", Some(second)),
        Err(ReadError::Compacted { compacted, .. }) if compacted == last
    ));
    assert!(matches!(
        store.watch("/", second),
        Err(ReadError::Compacted { .. })
    ));
    assert_eq!(value_of(store.get("/a", Some(last)).unwrap()).unwrap(), "3");
    // The versions 1 and 2 of /a, and both records of /b.
    assert_eq!(store.stats().compacted, 4);
}

#[tokio::test]
async fn what_was_current_at_the_compacted_revision_stays() {
    let folder = Folder::new();
    let store = folder.store();
    store.commit(Txn::put("/old", "still here")).await.unwrap();
    let floor = store.commit(Txn::put("/a", "1")).await.unwrap();
    store.commit(Txn::put("/a", "2")).await.unwrap();

    store.compact(floor).await.unwrap();

    let page = store.range("/", None, Some(floor), 0).unwrap();
    assert_eq!(names(&page.items), ["/a", "/old"]);
    assert_eq!(page.items[0].value, "1");
}

#[tokio::test]
async fn too_many_revisions_are_compacted_by_themselves() {
    let folder = Folder::new();
    let options = Options {
        retention: Retention {
            revisions: 10,
            ..Retention::default()
        },
        ..Options::default()
    };
    let store = Store::open(folder.file(), options).unwrap();
    for n in 0..50 {
        store.commit(Txn::put("/a", n.to_string())).await.unwrap();
    }
    assert!(store.compacted().get() + 11 >= store.revision().get());
    assert!(store.stats().compacted >= 38, "{:?}", store.stats());
    assert_eq!(value_of(store.get("/a", None).unwrap()).unwrap(), "49");
}

#[tokio::test]
async fn the_future_cannot_be_read() {
    let folder = Folder::new();
    let store = folder.store();
    let future = Revision::new(store.revision().get() + 1);
    assert!(matches!(
        store.get("/a", Some(future)),
        Err(ReadError::Future { .. })
    ));
}

#[tokio::test]
async fn what_breaks_a_limit_is_refused() {
    let folder = Folder::new();
    let options = Options {
        limits: Limits {
            key_bytes: 8,
            value_bytes: 16,
            operations: 2,
            ..Limits::default()
        },
        ..Options::default()
    };
    let store = Store::open(folder.file(), options).unwrap();
    let refused = async |txn| match store.commit(txn).await {
        Err(CommitError::Limit(e)) => e,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Txn::put("", "")).await, LimitError::EmptyKey);
    assert_eq!(
        refused(Txn::put("/12345678", "")).await,
        LimitError::KeyTooLong { bytes: 9, max: 8 }
    );
    assert_eq!(
        refused(Txn::put("/a", "x".repeat(17))).await.to_string(),
        "the value of `/a` has 17 bytes, more than 16"
    );
    let many = |keys: &[&'static str]| Txn {
        writes: keys.iter().map(|key| Write::delete(*key)).collect(),
        ..Txn::default()
    };
    assert_eq!(
        refused(many(&["/a", "/b", "/c"])).await,
        LimitError::TooMany { count: 3, max: 2 }
    );
    assert!(matches!(
        refused(many(&["/a", "/a"])).await,
        LimitError::Twice { .. }
    ));
    assert_eq!(store.stats().transactions, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_writers_share_a_commit() {
    let folder = Folder::new();
    let store = folder.store();
    let all = (0..200).map(|n| {
        let store = store.clone();
        async move { store.commit(Txn::put(format!("/{n}"), "x")).await.unwrap() }
    });
    let mut tasks = tokio::task::JoinSet::new();
    for one in all {
        tasks.spawn(one);
    }
    let mut revisions: Vec<u64> = tasks.join_all().await.iter().map(|r| r.get()).collect();
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(revisions.len(), 200);
    let stats = store.stats();
    assert_eq!(stats.transactions, 200);
    assert!(stats.commits_durable < 200, "{stats:?}");
    assert!(stats.batch_max > 1, "{stats:?}");
}

#[tokio::test]
async fn relaxed_writes_are_seen_at_once_and_survive_a_close() {
    let folder = Folder::new();
    {
        let store = folder.store();
        store
            .commit(Txn::put("/lease", "1").relaxed())
            .await
            .unwrap();
        assert_eq!(value_of(store.get("/lease", None).unwrap()).unwrap(), "1");
        assert_eq!(store.stats().commits_durable, 0);
        assert_eq!(store.stats().commits_relaxed, 1);
    }
    let store = folder.store();
    assert_eq!(value_of(store.get("/lease", None).unwrap()).unwrap(), "1");
}

#[tokio::test]
async fn relaxed_writes_ride_on_the_next_durable_one() {
    let folder = Folder::new();
    let store = folder.store();
    for n in 0..5 {
        let txn = Txn::put("/lease", n.to_string()).relaxed();
        store.commit(txn).await.unwrap();
    }
    store.commit(Txn::put("/a", "1")).await.unwrap();
    let stats = store.stats();
    assert_eq!((stats.commits_relaxed, stats.commits_durable), (5, 1));
    store.flush().await.unwrap();
    assert_eq!(store.stats().commits_durable, 1);
}
