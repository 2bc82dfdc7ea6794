//! Follows the store and keeps the cache at its revision.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cedge_store::{Batch, Ended, EventKind, ReadError, Revision};

use super::kind::Applied;
use super::object::split_key;
use super::{Cache, Event, KindCache, Object};

/// Keys that are read at once while loading.
const PAGE: usize = 500;
/// When nothing happens for that long, old changes are forgotten.
const QUIET: Duration = Duration::from_secs(15);
/// Kinds that others depend on are loaded first.
const FIRST: &str = "/registry/apiextensions.k8s.io/customresourcedefinitions/";
const ALL: &str = "/registry/";

/// Is told of every change, in order, before readers can see that the cache has reached its revision.
pub(crate) trait Listener: Send + Sync {
    /// An object that was there when the server started.
    fn loaded(&self, kind: &KindCache, object: &Object);
    /// A change.
    fn changed(&self, kind: &KindCache, event: &Event);
}

/// Why the store is not followed any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupted {
    #[error("the store cannot be watched")]
    Watch(#[source] ReadError),
    #[error("the watch of the store ended")]
    Ended(#[source] Ended),
}

/// Follows the store from the revision that the cache has reached, until it is closed.
///
/// # Errors
/// The store could not be followed; to be called again.
pub(crate) async fn follow(cache: &Cache, listener: &dyn Listener) -> Result<(), Interrupted> {
    let from = Revision::new(cache.revision());
    let mut watch = cache.store().watch(ALL, from).map_err(Interrupted::Watch)?;
    loop {
        match tokio::time::timeout(QUIET, watch.next()).await {
            Ok(Ok(batch)) => apply(cache, listener, &batch),
            Ok(Err(Ended::Closed)) => return Ok(()),
            Ok(Err(ended)) => return Err(Interrupted::Ended(ended)),
            Err(_) => cache.all().iter().for_each(|kind| kind.trim()),
        }
    }
}

/// Loads everything as of the newest revision.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn load(cache: &Cache, listener: &dyn Listener) -> Result<(), ReadError> {
    let revision = cache.store().revision();
    for (prefix, skip) in [(FIRST, None), (ALL, Some(FIRST))] {
        let mut after = None;
        loop {
            let page = cache
                .store()
                .range(prefix, after.as_deref(), Some(revision), PAGE)?;
            for item in &page.items {
                if skip.is_none_or(|skip| !item.key.starts_with(skip)) {
                    load_one(cache, listener, item);
                }
            }
            match page.items.last() {
                Some(last) if page.more => after = Some(last.key.to_string()),
                _ => break,
            }
        }
    }
    cache.loaded_at.store(revision.get(), Ordering::Release);
    for kind in cache.all() {
        kind.loaded(revision.get());
    }
    cache.set_applied(revision);
    Ok(())
}

fn load_one(cache: &Cache, listener: &dyn Listener, item: &cedge_store::Item) {
    let Some((name, _)) = split_key(&item.key) else {
        return;
    };
    let kind = cache.kind_named(name);
    let index = kind.indexer();
    match Object::new(&item.key, &item.value, item.modified.get(), index.as_ref()) {
        Ok(object) => {
            listener.loaded(&kind, &object);
            kind.load(object);
        }
        Err(error) => tracing::error!(key = %item.key, %error, "stored object cannot be read"),
    }
}

fn apply(cache: &Cache, listener: &dyn Listener, batch: &Batch) {
    let revision = batch.revision.get();
    for change in &batch.events {
        let Some((name, path)) = split_key(&change.key) else {
            continue;
        };
        let kind = cache.kind_named(name);
        let applied = match change.kind {
            EventKind::Put { .. } => {
                let index = kind.indexer();
                match Object::new(&change.key, &change.value, revision, index.as_ref()) {
                    Ok(object) => Applied::Put(object),
                    Err(error) => {
                        tracing::error!(key = %change.key, %error, "stored object cannot be read");
                        continue;
                    }
                }
            }
            EventKind::Delete => match kind.get(path) {
                Some(last) => Applied::Delete(last, revision),
                None => continue,
            },
        };
        let event = kind.apply(applied);
        listener.changed(&kind, &event);
    }
    cache.set_applied(batch.revision);
}
