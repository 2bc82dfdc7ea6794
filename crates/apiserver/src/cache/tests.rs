use std::path::Path;

use cedge_store::{Durability, Options, Txn, Write};

use super::*;

/// Wants to know nothing.
struct Deaf;

impl Listener for Deaf {
    fn loaded(&self, _: &KindCache, _: &Object) {}
    fn changed(&self, _: &KindCache, _: &Event) {}
}

async fn write(store: &Store, name: &str) -> u64 {
    let object = format!(
        r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"default"}}}}"#
    );
    let key = key_of("core/configmaps", "default", name);
    let txn = Txn {
        expect: Vec::new(),
        writes: vec![Write::put(key, object.into_bytes())],
        durability: Durability::Durable,
    };
    store.commit(txn).await.unwrap().get()
}

fn open(path: &Path) -> Store {
    Store::open(path, Options::default()).unwrap()
}

/// A server that was killed: its store as the disk has it, opened again.
async fn killed_and_back(dir: &Path) -> Store {
    let store = open(&dir.join("before"));
    write(&store, "before").await;
    std::fs::copy(dir.join("before"), dir.join("after")).unwrap();
    let again = open(&dir.join("after"));
    assert!(again.revision().get() > store.revision().get() + 1000);
    again
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stood_still_does_not_say_that_its_own_writes_are_in_the_future() {
    let dir = tempfile::tempdir().unwrap();
    let store = killed_and_back(dir.path()).await;
    let cache = Arc::new(Cache::new(store.clone()));
    load(&cache, &Deaf).unwrap();
    let written = write(&store, "first-after").await;
    assert_eq!(cache.revision() + 1, written);
    let late = cache.clone();
    let feed = cedge_tasks::spawn("test/feed", async move {
        tokio::time::sleep(REVISION_WAIT * 3).await;
        let _ = follow(&late, &Deaf).await;
    });
    cache.fresh().await.unwrap();
    cache.reach(written).await.unwrap();
    let kind = cache.kind("", "configmaps");
    assert!(kind.get("default/first-after").is_some());
    assert!(kind.get("default/before").is_some());
    feed.abort();
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_nobody_wrote_is_in_the_future() {
    let dir = tempfile::tempdir().unwrap();
    let store = killed_and_back(dir.path()).await;
    let cache = Cache::new(store.clone());
    load(&cache, &Deaf).unwrap();
    let current = store.revision().get();
    let refused = cache.reach(current + 1).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "Timeout: Too large resource version: {}, current: {current}",
            current + 1
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_was_ahead_of_the_cache_is_told_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let before = write(&store, "before").await;
    write(&store, "a").await;
    let cache = Arc::new(Cache::new(store.clone()));
    load(&cache, &Deaf).unwrap();
    let kind = cache.kind("", "configmaps");
    let mut watcher = Watcher::after(&cache, &kind, before).unwrap();
    // Nobody feeds the cache yet: the watcher reads this from the store, and joins the others.
    write(&store, "b").await;
    let mut told = Vec::new();
    for _ in 0..2 {
        told.extend(names(watcher.next().await));
    }
    let waited = tokio::time::timeout(Duration::from_secs(1), watcher.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    let late = cache.clone();
    let feed = cedge_tasks::spawn("test/feed", async move {
        let _ = follow(&late, &Deaf).await;
    });
    let last = write(&store, "c").await;
    cache.reach(last).await.unwrap();
    told.extend(names(watcher.next().await));
    assert_eq!(told, ["default/a", "default/b", "default/c"]);
    feed.abort();
}

fn names(seen: Seen) -> Vec<String> {
    let Seen::Changes(events) = seen else {
        panic!("{seen:?}");
    };
    let names = events.iter().map(|event| event.object.path().to_owned());
    names.collect()
}
