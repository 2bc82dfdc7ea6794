//! Which resource a kind is, asked of the API once and again when it was not there.

use std::collections::HashMap;
use std::sync::Mutex;

use kube::Client;
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, ApiResource, Scope};

/// Why a kind has no resource.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API does not know it (yet).
    #[error("no matches for kind \"{}\" in version \"{}\"; install its CustomResourceDefinition, or take it out of the Mission", .0.kind, .0.api_version())]
    Unknown(GroupVersionKind),
    /// The API could not be asked. Retry.
    #[error("could not ask the API for kind {}", .kind.kind)]
    Api {
        /// The kind.
        kind: GroupVersionKind,
        /// What the API said.
        #[source]
        cause: Box<kube::Error>,
    },
}

/// Kinds that were asked for.
pub(crate) struct Catalog {
    client: Client,
    known: Mutex<HashMap<GroupVersionKind, (ApiResource, bool)>>,
}

impl Catalog {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    /// The resource of a kind, and whether it is namespaced.
    pub(crate) async fn find(&self, kind: &GroupVersionKind) -> Result<(ApiResource, bool), Error> {
        if let Some(found) = self.lock().get(kind) {
            return Ok(found.clone());
        }
        let found = kube::discovery::pinned_kind(&self.client, kind).await;
        let (resource, capabilities): (ApiResource, ApiCapabilities) = match found {
            Ok(found) => found,
            Err(kube::Error::Discovery(_)) => return Err(Error::Unknown(kind.clone())),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                return Err(Error::Unknown(kind.clone()));
            }
            Err(cause) => {
                return Err(Error::Api {
                    kind: kind.clone(),
                    cause: Box::new(cause),
                });
            }
        };
        let found = (resource, capabilities.scope == Scope::Namespaced);
        self.lock().insert(kind.clone(), found.clone());
        Ok(found)
    }

    /// Forgets a kind whose resource answered *not found*: its definition may be gone.
    pub(crate) fn forget(&self, kind: &GroupVersionKind) {
        self.lock().remove(kind);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<GroupVersionKind, (ApiResource, bool)>> {
        self.known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
