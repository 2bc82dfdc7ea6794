//! Identities that may not come back: in the API, where people see them, and in a file of the tree's own, which an
//! API restored from a backup does not forget.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use cedge_api::{ClusterId, SYSTEM_NAMESPACE, TREE_MANAGER};
use cedge_link::RefusalReason;
use cedge_tasks::clock;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

/// Name of the `ConfigMap`.
const NAME: &str = "edge-denied";

/// How a note on the list says that the child was not evicted but taken out of the tree.
pub(crate) const DETACHED: &str = "detached";

/// The deny list. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Denied {
    client: Client,
    file: PathBuf,
    list: Arc<RwLock<BTreeMap<String, String>>>,
}

impl Denied {
    /// What the file and the API say together.
    pub(crate) async fn load(client: Client, file: PathBuf) -> Result<Self, kube::Error> {
        let mut list: BTreeMap<String, String> = std::fs::read(&file)
            .ok()
            .and_then(|b| serde_json::from_slice(&b).ok())
            .unwrap_or_default();
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
        if let Some(stored) = api.get_opt(NAME).await? {
            list.extend(stored.data.unwrap_or_default());
        }
        Ok(Self {
            client,
            file,
            list: Arc::new(RwLock::new(list)),
        })
    }

    /// Why an identity may not come, if it may not.
    pub(crate) fn reason(&self, id: &ClusterId) -> Option<RefusalReason> {
        let list = self
            .list
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // The note is `NAME, WHY at TIME`; a name has no comma.
        let note = list.get(id.as_str())?;
        let detached = note
            .split_once(", ")
            .is_some_and(|(_, why)| why.starts_with(DETACHED));
        Some(if detached {
            RefusalReason::Detached
        } else {
            RefusalReason::Revoked
        })
    }

    /// Denies an identity, durably.
    pub(crate) async fn add(
        &self,
        id: &ClusterId,
        name: &str,
        why: &str,
    ) -> Result<(), kube::Error> {
        let note = format!("{name}, {why} at {}", clock::now_rfc3339());
        let list = {
            let mut list = self
                .list
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            list.insert(id.to_string(), note);
            list.clone()
        };
        self.save(&list).await
    }

    /// Lets an identity in again: it brought a new token.
    pub(crate) async fn remove(&self, id: &ClusterId) -> Result<(), kube::Error> {
        let list = {
            let mut list = self
                .list
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if list.remove(id.as_str()).is_none() {
                return Ok(());
            }
            list.clone()
        };
        self.save(&list).await
    }

    async fn save(&self, list: &BTreeMap<String, String>) -> Result<(), kube::Error> {
        let bytes = serde_json::to_vec(list).unwrap_or_default();
        if let Err(error) = cedge_pki::files::write_private(&self.file, &bytes) {
            tracing::error!(%error, "deny list not written to its file; the API has it");
        }
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": NAME, "namespace": SYSTEM_NAMESPACE }, "data": list,
        });
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        api.patch(
            NAME,
            &PatchParams::apply(TREE_MANAGER).force(),
            &Patch::Apply(map),
        )
        .await
        .map(drop)
    }
}
