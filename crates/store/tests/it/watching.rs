//! Watches: order, completeness, slow watchers.

use std::time::Duration;

use cedge_store::{Ended, EventKind, Lag, Options, Retention, Revision, Store, Txn, Watch, Write};
use tokio::time::timeout;

use crate::folder::Folder;

async fn next_keys(watch: &mut Watch) -> Vec<String> {
    let batch = timeout(Duration::from_secs(10), watch.next())
        .await
        .expect("a change comes")
        .unwrap();
    batch.events.iter().map(|e| e.key.to_string()).collect()
}

#[tokio::test]
async fn a_watch_tells_what_happened_with_the_value_before() {
    let folder = Folder::new();
    let store = folder.store();
    let mut watch = store.watch("/", store.revision()).unwrap();
    let first = store.commit(Txn::create("/a", "1")).await.unwrap();
    let second = store.commit(Txn::update("/a", first, "2")).await.unwrap();
    let third = store.commit(Txn::delete("/a", second)).await.unwrap();

    // The same whether it is told live or read from disk.
    for watch in [&mut watch, &mut store.watch("/", Revision::ZERO).unwrap()] {
        let mut seen = Vec::new();
        for _ in 0..3 {
            let batch = watch.next().await.unwrap();
            let event = batch.events[0].clone();
            assert_eq!(event.revision, batch.revision);
            seen.push((event.kind, event.value, event.previous, event.revision));
        }
        assert_eq!(
            seen,
            [
                (EventKind::Put { created: true }, "1".into(), None, first),
                (
                    EventKind::Put { created: false },
                    "2".into(),
                    Some("1".into()),
                    second
                ),
                (EventKind::Delete, "".into(), Some("2".into()), third),
            ]
        );
        assert!(watch.try_next().unwrap().is_none());
    }
}

#[tokio::test]
async fn a_watch_sees_its_prefix_only() {
    let folder = Folder::new();
    let store = folder.store();
    let mut pods = store.watch("/pods/", store.revision()).unwrap();
    let mut all = store.watch("/", store.revision()).unwrap();
    let txn = Txn {
        writes: vec![
            Write::put("/pods/a", "1"),
            Write::put("/nodes/a", "1"),
            Write::put("/pods/b", "1"),
        ],
        ..Txn::default()
    };
    store.commit(Txn::put("/podsx", "1")).await.unwrap();
    store.commit(txn).await.unwrap();

    assert_eq!(next_keys(&mut pods).await, ["/pods/a", "/pods/b"]);
    assert_eq!(next_keys(&mut all).await, ["/podsx"]);
    assert_eq!(
        next_keys(&mut all).await,
        ["/pods/a", "/nodes/a", "/pods/b"]
    );
    let mut later = store.watch("/pods/", Revision::ZERO).unwrap();
    assert_eq!(next_keys(&mut later).await, ["/pods/a", "/pods/b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_that_start_while_others_write_miss_nothing_and_see_nothing_twice() {
    const WRITES: u64 = 1500;
    let folder = Folder::new();
    let store = folder.store();
    // Before the first write: what is waited for is counted from here.
    let start = store.revision();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..3 {
        let store = store.clone();
        tasks.spawn(async move {
            for n in 0..WRITES / 3 {
                let txn = Txn::put(format!("/{writer}/{}", n % 7), n.to_string()).relaxed();
                store.commit(txn).await.unwrap();
            }
        });
    }
    for after in 0..20 {
        let store = store.clone();
        tasks.spawn(async move {
            let after = Revision::new(start.get().max(after * 60));
            while store.revision() < after {
                tokio::task::yield_now().await;
            }
            let mut watch = store.watch("/", after).unwrap();
            let mut last = after.get();
            while last < start.get() + WRITES {
                let batch = timeout(Duration::from_secs(30), watch.next()).await;
                let batch = batch.expect("it goes on").unwrap();
                assert_eq!(batch.revision.get(), last + 1);
                last += 1;
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
}

#[tokio::test]
async fn a_slow_watcher_is_ended_and_the_others_go_on() {
    let folder = Folder::new();
    let options = Options {
        lag: Lag {
            batches: 40,
            bytes: 1 << 20,
        },
        ..Options::default()
    };
    let store = Store::open(folder.file(), options).unwrap();
    let mut slow = store.watch("/", store.revision()).unwrap();
    let mut quick = store.watch("/", store.revision()).unwrap();
    // Both live on the ring from here.
    assert!(slow.try_next().unwrap().is_none());
    for n in 0..100 {
        let txn = Txn::put("/a", n.to_string()).relaxed();
        let revision = store.commit(txn).await.unwrap();
        assert_eq!(quick.next().await.unwrap().revision, revision);
    }
    assert!(matches!(slow.next().await, Err(Ended::Lagged { .. })));
    assert!(matches!(slow.next().await, Err(Ended::Lagged { .. })));
    assert_eq!(store.stats().lagged, 1);
    // It may come back from what it has seen.
    let mut again = store.watch("/", Revision::new(1)).unwrap();
    assert_eq!(again.next().await.unwrap().events[0].value, "0");
}

#[tokio::test]
async fn bytes_that_wait_are_bounded_too() {
    let folder = Folder::new();
    let options = Options {
        lag: Lag {
            batches: 4096,
            bytes: 100_000,
        },
        ..Options::default()
    };
    let store = Store::open(folder.file(), options).unwrap();
    let mut slow = store.watch("/", store.revision()).unwrap();
    assert!(slow.try_next().unwrap().is_none());
    for _ in 0..20 {
        let txn = Txn::put("/a", "x".repeat(10_000)).relaxed();
        store.commit(txn).await.unwrap();
    }
    assert!(matches!(slow.next().await, Err(Ended::Lagged { .. })));
}

#[tokio::test]
async fn progress_moves_on_with_changes_elsewhere_but_never_past_a_waiting_one() {
    let folder = Folder::new();
    let store = folder.store();
    let start = store.revision();
    let mut watch = store.watch("/a/", start).unwrap();
    let elsewhere = store.commit(Txn::put("/b/x", "1")).await.unwrap();
    assert!(watch.try_next().unwrap().is_none());
    assert_eq!(watch.progress(), elsewhere);

    let here = store.commit(Txn::put("/a/x", "1")).await.unwrap();
    store.commit(Txn::put("/b/x", "2")).await.unwrap();
    assert!(watch.progress() < here);
    watch.next().await.unwrap();
    assert_eq!(watch.progress(), store.revision());
}

#[tokio::test]
async fn a_watch_that_catches_up_is_told_when_its_history_goes() {
    let folder = Folder::new();
    let options = Options {
        retention: Retention {
            age: Duration::ZERO,
            revisions: 0,
        },
        ..Options::default()
    };
    let store = Store::open(folder.file(), options).unwrap();
    for n in 0..600 {
        let txn = Txn::put("/a", n.to_string()).relaxed();
        store.commit(txn).await.unwrap();
    }
    let mut watch = store.watch("/", Revision::new(1)).unwrap();
    watch.next().await.unwrap();
    store.compact(store.revision()).await.unwrap();
    let ended = loop {
        match watch.next().await {
            Ok(_) => {}
            Err(ended) => break ended,
        }
    };
    assert!(matches!(ended, Ended::Compacted { .. }), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_watchers_of_one_prefix_all_hear_of_every_change() {
    let folder = Folder::new();
    let store = folder.store();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let mut watch = store.watch("/a/", store.revision()).unwrap();
        tasks.spawn(async move {
            for n in 0..20 {
                let batch = watch.next().await.unwrap();
                assert_eq!(batch.events[0].value, n.to_string());
            }
        });
    }
    assert_eq!(store.stats().watchers, 1000);
    for n in 0..20 {
        store.commit(Txn::put("/a/x", n.to_string())).await.unwrap();
    }
    let all = async { while tasks.join_next().await.transpose().unwrap().is_some() {} };
    timeout(Duration::from_secs(30), all).await.unwrap();
    assert_eq!(store.stats().watchers, 0);
}
