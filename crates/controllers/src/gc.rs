//! Garbage collection: deletes what has lost all its owners, waits for dependents in foreground deletion, lets go of
//! them when they are to be orphaned.
//!
//! There is no graph of its own: the shared caches of all kinds (headers only) index objects by the uids of their
//! owners, which is the graph, in the room of one set of keys. Nothing is ever deleted because a cache lacks its owner:
//! the API is asked first, and the owner's uid must really be gone.

mod act;
mod kinds;
mod plan;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use cedge_informer::{Change, Key, Next, Object, Owner, Queue};
use kube::api::ApiResource;

use crate::context::Context;
use crate::error::Error;
use kinds::Kinds;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
const WORKERS: usize = 10;

/// An object that may be garbage.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Item {
    /// Group and kind.
    kind: KindId,
    key: Key,
    uid: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct KindId {
    group: Arc<str>,
    kind: Arc<str>,
}

#[derive(Clone)]
struct Collector {
    ctx: Context,
    kinds: Kinds,
    queue: Queue<Item>,
    /// Items whose owner is of a kind that is not served: looked at again when the served kinds change.
    unresolved: Arc<Mutex<HashSet<Item>>>,
}

pub(crate) fn start(ctx: &Context) {
    let this = Collector {
        ctx: ctx.clone(),
        kinds: Kinds::default(),
        queue: Queue::new("garbage-collector"),
        unresolved: Arc::default(),
    };
    kinds::keep_up(&this);
    let queue = this.queue.clone();
    ctx.work(&queue, &[], WORKERS, move |item| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&item)).await }
    });
}

// === impl KindId ===

impl KindId {
    fn new(group: &str, kind: &str) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
        }
    }

    fn of(resource: &ApiResource) -> Self {
        Self::new(&resource.group, &resource.kind)
    }

    fn of_owner(owner: &Owner) -> Self {
        let group = owner.api_version.split_once('/').map_or("", |(g, _)| g);
        Self::new(group, &owner.kind)
    }
}

// === impl Item ===

impl Item {
    fn of(object: &Object) -> Self {
        Self {
            kind: KindId::of(object.resource()),
            key: object.key().clone(),
            uid: object.uid().into(),
        }
    }
}

/// Deleting, and waiting for its dependents.
fn waits_for_dependents(object: &Object) -> bool {
    object.is_deleting() && object.has_finalizer(FOREGROUND)
}

// === impl Collector: what a change means ===

impl Collector {
    /// Follows one kind.
    fn observe(&self, change: &Change) {
        match change {
            Change::Added(new) => self.observe_state(new, None),
            Change::Updated { old, new } => self.observe_state(new, Some(old)),
            Change::Deleted(old) => {
                for dependent in self.kinds.dependents(old.uid()) {
                    self.queue.add(Item::of(&dependent));
                }
                self.wake_waiting_owners(old, &[]);
            }
        }
    }

    fn observe_state(&self, new: &Object, old: Option<&Object>) {
        if new.is_deleting() && new.has_finalizer(ORPHAN) {
            self.queue.add(Item::of(new));
        }
        if waits_for_dependents(new) && !old.is_some_and(waits_for_dependents) {
            for dependent in self.kinds.dependents(new.uid()) {
                self.queue.add(Item::of(&dependent));
            }
            self.queue.add(Item::of(new));
        }
        if old.is_some_and(|old| old.owners() == new.owners()) {
            return;
        }
        let lost = |owner: &Owner| match self.kinds.owner(new, owner) {
            Some(owner) => waits_for_dependents(&owner),
            None => true,
        };
        if new.owners().iter().any(lost) {
            self.queue.add(Item::of(new));
        }
        if let Some(old) = old {
            self.wake_waiting_owners(old, new.owners());
        }
    }

    /// Owners that wait for this dependent may have waited for the last one.
    fn wake_waiting_owners(&self, old: &Object, still: &[Owner]) {
        for before in old.owners() {
            let blocks = |o: &&Owner| o.uid == before.uid && o.block_owner_deletion;
            if !still.iter().any(|o| blocks(&o))
                && let Some(owner) = self.kinds.owner(old, before)
                && waits_for_dependents(&owner)
            {
                self.queue.add(Item::of(&owner));
            }
        }
    }

    fn set_aside(&self, item: &Item) -> Next {
        self.unresolved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(item.clone());
        Next::OnChange
    }

    /// The served kinds have changed.
    fn take_up_unresolved(&self) {
        let items = std::mem::take(
            &mut *self
                .unresolved
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for item in items {
            self.queue.add(item);
        }
    }
}

impl Collector {
    async fn reconcile(&self, item: &Item) -> Result<Next, Error> {
        let Some(cached) = self.kinds.get(&item.kind, &item.key) else {
            return Ok(Next::OnChange);
        };
        if cached.uid() != &*item.uid {
            return Ok(Next::OnChange);
        }
        if cached.is_deleting() && cached.has_finalizer(ORPHAN) {
            return self.orphan(&cached).await;
        }
        if cached.is_deleting() && !cached.has_finalizer(FOREGROUND) {
            return Ok(Next::OnChange);
        }
        let Some(live) = self.live(&cached).await? else {
            return Ok(Next::OnChange);
        };
        if waits_for_dependents(&cached) {
            return self.finish_foreground(&live).await;
        }
        self.collect(item, &live).await
    }
}
