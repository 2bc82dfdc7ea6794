//! Keeps claims that pods use, and volumes that are bound, from going: a finalizer falls only when nothing needs them.
//! Of claims that live it is said whether pods use them.

use cedge_informer::{Cache, Change, Key, Next, Object, Queue};
use cedge_tasks::clock;
use k8s_openapi::api::core::v1::{
    PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, Pod,
};
use kube::api::ListParams;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{BY_USED_CLAIM, index_by_used_claim, plan, unused};
use crate::context::{Context, feed};
use crate::error::{Answer as _, Error};
use crate::{patch, pods, update};

const OF_CLAIMS: &str = "kubernetes.io/pvc-protection";
const OF_VOLUMES: &str = "kubernetes.io/pv-protection";

#[derive(Clone)]
struct Protection {
    ctx: Context,
    claims: Cache,
    pods: Cache,
}

pub(crate) fn start_claims(ctx: &Context) {
    let this = Protection {
        ctx: ctx.clone(),
        claims: ctx.informers.of::<PersistentVolumeClaim>(),
        pods: ctx.informers.of::<Pod>(),
    };
    index_by_used_claim(&this.pods);
    let queue: Queue<Key> = Queue::new("persistentvolumeclaim-protection");
    feed(&this.claims, &queue);
    this.pods.subscribe({
        let (this, queue) = (this.clone(), queue.clone());
        move |change| this.observe_pod(change, &queue)
    });
    let caches = [&this.claims.clone(), &this.pods.clone()];
    ctx.work(&queue, &caches, 1, move |key| {
        let this = this.clone();
        async move { this.reconcile(&key).await }
    });
}

pub(crate) fn start_volumes(ctx: &Context) {
    let volumes = ctx.informers.of::<PersistentVolume>();
    let queue: Queue<Key> = Queue::new("persistentvolume-protection");
    feed(&volumes, &queue);
    let ctx_ = ctx.clone();
    ctx.work(&queue, &[&volumes.clone()], 1, move |key| {
        let (ctx, volumes) = (ctx_.clone(), volumes.clone());
        async move {
            let Some(object) = volumes.get_key(&key) else {
                return Ok(Next::OnChange);
            };
            let volume: PersistentVolume = object.decode()?;
            let phase = volume.status.and_then(|s| s.phase);
            let api: Api<PersistentVolume> = Api::all(ctx.client);
            settle(&api, &object, OF_VOLUMES, async {
                Ok(phase.as_deref() == Some("Bound"))
            })
            .await
        }
    });
}

impl Protection {
    /// Whatever happens to a pod may be news for its claims.
    fn observe_pod(&self, change: &Change, queue: &Queue<Key>) {
        for pod in [Some(change.object()), change.old()].into_iter().flatten() {
            let Ok(decoded) = pod.decode::<Pod>() else {
                continue;
            };
            for name in plan::claims_used_by(&decoded) {
                if self.claims.get(pod.namespace(), &name).is_some() {
                    queue.add(Key::new(pod.namespace(), &name));
                }
            }
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.claims.get_key(key) else {
            return Ok(Next::OnChange);
        };
        let api: Api<PersistentVolumeClaim> =
            Api::namespaced(self.ctx.client.clone(), &key.namespace);
        if self.tell_use(&api, &object, key).await? {
            return Ok(Next::OnChange);
        }
        settle(&api, &object, OF_CLAIMS, self.is_used(key)).await
    }

    /// Says of a bound claim whether it is used; answers whether that was news.
    async fn tell_use(
        &self,
        api: &Api<PersistentVolumeClaim>,
        object: &Object,
        key: &Key,
    ) -> Result<bool, Error> {
        let claim: PersistentVolumeClaim = object.decode()?;
        let old = claim.status.unwrap_or_default();
        if object.is_deleting() || old.phase.as_deref() != Some("Bound") {
            return Ok(false);
        }
        let mut is_used = false;
        for pod in self.pods.by_index(BY_USED_CLAIM, &key.to_string()) {
            is_used |= !pods::is_terminal(&pod.decode()?);
        }
        let conditions = old.conditions.as_deref().unwrap_or_default();
        let Some(conditions) = unused::conditions(conditions, is_used, clock::now()) else {
            return Ok(false);
        };
        let new = PersistentVolumeClaimStatus {
            conditions: Some(conditions),
            ..old.clone()
        };
        match update::status(api, object, &old, &new).await {
            Err(Error::Api(e)) if e.is_not_found() => Ok(true),
            written => written,
        }
    }

    /// Whether a pod that has a node uses the claim: asked of the cache, then, before anything is given up, of the API.
    async fn is_used(&self, key: &Key) -> Result<bool, Error> {
        for pod in self.pods.by_index(BY_USED_CLAIM, &key.to_string()) {
            if uses(&pod.decode()?, &key.name) {
                return Ok(true);
            }
        }
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), &key.namespace);
        let pods = api.list(&ListParams::default()).await?;
        Ok(pods.iter().any(|p| uses(p, &key.name)))
    }
}

/// A pod without a node will not be started with a claim in deletion.
fn uses(pod: &Pod, claim: &str) -> bool {
    !pods::node_name(pod).is_empty() && plan::claims_used_by(pod).iter().any(|c| c == claim)
}

/// Puts the finalizer on what lives, and takes it off what goes and is not used.
async fn settle<K, F>(
    api: &Api<K>,
    object: &Object,
    finalizer: &str,
    is_used: F,
) -> Result<Next, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
    F: Future<Output = Result<bool, Error>> + Send,
{
    let has = object.has_finalizer(finalizer);
    let finalizers: Vec<&str> = if !object.is_deleting() && !has {
        object.finalizers().chain([finalizer]).collect()
    } else if object.is_deleting() && has && !is_used.await? {
        object.finalizers().filter(|f| *f != finalizer).collect()
    } else {
        return Ok(Next::OnChange);
    };
    let change = json!({"metadata": {"finalizers": patch::list(&finalizers)}});
    match update::merge(api, object, &change).await {
        Err(Error::Api(e)) if e.is_not_found() => Ok(Next::OnChange),
        written => written.map(|_| Next::OnChange),
    }
}
