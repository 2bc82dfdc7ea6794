//! Objects as JSON, and waiting for what they become.

use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};

/// How long a state may take to come. Generous: the machine may be busy, and Kubernetes' garbage collector of pods takes
/// up to 80 s after a node is gone (it looks every 20 s, and waits 40 s for the node to come back).
const PATIENCE: Duration = Duration::from_secs(150);

/// Objects of one kind as JSON.
#[derive(Debug, Clone)]
pub struct Objects(pub Api<DynamicObject>);

// === impl Objects ===

impl Objects {
    #[must_use]
    pub fn new(
        client: Client,
        api_version: &str,
        kind: &str,
        plural: &str,
        namespace: &str,
    ) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        Self(if namespace.is_empty() {
            Api::all_with(client, &resource)
        } else {
            Api::namespaced_with(client, namespace, &resource)
        })
    }

    pub async fn create(&self, object: Value) -> Value {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let created = self.0.create(&PostParams::default(), &object).await;
        serde_json::to_value(created.unwrap()).unwrap()
    }

    pub async fn patch(&self, name: &str, patch: Value) -> Value {
        let params = PatchParams::default();
        let patched = self.0.patch(name, &params, &Patch::Merge(patch)).await;
        serde_json::to_value(patched.unwrap()).unwrap()
    }

    pub async fn patch_status(&self, name: &str, patch: Value) -> Value {
        let params = PatchParams::default();
        let patched = self
            .0
            .patch_status(name, &params, &Patch::Merge(patch))
            .await;
        serde_json::to_value(patched.unwrap()).unwrap()
    }

    /// At once, whatever it would have liked.
    pub async fn delete(&self, name: &str) {
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            ..DeleteParams::default()
        };
        self.0.delete(name, &params).await.unwrap();
    }

    /// `null` if it is not there.
    pub async fn get(&self, name: &str) -> Value {
        serde_json::to_value(self.0.get_opt(name).await.unwrap()).unwrap()
    }

    pub async fn list(&self) -> Vec<Value> {
        let list = self.0.list(&ListParams::default()).await.unwrap();
        let items = list.items.into_iter();
        items.map(|o| serde_json::to_value(o).unwrap()).collect()
    }

    /// Waits until the object is as told; returns it.
    pub async fn until(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        until_some(name, || async {
            let object = self.get(name).await;
            if holds(&object) {
                Ok(object)
            } else {
                Err(object)
            }
        })
        .await
    }

    /// Waits until all objects together are as told; returns them.
    pub async fn until_all(&self, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        until_some(what, || async {
            let objects = self.list().await;
            if holds(&objects) {
                Ok(objects)
            } else {
                Err(json!(objects))
            }
        })
        .await
    }

    pub async fn until_gone(&self, name: &str) {
        self.until(name, Value::is_null).await;
    }
}

// === waiting ===

/// Waits until something holds.
pub async fn until<R: Future<Output = bool>>(what: &str, holds: impl Fn() -> R) {
    until_some(what, || async {
        if holds().await {
            Ok(())
        } else {
            Err(Value::Null)
        }
    })
    .await;
}

/// Waits until something is found; an error is what was seen instead.
pub async fn until_some<T, R>(what: &str, found: impl Fn() -> R) -> T
where
    R: Future<Output = Result<T, Value>>,
{
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        match found().await {
            Ok(found) => return found,
            Err(last) if tokio::time::Instant::now() > end => {
                panic!("{what} did not come; last seen: {last:#}");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// A condition of an object.
#[must_use]
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|c| c["type"] == kind)
}
