//! Mirrors: `EndpointSlices` of Endpoints that somebody wrote for a Service without a selector, so that who reads slices
//! only finds them as well. KEP-0752.

mod plan;

use std::sync::Arc;

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder};
use k8s_openapi::api::core::v1::{Endpoints, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use crate::context::{Context, feed};
use crate::endpoints::LOCK;
use crate::endpointslice::{MANAGED_BY, SERVICE_NAME};
use crate::error::{Answer as _, Error};
use crate::{patch, update};
use plan::{Change as Planned, PER_SUBSET, Plan};

const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
/// Endpoints with this label are not mirrored if it says `true`.
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";

#[derive(Clone)]
struct Mirrors {
    ctx: Context,
    services: Cache,
    endpoints: Cache,
    slices: Cache,
    recorder: Recorder,
}

pub(crate) fn start(ctx: &Context) {
    let this = Mirrors {
        ctx: ctx.clone(),
        services: ctx.informers.of::<Service>(),
        endpoints: ctx.informers.of::<Endpoints>(),
        slices: ctx.informers.of::<EndpointSlice>(),
        recorder: ctx.events.recorder("endpoint-slice-mirroring-controller"),
    };
    let queue: Queue<Key> = Queue::new("endpointslice-mirroring");
    feed(&this.endpoints, &queue);
    this.services.subscribe({
        let queue = queue.clone();
        move |change| {
            // Only whether there is a selector matters.
            let has = |object: &Arc<Object>| has_selector(object);
            let same = change
                .old()
                .is_some_and(|old| has(old) == has(change.object()));
            if !same || matches!(change, Change::Deleted(_)) {
                queue.add(change.object().key().clone());
            }
        }
    });
    this.slices.subscribe({
        let queue = queue.clone();
        move |change| {
            for slice in [Some(change.object()), change.old()].into_iter().flatten() {
                let service = slice.labels().get(SERVICE_NAME);
                if let Some(service) = service.filter(|_| is_mirror(slice)) {
                    queue.add(Key::new(slice.namespace(), service));
                }
            }
        }
    });
    let caches = [
        &this.services.clone(),
        &this.endpoints.clone(),
        &this.slices.clone(),
    ];
    ctx.work(&queue, &caches, ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

/// A Service that cannot be read is left to the controllers of selectors.
fn has_selector(service: &Object) -> bool {
    let decoded: Result<Service, _> = service.decode();
    decoded.map_or(true, |s| s.spec.is_some_and(|s| s.selector.is_some()))
}

fn is_mirror(slice: &Object) -> bool {
    slice.labels().get(MANAGED_BY) == Some(MANAGER)
}

impl Mirrors {
    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let there = self.there(key)?;
        let service = self.services.get_key(key);
        let wanted = service.is_some_and(|service| !has_selector(&service));
        let object = self.endpoints.get_key(key).filter(|_| wanted);
        let Some((object, endpoints)) = object
            .map(|o| o.decode().map(|e: Endpoints| (o, e)))
            .transpose()?
            .filter(|(_, endpoints)| may_mirror(endpoints))
        else {
            for (slice, _) in &there {
                self.delete(slice).await?;
            }
            return Ok(Next::OnChange);
        };
        let slices: Vec<EndpointSlice> = there.iter().map(|(_, slice)| slice.clone()).collect();
        let plan = Plan::new(&endpoints, &slices);
        self.tell(&object, &plan);
        for change in plan.changes {
            match self.act(&object, &there, change).await {
                Err(Error::Api(e)) if e.is_namespace_terminating() => return Ok(Next::OnChange),
                other => other?,
            }
        }
        Ok(Next::OnChange)
    }

    fn there(&self, key: &Key) -> Result<Vec<(Arc<Object>, EndpointSlice)>, Error> {
        let all = self.slices.namespace(&key.namespace).into_iter();
        let ours = all.filter(|s| {
            s.labels().get(SERVICE_NAME) == Some(&*key.name) && is_mirror(s) && !s.is_deleting()
        });
        let decoded = ours.map(|o| {
            let slice = o.decode()?;
            Ok((o, slice))
        });
        decoded.collect()
    }

    /// Says which addresses have no mirror.
    fn tell(&self, endpoints: &Object, plan: &Plan) {
        if plan.invalid > 0 {
            let text = format!(
                "Skipped {} invalid IP addresses when mirroring to EndpointSlices",
                plan.invalid
            );
            self.recorder
                .warning(endpoints.reference(), "InvalidIPAddress", text);
        }
        if plan.skipped > plan.invalid {
            let text = format!(
                "A max of {PER_SUBSET} addresses can be mirrored to EndpointSlices per Endpoints subset. {} addresses were skipped",
                plan.skipped
            );
            self.recorder
                .warning(endpoints.reference(), "TooManyAddressesToMirror", text);
        }
    }

    async fn act(
        &self,
        endpoints: &Object,
        there: &[(Arc<Object>, EndpointSlice)],
        change: Planned,
    ) -> Result<(), Error> {
        let api: Api<EndpointSlice> =
            Api::namespaced(self.ctx.client.clone(), endpoints.namespace());
        match change {
            Planned::Create(_) if endpoints.is_deleting() => Ok(()),
            Planned::Create(slice) => {
                api.create(&PostParams::default(), &slice).await?;
                Ok(())
            }
            Planned::Replace(index, new) => {
                let (object, old) = &there[index];
                let content = |slice: &EndpointSlice| {
                    json!({
                        "metadata": {
                            "labels": slice.metadata.labels,
                            "annotations": slice.metadata.annotations,
                            "ownerReferences": slice.metadata.owner_references,
                        },
                        "ports": slice.ports,
                        "endpoints": slice.endpoints,
                    })
                };
                if let Some(difference) = patch::difference(&content(old), &content(&new)) {
                    update::merge(&api, object, &difference).await?;
                }
                Ok(())
            }
            Planned::Delete(index) => self.delete(&there[index].0).await,
        }
    }

    async fn delete(&self, slice: &Object) -> Result<(), Error> {
        let api: Api<EndpointSlice> = Api::namespaced(self.ctx.client.clone(), slice.namespace());
        match api.delete(slice.name(), &DeleteParams::default()).await {
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => Ok(()),
        }
    }
}

/// Neither those whose author does not want it nor the locks of elections.
fn may_mirror(endpoints: &Endpoints) -> bool {
    let labels = endpoints.metadata.labels.as_ref();
    let annotations = endpoints.metadata.annotations.as_ref();
    labels.is_none_or(|l| l.get(SKIP).is_none_or(|skip| skip != "true"))
        && annotations.is_none_or(|a| !a.contains_key(LOCK))
}
