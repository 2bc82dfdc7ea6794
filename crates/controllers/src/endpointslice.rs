//! EndpointSlices: where the pods of a Service are.

mod plan;

use std::sync::Arc;

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder, Selector};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use serde_json::json;

use crate::claim::controller_reference;
use crate::context::{Context, feed};
use crate::error::{Answer as _, Error, message};
use crate::update;
use plan::{Change as Planned, View};

pub(crate) use plan::{number_of, protocol_of};

pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";
pub(crate) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
pub(crate) const HEADLESS: &str = "service.kubernetes.io/headless";

#[derive(Clone)]
struct Slices {
    ctx: Context,
    services: Cache,
    pods: Cache,
    slices: Cache,
    recorder: Recorder,
}

pub(crate) fn start(ctx: &Context) {
    let this = Slices {
        ctx: ctx.clone(),
        services: ctx.informers.of::<Service>(),
        pods: ctx.informers.of::<Pod>(),
        slices: ctx.informers.of::<EndpointSlice>(),
        recorder: ctx.events.recorder("endpoint-slice-controller"),
    };
    let queue: Queue<Key> = Queue::new("endpointslice");
    feed(&this.services, &queue);
    this.pods.subscribe({
        let (queue, services) = (queue.clone(), this.services.clone());
        move |change| observe_pod(change, &queue, &services)
    });
    this.slices.subscribe({
        let queue = queue.clone();
        move |change| {
            let slice = change.object();
            if let Some(service) = slice.labels().get(SERVICE_NAME) {
                queue.add(Key::new(slice.namespace(), service));
            }
        }
    });
    let caches = [
        &this.services.clone(),
        &this.pods.clone(),
        &this.slices.clone(),
    ];
    ctx.work(&queue, &caches, ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

/// Services that select the pod, as it is or as it was.
pub(crate) fn observe_pod(change: &Change, queue: &Queue<Key>, services: &Cache) {
    for pod in [Some(change.object()), change.old()].into_iter().flatten() {
        for service in services.namespace(pod.namespace()) {
            if selector_of(&service).is_some_and(|s| s.matches(pod.labels())) {
                queue.add(service.key().clone());
            }
        }
    }
}

/// `None` for a Service whose endpoints somebody else writes, or that has none.
pub(crate) fn selector_of(service: &Object) -> Option<Selector> {
    let spec = service.decode::<Service>().ok()?.spec?;
    let selector = spec.selector.filter(|s| !s.is_empty())?;
    (spec.type_.as_deref() != Some("ExternalName")).then(|| Selector::from(&selector))
}

impl Slices {
    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.services.get_key(key).filter(|s| !s.is_deleting()) else {
            return Ok(Next::OnChange);
        };
        let Some(selector) = selector_of(&object) else {
            return Ok(Next::OnChange);
        };
        let service: Service = object.decode()?;
        let pods = self.pods.select(&key.namespace, &selector);
        let pods: Result<Vec<Pod>, _> = pods.iter().map(|p| p.decode()).collect();
        let there = self.there(key)?;
        let slices = there.iter().map(|(_, slice)| slice.clone()).collect();
        let view = View::new(service, pods?, slices);
        for change in view.plan() {
            if let Err(e) = self.act(&object, &view, &there, change).await {
                if let Error::Api(e) = &e
                    && !e.is_conflict()
                {
                    let text = format!("Error updating Endpoint Slices: {}", message(e));
                    self.recorder
                        .warning(object.reference(), "FailedToUpdateEndpointSlices", text);
                }
                return Err(e);
            }
        }
        Ok(Next::OnChange)
    }

    fn there(&self, key: &Key) -> Result<Vec<(Arc<Object>, EndpointSlice)>, Error> {
        let ours = self
            .slices
            .namespace(&key.namespace)
            .into_iter()
            .filter(|s| {
                s.labels().get(SERVICE_NAME) == Some(&*key.name)
                    && s.labels().get(MANAGED_BY) == Some(MANAGER)
                    && !s.is_deleting()
            });
        let decoded = ours.map(|o| {
            let slice = o.decode()?;
            Ok((o, slice))
        });
        decoded.collect()
    }

    async fn act(
        &self,
        service: &Object,
        view: &View,
        there: &[(Arc<Object>, EndpointSlice)],
        change: Planned,
    ) -> Result<(), Error> {
        let api: Api<EndpointSlice> = Api::namespaced(self.ctx.client.clone(), service.namespace());
        match change {
            Planned::Create(content) => {
                let slice = EndpointSlice {
                    metadata: ObjectMeta {
                        generate_name: Some(format!("{}-", service.name())),
                        namespace: Some(service.namespace().to_owned()),
                        labels: Some(view.labels()),
                        owner_references: Some(vec![controller_reference(service)]),
                        ..ObjectMeta::default()
                    },
                    address_type: content.address_type,
                    endpoints: Some(content.endpoints),
                    ports: Some(content.ports),
                };
                match api.create(&PostParams::default(), &slice).await {
                    Err(e) if !e.is_namespace_terminating() => Err(e.into()),
                    _ => Ok(()),
                }
            }
            Planned::Update(index, endpoints) => {
                let change =
                    json!({ "metadata": { "labels": view.labels() }, "endpoints": endpoints });
                let written = update::merge(&api, &there[index].0, &change).await;
                written.map(|_| ())
            }
            Planned::Delete(index) => {
                let name = there[index].0.name();
                match api.delete(name, &DeleteParams::default()).await {
                    Err(e) if !e.is_not_found() => Err(e.into()),
                    _ => Ok(()),
                }
            }
        }
    }
}
