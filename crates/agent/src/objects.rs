//! What our pods refer to: ConfigMaps, Secrets, claims and volumes, the tokens of their accounts, and what they are told of
//! services.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolume, PersistentVolumeClaim, Secret};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;

use crate::storage::Storage;
use crate::tables::{Handover, TableError};

#[derive(Debug)]
pub(crate) struct Objects {
    handover: Arc<dyn Handover>,
    storage: Storage,
    changes: watch::Sender<u64>,
}

/// What a ConfigMap or a Secret holds.
pub(crate) type Content = BTreeMap<String, Vec<u8>>;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

/// Why there is no content. The text is what the kubelet says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{kind} \"{name}\" not found")]
    Missing { kind: &'static str, name: String },
    #[error("{kind} \"{name}\" cannot be read")]
    Unreadable {
        kind: &'static str,
        name: String,
        #[source]
        cause: serde_json::Error,
    },
    #[error("{kind} \"{name}\" cannot be read")]
    Table {
        kind: &'static str,
        name: String,
        #[source]
        cause: TableError,
    },
}

impl Objects {
    pub(crate) fn new(handover: Arc<dyn Handover>, storage: Storage) -> Self {
        Self {
            handover,
            storage,
            changes: watch::channel(0).0,
        }
    }

    /// Notes every change; the values themselves are read when they are needed. A volume that was taken away by name
    /// is dealt with before that is acknowledged.
    pub(crate) async fn follow(&self) -> Result<(), TableError> {
        loop {
            let change = self.handover.next_change().await;
            if let Some(name) = change.key.strip_prefix("persistentvolumes/-/") {
                self.storage.follow(name, change.value.clone()).await;
            }
            self.changes.send_modify(|n| *n += 1);
            self.handover.done(&change.key, change.version).await?;
        }
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The token of a pod's account for an audience (none: the API's); whoever hands us over what pods refer to asks for
    /// it, and replaces it in time. `None`: it has not come yet.
    pub(crate) fn token(
        &self,
        (ns, uid): (&str, &str),
        seconds: i64,
        audience: &str,
    ) -> Result<Option<String>, TableError> {
        let key = format!("tokens/{ns}/{uid}/{seconds}/{audience}");
        let found = self.handover.get(&key)?;
        let held = found.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        Ok(held.and_then(|held| held["token"].as_str().map(ToOwned::to_owned)))
    }

    /// The services of a namespace.
    pub(crate) fn services(&self, ns: &str) -> Option<Value> {
        self.told(&format!("services/{ns}"))
    }

    /// Where the API is, as `host` and `port`.
    pub(crate) fn api_address(&self) -> Option<Value> {
        self.told("api")
    }

    fn told(&self, key: &str) -> Option<Value> {
        let bytes = self.handover.get(key).ok().flatten()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The claim of a pod.
    pub(crate) fn claim(&self, ns: &str, name: &str) -> Result<PersistentVolumeClaim, Error> {
        let key = format!("persistentvolumeclaims/{ns}/{name}");
        self.read(&key, "persistentvolumeclaim", name)
    }

    /// The volume that a claim is bound to.
    pub(crate) fn volume(&self, name: &str) -> Result<PersistentVolume, Error> {
        let key = format!("persistentvolumes/-/{name}");
        self.read(&key, "persistentvolume", name)
    }

    fn read<T: DeserializeOwned>(
        &self,
        key: &str,
        kind: &'static str,
        name: &str,
    ) -> Result<T, Error> {
        let name = name.to_owned();
        match self.handover.get(key) {
            Ok(Some(bytes)) => serde_json::from_slice(&bytes).map_err(|cause| Error::Unreadable {
                kind,
                name,
                cause,
            }),
            Ok(None) => Err(Error::Missing { kind, name }),
            Err(cause) => Err(Error::Table { kind, name, cause }),
        }
    }

    pub(crate) fn content(&self, kind: Kind, ns: &str, name: &str) -> Result<Content, Error> {
        let (folder, word) = match kind {
            Kind::ConfigMap => ("configmaps", "configmap"),
            Kind::Secret => ("secrets", "secret"),
        };
        let name = name.to_owned();
        let found = self.handover.get(&format!("{folder}/{ns}/{name}"));
        let bytes = match found {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(Error::Missing { kind: word, name }),
            Err(cause) => {
                return Err(Error::Table {
                    kind: word,
                    name,
                    cause,
                });
            }
        };
        let content = match kind {
            Kind::ConfigMap => serde_json::from_slice(&bytes).map(of_config_map),
            Kind::Secret => serde_json::from_slice(&bytes).map(of_secret),
        };
        content.map_err(|cause| Error::Unreadable {
            kind: word,
            name,
            cause,
        })
    }
}

fn of_config_map(object: ConfigMap) -> Content {
    let text = object
        .data
        .into_iter()
        .flatten()
        .map(|(k, v)| (k, v.into_bytes()));
    let binary = object
        .binary_data
        .into_iter()
        .flatten()
        .map(|(k, v)| (k, v.0));
    text.chain(binary).collect()
}

fn of_secret(object: Secret) -> Content {
    let binary = object.data.into_iter().flatten().map(|(k, v)| (k, v.0));
    let text = object
        .string_data
        .into_iter()
        .flatten()
        .map(|(k, v)| (k, v.into_bytes()));
    binary.chain(text).collect()
}
