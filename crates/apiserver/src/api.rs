//! What every handler shares.

use std::sync::Arc;

use cedge_pki::LiveCredential;
use cedge_store::{CommitError, Durability, Expect, Key, Txn, Write};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::admission::Notice;
use crate::authz::Authorizer;
use crate::cache::{Cache, KindCache, Object, key_of};
use crate::config::Config;
use crate::meta;
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::status::{Error, Result};
use crate::stored;

/// The parts of a running API server.
pub(crate) struct Api {
    pub(crate) config: Config,
    pub(crate) cache: Arc<Cache>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) addresses: crate::admission::Addresses,
    pub(crate) tills: crate::admission::Tills,
    pub(crate) limits: crate::limits::Limits,
    /// Where work is done that takes long.
    pub(crate) aside: crate::aside::Aside,
    pub(crate) usage: crate::usage::Usage,
    pub(crate) documents: Arc<crate::documents::Documents>,
    /// The webhooks and policies that there are.
    pub(crate) hooks: Arc<crate::admission::Hooks>,
    /// How requests share the server.
    pub(crate) fairness: Arc<crate::fairness::Fairness>,
    /// The audit log, if there is one.
    pub(crate) audit: Option<Arc<crate::audit::Audit>>,
    /// Who answers what this server does not.
    pub(crate) extensions: Arc<crate::extension::Routes>,
    /// The way to servers that users name.
    pub(crate) outbound: Arc<crate::outbound::Outbound>,
    /// By which way each caller may be others.
    pub(crate) habits: crate::impersonate::Habits,
    /// Bounds how many webhooks are asked at once.
    pub(crate) turns: tokio::sync::Semaphore,
    /// Events that wait to be written.
    pub(crate) notices: mpsc::Sender<Notice>,
    pub(crate) tasks: cedge_tasks::Group,
    pub(crate) ready: cedge_tasks::Readiness,
}

/// Why a write did not happen.
#[derive(Debug)]
pub(crate) enum WriteFailure {
    /// Somebody else wrote meanwhile.
    Conflict,
    Other(Error),
}

// === impl Api ===

impl Api {
    /// The newest state of an object.
    pub(crate) async fn get(&self, kind: &KindCache, path: &str) -> Result<Option<Arc<Object>>> {
        self.cache.fresh().await?;
        Ok(kind.get(path))
    }

    /// The newest state of an object of a built-in kind, decoded.
    pub(crate) async fn read(
        &self,
        group: &str,
        plural: &str,
        path: &str,
    ) -> Result<Option<Value>> {
        let object = self.get(&self.cache.kind(group, plural), path).await?;
        object.map(|o| o.value()).transpose()
    }

    /// Creates an object, given in the version in which it is stored; its revision.
    pub(crate) async fn insert(
        &self,
        resource: &Resource,
        object: &Value,
    ) -> Result<u64, WriteFailure> {
        let key = key(resource, object);
        let write = Write::put(key.clone(), stored::encode(object));
        self.commit(key, Expect::Absent, write, Durability::Durable)
            .await
    }

    /// Replaces what a revision wrote; the new revision.
    pub(crate) async fn replace(
        &self,
        resource: &Resource,
        object: &Value,
        revision: u64,
    ) -> Result<u64, WriteFailure> {
        // A lost renewal of a node's lease is sent again: it may be answered before it is on disk.
        let relaxed = resource.is("coordination.k8s.io", "leases")
            && meta::namespace(object) == "kube-node-lease";
        let durability = if relaxed {
            Durability::Relaxed
        } else {
            Durability::Durable
        };
        self.replace_with(resource, object, revision, durability)
            .await
    }

    /// The same, with a choice whether the disk is waited for.
    pub(crate) async fn replace_with(
        &self,
        resource: &Resource,
        object: &Value,
        revision: u64,
        durability: Durability,
    ) -> Result<u64, WriteFailure> {
        let key = key(resource, object);
        let write = Write::put(key.clone(), stored::encode(object));
        self.commit(key, Expect::At(revision.into()), write, durability)
            .await
    }

    /// Removes what a revision wrote; the revision of the deletion.
    pub(crate) async fn remove(
        &self,
        resource: &Resource,
        object: &Value,
        revision: u64,
    ) -> Result<u64, WriteFailure> {
        let key = key(resource, object);
        let write = Write::delete(key.clone());
        let expect = Expect::At(revision.into());
        self.commit(key, expect, write, Durability::Durable).await
    }

    async fn commit(
        &self,
        key: Key,
        expect: Expect,
        write: Write,
        durability: Durability,
    ) -> Result<u64, WriteFailure> {
        let txn = Txn {
            expect: vec![(key, expect)],
            writes: vec![write],
            durability,
        };
        match self.cache.store().commit(txn).await {
            Ok(revision) => Ok(revision.get()),
            Err(CommitError::Conflict { .. }) => Err(WriteFailure::Conflict),
            Err(CommitError::Limit(e)) => Err(WriteFailure::Other(Error::TooLarge(e.to_string()))),
            Err(CommitError::Closed) => Err(WriteFailure::Other(Error::Unavailable(
                "the server is shutting down".into(),
            ))),
            Err(e) => {
                let mut why = e.to_string();
                // Such as "no space left on the disk": whoever asked can do something about it.
                if let Some(cause) = std::error::Error::source(&e) {
                    why = format!("{why}: {cause}");
                }
                tracing::error!(error = why, "write failed");
                Err(WriteFailure::Other(Error::internal(why)))
            }
        }
    }

    /// What this server shows to extension API servers.
    pub(crate) fn front_proxy(&self) -> Option<Arc<LiveCredential>> {
        let front = self.config.front_proxy.as_ref();
        front.map(crate::extension::FrontProxy::credential)
    }

    /// Leaves a notice to be written; when too many wait, it is dropped.
    pub(crate) fn notice(&self, notice: Notice) {
        if self.notices.try_send(notice).is_err() {
            tracing::debug!("an event was dropped: too many wait");
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        cedge_tasks::clock::now()
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

fn key(resource: &Resource, object: &Value) -> Key {
    let namespace = if resource.namespaced {
        meta::namespace(object)
    } else {
        ""
    };
    key_of(resource.cache.name(), namespace, meta::name(object))
}

// === impl WriteFailure ===

impl From<Error> for WriteFailure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}
