//! Namespaces in deletion: empties them, says what still holds them, and lets them go.
//!
//! Pods go first, so that what they use (secrets, claims) is there until they have stopped.

mod plan;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cedge_informer::{Cache, Change, Key, Next, Queue};
use cedge_tasks::clock;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ApiResource;
use serde::Deserialize;
use serde_json::json;

use crate::context::{Context, feed};
use crate::discovery::{Served, discover};
use crate::error::{Answer as _, Error, message, optional};
use crate::{patch, update};
use plan::Findings;

const FINALIZER: &str = "kubernetes";
/// When to look again if no deletion is told. Every kind that still has objects is watched, so this is for kinds
/// that cannot be watched, and for objects whose finalizers are about to be added or dropped.
const LOOK_AGAIN: Duration = Duration::from_secs(8);

#[derive(Clone)]
struct Namespaces {
    ctx: Context,
    namespaces: Cache,
    queue: Queue<Key>,
    /// Kinds whose deletions wake the namespaces that wait for them.
    watched: Arc<Mutex<HashSet<String>>>,
}

pub(crate) fn start(ctx: &Context) {
    let this = Namespaces {
        ctx: ctx.clone(),
        namespaces: ctx.informers.of::<Namespace>(),
        queue: Queue::new("namespace"),
        watched: Arc::default(),
    };
    feed(&this.namespaces, &this.queue);
    let (queue, namespaces) = (this.queue.clone(), this.namespaces.clone());
    ctx.work(&queue, &[&namespaces], ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

impl Namespaces {
    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let cached = self.namespaces.get_key(key);
        if !cached.is_some_and(|n| n.is_deleting()) {
            return Ok(Next::OnChange);
        }
        // Deleting is not undone: it must be what the API says now, under the identity that it says.
        let api: Api<Namespace> = Api::all(self.ctx.client.clone());
        let Some(namespace) = optional(api.get(&key.name).await)? else {
            return Ok(Next::OnChange);
        };
        let spec = namespace.spec.clone().unwrap_or_default();
        let finalizers = spec.finalizers.unwrap_or_default();
        if namespace.metadata.deletion_timestamp.is_none()
            || !finalizers.iter().any(|f| f == FINALIZER)
        {
            return Ok(Next::OnChange);
        }

        let findings = self.empty(&key.name).await?;
        self.write_status(&api, &namespace, &findings).await?;
        if findings.is_clean() {
            self.finalize(namespace, &finalizers).await?;
            return Ok(Next::OnChange);
        }
        if findings.has_failed() {
            return Err(Error::Wait(findings.failures()));
        }
        Ok(Next::After(LOOK_AGAIN))
    }

    /// Deletes everything; finds what is still there.
    async fn empty(&self, namespace: &str) -> Result<Findings, Error> {
        let discovered = discover(&self.ctx.client).await?;
        let mut findings = Findings::new(discovered.failures);
        let kinds = discovered.served.into_iter();
        let kinds = kinds.filter(|s| s.namespaced && s.can(&["list", "delete"]));
        let is_pods = |s: &Served| s.resource.group.is_empty() && s.resource.plural == "pods";
        let (pods, others): (Vec<_>, Vec<_>) = kinds.partition(is_pods);
        for kind in &pods {
            self.empty_kind(kind, namespace, &mut findings).await;
        }
        if findings.anything_remains() {
            return Ok(findings);
        }
        for kind in &others {
            self.empty_kind(kind, namespace, &mut findings).await;
        }
        Ok(findings)
    }

    async fn empty_kind(&self, kind: &Served, namespace: &str, findings: &mut Findings) {
        let remaining = async {
            let before = self.list(kind, namespace).await?;
            if before.is_empty() {
                return Ok(before);
            }
            self.watch(&kind.resource);
            self.delete_all(kind, namespace, &before).await?;
            self.list(kind, namespace).await
        };
        match remaining.await {
            Ok(items) => {
                let finalizers = items.into_iter().map(|i| i.metadata.finalizers);
                let finalizers = finalizers.map(Option::unwrap_or_default).collect();
                findings.remain(&kind.resource, finalizers);
            }
            // The kind itself went away in the meantime.
            Err(e) if e.is_not_found() => {}
            Err(e) => findings.fail(&kind.resource, &message(&e)),
        }
    }

    async fn delete_all(
        &self,
        kind: &Served,
        namespace: &str,
        items: &[Item],
    ) -> Result<(), kube::Error> {
        let path = kind.path(Some(namespace));
        if kind.can(&["deletecollection"]) {
            match self.delete(&path).await {
                Err(e) if e.code() == Some(405) => {}
                done => return done,
            }
        }
        for item in items
            .iter()
            .filter(|i| i.metadata.deletion_timestamp.is_none())
        {
            self.delete(&format!("{path}/{}", item.metadata.name))
                .await?;
        }
        Ok(())
    }

    async fn delete(&self, path: &str) -> Result<(), kube::Error> {
        let options = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background" });
        let request = http::Request::delete(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(options.to_string().into_bytes())
            .map_err(kube::Error::HttpError)?;
        match self.ctx.client.request_text(request).await {
            Err(e) if !e.is_not_found() => Err(e),
            _ => Ok(()),
        }
    }

    async fn list(&self, kind: &Served, namespace: &str) -> Result<Vec<Item>, kube::Error> {
        let accept =
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
        let request = http::Request::get(kind.path(Some(namespace)))
            .header(http::header::ACCEPT, accept)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        let list: Items = self.ctx.client.request(request).await?;
        Ok(list.items.unwrap_or_default())
    }

    /// From now on a deletion of this kind wakes the namespace it was in.
    fn watch(&self, resource: &ApiResource) {
        let id = format!("{}/{}", resource.group, resource.plural);
        let is_new = self
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id);
        if is_new {
            let (queue, namespaces) = (self.queue.clone(), self.namespaces.clone());
            self.ctx
                .informers
                .headers(resource)
                .subscribe(move |change| {
                    let namespace = change.object().namespace();
                    if matches!(change, Change::Deleted(_))
                        && namespaces
                            .get("", namespace)
                            .is_some_and(|n| n.is_deleting())
                    {
                        queue.add(Key::new("", namespace));
                    }
                });
        }
    }

    async fn write_status(
        &self,
        api: &Api<Namespace>,
        namespace: &Namespace,
        findings: &Findings,
    ) -> Result<(), Error> {
        let old = namespace.status.clone().unwrap_or_default();
        let mut new = old.clone();
        new.phase = Some("Terminating".to_owned());
        new.conditions = Some(findings.conditions(old.conditions.clone(), clock::now()));
        let (old, new) = (serde_json::to_value(&old)?, serde_json::to_value(&new)?);
        let Some(difference) = patch::difference(&old, &new) else {
            return Ok(());
        };
        let mut whole = serde_json::to_value(namespace)?;
        patch::apply(&mut whole, &json!({ "status": difference }));
        match update::put(api, Some("status"), whole).await {
            Err(Error::Api(e)) if e.is_not_found() => Ok(()),
            written => written.map(|_: Namespace| ()),
        }
    }

    async fn finalize(&self, mut namespace: Namespace, finalizers: &[String]) -> Result<(), Error> {
        let others = finalizers.iter().filter(|f| *f != FINALIZER).cloned();
        namespace.spec.get_or_insert_default().finalizers = Some(others.collect());
        // The status was just written; identity guards this, and others' finalizers are only taken as they were.
        namespace.metadata.resource_version = None;
        let name = namespace.metadata.name.clone().unwrap_or_default();
        let request = http::Request::put(format!("/api/v1/namespaces/{name}/finalize"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(&namespace)?)
            .map_err(kube::Error::HttpError)?;
        optional(self.ctx.client.request_text(request).await).map(|_| ())
    }
}

#[derive(Deserialize)]
struct Items {
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    metadata: ItemMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemMetadata {
    name: String,
    finalizers: Option<Vec<String>>,
    deletion_timestamp: Option<String>,
}
