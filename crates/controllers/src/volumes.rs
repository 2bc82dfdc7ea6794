//! Volumes and claims: which belongs to which.
//!
//! A binding stands twice: a volume names its claim (`spec.claimRef`), then the claim its volume (`spec.volumeName`).
//! Whatever happens in between, whoever looks next goes on from what is written. A claim of a class that waits for its
//! first consumer is left to the scheduler, which knows the node: it writes the claim into a volume, or the node into
//! the claim (`volume.kubernetes.io/selected-node`), and then a provisioner makes a volume there.

mod bind;
mod claim;
mod ephemeral;
mod local;
mod plan;
mod protection;
mod unused;
mod volume;

use std::sync::Arc;

use cedge_informer::{Cache, Change, Key, Object, Queue, Recorder};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::StorageClass;

use crate::context::Context;

pub(crate) use ephemeral::start as start_ephemeral;
pub(crate) use local::start as start_provisioner;
pub(crate) use protection::{
    start_claims as start_claim_protection, start_volumes as start_volume_protection,
};

/// Name of the index of volumes by the claim that they name: `NAMESPACE/NAME`.
const BY_CLAIM: &str = "claim";
/// Name of the index of pods by the claims that they use: `NAMESPACE/NAME`.
const BY_USED_CLAIM: &str = "claim";

#[derive(Clone)]
struct Binder {
    ctx: Context,
    volumes: Cache,
    claims: Cache,
    classes: Cache,
    pods: Cache,
    claim_queue: Queue<Key>,
    volume_queue: Queue<Key>,
    recorder: Recorder,
}

pub(crate) fn start(ctx: &Context) {
    let this = Binder {
        ctx: ctx.clone(),
        volumes: ctx.informers.of::<PersistentVolume>(),
        claims: ctx.informers.of::<PersistentVolumeClaim>(),
        classes: ctx.informers.of::<StorageClass>(),
        pods: ctx.informers.of::<Pod>(),
        claim_queue: Queue::new("persistentvolume-binder/claims"),
        volume_queue: Queue::new("persistentvolume-binder/volumes"),
        recorder: ctx.events.recorder("persistentvolume-controller"),
    };
    index_by_claim(&this.volumes);
    index_by_used_claim(&this.pods);
    this.claims.subscribe({
        let this = this.clone();
        move |change| this.observe_claim(change)
    });
    this.volumes.subscribe({
        let this = this.clone();
        move |change| this.observe_volume(change)
    });
    this.classes.subscribe({
        let this = this.clone();
        move |_| this.wake_unbound()
    });
    let caches = [
        &this.volumes.clone(),
        &this.claims.clone(),
        &this.classes.clone(),
        &this.pods.clone(),
    ];
    // One at a time: two claims must not choose one volume.
    let binder = this.clone();
    ctx.work(&this.claim_queue, &caches, 1, move |key| {
        let this = binder.clone();
        async move { Box::pin(this.reconcile_claim(&key)).await }
    });
    let binder = this.clone();
    ctx.work(&this.volume_queue, &caches, 1, move |key| {
        let this = binder.clone();
        async move { Box::pin(this.reconcile_volume(&key)).await }
    });
}

impl Binder {
    fn observe_claim(&self, change: &Change) {
        let object = change.object();
        self.claim_queue.add(object.key().clone());
        for volume in self.volumes.by_index(BY_CLAIM, &object.key().to_string()) {
            self.volume_queue.add(volume.key().clone());
        }
        for claim in [Some(object), change.old()].into_iter().flatten() {
            let decoded: Result<PersistentVolumeClaim, _> = claim.decode();
            let name = decoded.ok().and_then(|c| c.spec?.volume_name);
            if let Some(name) = name.filter(|n| !n.is_empty()) {
                self.volume_queue.add(Key::new("", &name));
            }
        }
    }

    fn observe_volume(&self, change: &Change) {
        let object = change.object();
        self.volume_queue.add(object.key().clone());
        for key in claims_named_by(object) {
            if let Some((namespace, name)) = key.split_once('/') {
                self.claim_queue.add(Key::new(namespace, name));
            }
        }
        for claim in self.claims.list() {
            let decoded: Result<PersistentVolumeClaim, _> = claim.decode();
            let of = |c: &PersistentVolumeClaim| {
                !plan::is_complete(c) || plan::volume_name(c) == object.name()
            };
            if decoded.is_ok_and(|c| of(&c)) {
                self.claim_queue.add(claim.key().clone());
            }
        }
    }

    /// Claims that may now find what they lacked.
    fn wake_unbound(&self) {
        for claim in self.claims.list() {
            let decoded: Result<PersistentVolumeClaim, _> = claim.decode();
            if decoded.is_ok_and(|c| !plan::is_complete(&c)) {
                self.claim_queue.add(claim.key().clone());
            }
        }
    }
}

fn index_by_claim(volumes: &Cache) {
    volumes.index(BY_CLAIM, claims_named_by);
}

fn claims_named_by(volume: &Object) -> Vec<String> {
    let decoded: Result<PersistentVolume, _> = volume.decode();
    let reference = decoded.ok().and_then(|v| v.spec?.claim_ref);
    let key = reference.map(|r| {
        let (namespace, name) = (r.namespace.unwrap_or_default(), r.name.unwrap_or_default());
        format!("{namespace}/{name}")
    });
    key.into_iter().collect()
}

fn index_by_used_claim(pods: &Cache) {
    pods.index(BY_USED_CLAIM, |object| {
        let decoded: Result<Pod, _> = object.decode();
        let names = decoded
            .map(|pod| plan::claims_used_by(&pod))
            .unwrap_or_default();
        let key = |name| format!("{}/{name}", object.namespace());
        names.into_iter().map(key).collect()
    });
}

/// The caches of nodes, which only the provisioner needs.
fn nodes(ctx: &Context) -> Cache {
    ctx.informers.of::<Node>()
}

/// An object as caches share it.
type Shared = Arc<Object>;
