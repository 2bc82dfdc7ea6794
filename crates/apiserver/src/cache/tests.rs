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
