//! Endpoints: where the pods of a Service are, in the older form, one object a Service.

mod pack;
mod plan;
mod trigger;

use std::sync::Arc;

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder};
use k8s_openapi::api::core::v1::{Endpoints, ObjectReference, Pod, Service};
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};
use serde_json::json;

use crate::context::{Context, feed};
use crate::endpointslice::{observe_pod, selector_of};
use crate::error::{Answer as _, Error, message};
use crate::{patch, update};
use plan::View;
use trigger::Triggers;

pub(crate) use pack::Packer;
pub(crate) use plan::TRIGGERED;

/// Locks of elections that stand in Endpoints have no Service.
pub(crate) const LOCK: &str = "control-plane.alpha.kubernetes.io/leader";

#[derive(Clone)]
struct Addresses {
    ctx: Context,
    services: Cache,
    pods: Cache,
    endpoints: Cache,
    triggers: Arc<Triggers>,
    recorder: Recorder,
}

pub(crate) fn start(ctx: &Context) {
    let this = Addresses {
        ctx: ctx.clone(),
        services: ctx.informers.of::<Service>(),
        pods: ctx.informers.of::<Pod>(),
        endpoints: ctx.informers.of::<Endpoints>(),
        triggers: Arc::default(),
        recorder: ctx.events.recorder("endpoint-controller"),
    };
    let queue: Queue<Key> = Queue::new("endpoints");
    feed(&this.services, &queue);
    this.pods.subscribe({
        let (queue, services) = (queue.clone(), this.services.clone());
        move |change| observe_pod(change, &queue, &services)
    });
    this.endpoints.subscribe({
        let queue = queue.clone();
        move |change| {
            if !matches!(change, Change::Added(_)) {
                queue.add(change.object().key().clone());
            }
        }
    });
    let shutdown = ctx.group.shutdown().clone();
    ctx.group.spawn("endpoints/leftovers", {
        let (this, queue) = (this.clone(), queue.clone());
        async move { _ = shutdown.or(this.find_leftovers(&queue)).await }
    });
    let caches = [
        &this.services.clone(),
        &this.pods.clone(),
        &this.endpoints.clone(),
    ];
    ctx.work(&queue, &caches, ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

impl Addresses {
    /// What lost its Service while nobody looked.
    async fn find_leftovers(&self, queue: &Queue<Key>) {
        self.services.synced().await;
        self.endpoints.synced().await;
        for endpoints in self.endpoints.list() {
            let decoded: Result<Endpoints, _> = endpoints.decode();
            let annotations = decoded.ok().and_then(|e| e.metadata.annotations);
            if !annotations.is_some_and(|a| a.contains_key(LOCK)) {
                queue.add(endpoints.key().clone());
            }
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.services.get_key(key) else {
            self.triggers.forget(key);
            return self.delete(key).await;
        };
        let Some(selector) = selector_of(&object) else {
            return Ok(Next::OnChange);
        };
        let service: Service = object.decode()?;
        let pods = self.pods.select(&key.namespace, &selector);
        let pods: Result<Vec<Pod>, _> = pods.iter().map(|p| p.decode()).collect();
        let pods = pods?;
        let trigger = self.triggers.note(key, &service, &pods);
        let there = self.endpoints.get_key(key);
        let old: Option<Endpoints> = there.as_ref().map(|o| o.decode()).transpose()?;
        let view = View::new(service, &pods, trigger);
        if old.as_ref().is_some_and(|old| view.is_met(old)) {
            return Ok(Next::OnChange);
        }
        let (verb, reason, result) = match &there {
            None => (
                "create",
                "FailedToCreateEndpoint",
                self.create(key, &view).await,
            ),
            Some(there) => (
                "update",
                "FailedToUpdateEndpoint",
                self.update(there, old.unwrap_or_default(), &view).await,
            ),
        };
        match result {
            Err(Error::Api(e)) if e.is_namespace_terminating() => Ok(Next::OnChange),
            Err(Error::Api(e)) => {
                let about = ObjectReference {
                    kind: Some("Endpoints".to_owned()),
                    api_version: Some("v1".to_owned()),
                    namespace: Some(key.namespace.to_string()),
                    name: Some(key.name.to_string()),
                    uid: there.map(|o| o.uid().to_owned()),
                    ..ObjectReference::default()
                };
                let of = if verb == "create" { "for service " } else { "" };
                let text = format!("Failed to {verb} endpoint {of}{key}: {}", message(&e));
                self.recorder.warning(about, reason, text);
                Err(Error::Api(e))
            }
            other => other.map(|()| Next::OnChange),
        }
    }

    async fn create(&self, key: &Key, view: &View) -> Result<(), Error> {
        let endpoints = Endpoints {
            metadata: ObjectMeta {
                name: Some(key.name.to_string()),
                namespace: Some(key.namespace.to_string()),
                labels: Some(view.labels()),
                annotations: Some(view.annotations(None)).filter(|a| !a.is_empty()),
                ..ObjectMeta::default()
            },
            subsets: Some(view.subsets.clone()).filter(|s| !s.is_empty()),
        };
        let params = PostParams::default();
        self.api(key).create(&params, &endpoints).await?;
        Ok(())
    }

    async fn update(&self, there: &Object, old: Endpoints, view: &View) -> Result<(), Error> {
        let annotations = view.annotations(old.metadata.annotations.as_ref());
        let new = json!({
            "metadata": {"labels": view.labels(), "annotations": annotations},
            "subsets": patch::list(&view.subsets),
        });
        let old = json!({
            "metadata": {"labels": old.metadata.labels, "annotations": old.metadata.annotations},
            "subsets": patch::list(&old.subsets.unwrap_or_default()),
        });
        if let Some(difference) = patch::difference(&old, &new) {
            update::merge(&self.api(there.key()), there, &difference).await?;
        }
        Ok(())
    }

    /// The Service is gone.
    async fn delete(&self, key: &Key) -> Result<Next, Error> {
        let Some(there) = self.endpoints.get_key(key) else {
            return Ok(Next::OnChange);
        };
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(there.uid().to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match self.api(key).delete(&key.name, &params).await {
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => Ok(Next::OnChange),
        }
    }

    fn api(&self, key: &Key) -> Api<Endpoints> {
        Api::namespaced(self.ctx.client.clone(), &key.namespace)
    }
}
