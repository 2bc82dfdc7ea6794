//! Claims of generic ephemeral volumes: each belongs to its pod and goes with it. KEP-1698.

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder};
use k8s_openapi::api::core::v1::{EphemeralVolumeSource, PersistentVolumeClaim, Pod};
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use super::{BY_USED_CLAIM, index_by_used_claim, plan};
use crate::claim::controller_reference;
use crate::context::Context;
use crate::error::{Answer as _, Error, message};

#[derive(Clone)]
struct Maker {
    ctx: Context,
    pods: Cache,
    claims: Cache,
    recorder: Recorder,
}

pub(crate) fn start(ctx: &Context) {
    let this = Maker {
        ctx: ctx.clone(),
        pods: ctx.informers.of::<Pod>(),
        claims: ctx.informers.of::<PersistentVolumeClaim>(),
        recorder: ctx.events.recorder("ephemeral_volume"),
    };
    index_by_used_claim(&this.pods);
    let queue: Queue<Key> = Queue::new("ephemeral-volume");
    this.pods.subscribe({
        let queue = queue.clone();
        // What volumes a pod has does not change.
        move |change| {
            if let Change::Added(pod) = change {
                queue.add(pod.key().clone());
            }
        }
    });
    this.claims.subscribe({
        let (queue, pods) = (queue.clone(), this.pods.clone());
        move |change| {
            if let Change::Deleted(claim) = change {
                for pod in pods.by_index(BY_USED_CLAIM, &claim.key().to_string()) {
                    queue.add(pod.key().clone());
                }
            }
        }
    });
    let caches = [&this.pods.clone(), &this.claims.clone()];
    ctx.work(&queue, &caches, ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

impl Maker {
    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.pods.get_key(key).filter(|pod| !pod.is_deleting()) else {
            return Ok(Next::OnChange);
        };
        let pod: Pod = object.decode()?;
        for volume in pod.spec.iter().flat_map(|s| s.volumes.iter().flatten()) {
            let Some(source) = &volume.ephemeral else {
                continue;
            };
            let name = plan::made_for(object.name(), &volume.name);
            let about = |why: String| format!("ephemeral volume {}: {why}", volume.name);
            if let Some(claim) = self.claims.get(&key.namespace, &name) {
                if claim.controller().is_none_or(|c| *c.uid != *object.uid()) {
                    let why = format!(
                        "PVC {}/{name} was not created for pod {key} (pod is not owner)",
                        key.namespace
                    );
                    self.tell(&object, about(why));
                    // Its deletion wakes us.
                    return Ok(Next::OnChange);
                }
                continue;
            }
            match self.create(&object, &name, source).await {
                Err(Error::Api(e)) if e.is_namespace_terminating() => return Ok(Next::OnChange),
                Err(Error::Api(e)) => {
                    let why = format!("create PVC {name}: {}", message(&e));
                    self.tell(&object, about(why));
                    return Err(Error::Api(e));
                }
                other => other?,
            }
        }
        Ok(Next::OnChange)
    }

    fn tell(&self, pod: &Object, text: String) {
        self.recorder
            .warning(pod.reference(), "FailedBinding", text);
    }

    async fn create(
        &self,
        pod: &Object,
        name: &str,
        source: &EphemeralVolumeSource,
    ) -> Result<(), Error> {
        let template = source.volume_claim_template.clone().unwrap_or_default();
        let metadata = template.metadata.unwrap_or_default();
        let claim = PersistentVolumeClaim {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(pod.namespace().to_owned()),
                labels: metadata.labels,
                annotations: metadata.annotations,
                owner_references: Some(vec![controller_reference(pod)]),
                ..ObjectMeta::default()
            },
            spec: Some(template.spec),
            status: None,
        };
        let api: Api<PersistentVolumeClaim> =
            Api::namespaced(self.ctx.client.clone(), pod.namespace());
        api.create(&PostParams::default(), &claim).await?;
        Ok(())
    }
}
