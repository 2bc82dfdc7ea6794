//! Station 4 of the walk: a child takes what its parent hands over.
//! Before: `link` made the handover durable. After: `accept`, for the copy in this cluster.
//! Durable: the Mission in this cluster's own API, under `NAME.xxxxxx`. Never: decides placement.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cedge_api::exchange::Handover;
use cedge_api::names::received_name;
use cedge_api::{ClusterId, GROUP, Mission, MissionKey, TREE_MANAGER, VERSION, marks};
use cedge_tasks::{Backoff, Shutdown};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use crate::accept::Accepted;
use crate::events::{Events, Station};
use crate::ports::{Change, PortError};
use crate::topology::Parent;
use crate::up::report;

/// Why a handover was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The value cannot be read. Terminal: the parent must send another.
    #[error("the handover of {key} cannot be read: {cause}")]
    Malformed {
        /// Its key.
        key: String,
        /// What is wrong.
        cause: String,
    },
    /// A Mission of this cluster's own came back. Terminal.
    #[error("{0} was written here; a parent cannot hand it over")]
    Own(MissionKey),
    /// The parent spoke from the past: what is here was handed over later. Terminal: a newer one will come.
    #[error("handover of {mission} is stale (got generation {got}, have {have})")]
    Stale {
        /// Name of the copy.
        mission: String,
        /// What came.
        got: i64,
        /// What is here.
        have: i64,
    },
    /// The copy of an earlier Mission under this name is still being withdrawn. Retry.
    #[error("an earlier copy of {0} is still being withdrawn")]
    StillLeaving(String),
    /// The disk. Retry.
    #[error(transparent)]
    Table(#[from] PortError),
    /// The API did not take it. Retry.
    #[error("could not store {name}")]
    Api {
        /// Name of the copy.
        name: String,
        /// What the API said.
        #[source]
        cause: kube::Error,
    },
}

impl Error {
    fn is_terminal(&self) -> bool {
        match self {
            Self::Malformed { .. } | Self::Own(_) | Self::Stale { .. } => true,
            Self::StillLeaving(_) | Self::Table(_) | Self::Api { .. } => false,
        }
    }
}

/// Which of its words a parent said: the version that the link counts, comparable among those of one parent only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) parent: ClusterId,
    pub(crate) version: u64,
}

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.parent, self.version)
    }
}

impl std::str::FromStr for Word {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (parent, version) = text.split_once('/').ok_or(())?;
        Ok(Self {
            parent: parent.parse().map_err(|_| ())?,
            version: version.parse().map_err(|_| ())?,
        })
    }
}

/// Takes what comes, one change after the other; one that must wait does not keep others waiting.
pub(crate) async fn run(
    client: Client,
    own: ClusterId,
    parent: Parent,
    events: Events,
    shutdown: Shutdown,
) {
    let api: Api<Mission> = Api::all(client);
    let mut waiting: BTreeMap<String, (Change, Backoff)> = BTreeMap::new();
    loop {
        let pause = waiting.values_mut().map(|(_, b)| b.next_delay()).min();
        let retry = async {
            match pause {
                Some(delay) => tokio::time::sleep(delay).await,
                None => std::future::pending().await,
            }
        };
        let mut due: Vec<Change> = Vec::new();
        tokio::select! {
            biased;
            () = shutdown.wait() => return,
            // May be dropped: a change that is not done comes again.
            change = parent.missions.next() => due.push(change),
            () = retry => due.extend(waiting.values().map(|(c, _)| c.clone())),
        }
        for change in due {
            settle(&api, &own, &parent, &events, change, &mut waiting).await;
        }
    }
}

async fn settle(
    api: &Api<Mission>,
    own: &ClusterId,
    parent: &Parent,
    events: &Events,
    change: Change,
    waiting: &mut BTreeMap<String, (Change, Backoff)>,
) {
    let (key, version) = match &change {
        Change::Put { key, version, .. } | Change::Removed { key, version } => {
            (key.clone(), *version)
        }
    };
    let result = match &change {
        Change::Put { key, value, .. } => {
            let word = Word {
                parent: parent.id.clone(),
                version,
            };
            match take(api, own, key, value, &word, events).await {
                Ok(Some(before)) => forget(parent, &before).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            }
        }
        Change::Removed { key, .. } => drop_copy(api, key).await,
    };
    if let Err(error) = &result {
        tracing::warn!(station = "receive", key, %error, cause = ?std::error::Error::source(error), "handover not taken");
        if !error.is_terminal() {
            let backoff = || Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
            waiting
                .entry(key)
                .and_modify(|(c, _)| *c = change.clone())
                .or_insert((change, backoff()));
            return;
        }
    }
    waiting.remove(&key);
    if let Err(error) = parent.missions.done(&key, version).await {
        tracing::warn!(key, %error, "a change that was acted upon will come again");
    }
}

/// A Mission that the parent lost was written there again, and has its copy now: what stood for the lost one goes (I3).
async fn forget(parent: &Parent, before: &MissionKey) -> Result<(), Error> {
    let key = before.to_string();
    if !parent.missions.regressed().contains(&key) {
        return Ok(());
    }
    parent.missions.forget(&key).await?;
    tracing::info!(key, "a lost Mission was written again; it is forgotten");
    Ok(report::gone(&*parent.reports, before).await?)
}

/// Stores the copy of a Mission, or puts it right. Answers which Mission the copy stood for, if that was another.
pub(crate) async fn take(
    api: &Api<Mission>,
    own: &ClusterId,
    key: &str,
    value: &Bytes,
    word: &Word,
    events: &Events,
) -> Result<Option<MissionKey>, Error> {
    let handover = read(key, value)?;
    if handover.key.origin == *own {
        return Err(Error::Own(handover.key));
    }
    let name = received_name(&handover.name, &handover.key.origin);
    let fail = |cause| Error::Api {
        name: name.clone(),
        cause,
    };
    let old = api.get_opt(&name).await.map_err(fail)?;
    if old
        .as_ref()
        .is_some_and(|m| m.metadata.deletion_timestamp.is_some())
    {
        return Err(Error::StillLeaving(name));
    }
    if let Some(have) = old.as_ref().and_then(|m| newer(m, &handover, word)) {
        return Err(Error::Stale {
            mission: name,
            got: handover.generation,
            have,
        });
    }
    let before = old.and_then(|m| m.annotations().get(marks::ORIGIN_UID).cloned());
    let patch = PatchParams::apply(TREE_MANAGER).force();
    let taken = api
        .patch(&name, &patch, &Patch::Apply(copy(&name, &handover, word)))
        .await
        .map_err(fail)?;
    let detail = format!("generation {} from the parent", handover.generation);
    events.station(Station::Receive, &taken, &detail).await;
    let MissionKey { origin, uid } = handover.key;
    Ok(before
        .filter(|old| *old != uid)
        .map(|uid| MissionKey { origin, uid }))
}

/// The generation that is here, if what is handed over is older. An older generation is taken from a parent that says it
/// *after* what is here (its author's API was restored, and written again), or that is another one; not if our own
/// tables are older than our API.
fn newer(have: &Mission, handover: &Handover, word: &Word) -> Option<i64> {
    let mark = |name: &str| have.annotations().get(name).map(String::as_str);
    let same = mark(marks::ORIGIN) == Some(handover.key.origin.as_str())
        && mark(marks::ORIGIN_UID) == Some(handover.key.uid.as_str());
    let generation: i64 = mark(marks::ORIGIN_GENERATION)?.parse().ok()?;
    let said: Word = mark(marks::HANDED_OVER)?.parse().ok()?;
    let before = said.parent == word.parent && word.version <= said.version;
    (same && before && handover.generation < generation).then_some(generation)
}

/// Whether a copy reads as it was handed over, or as something later.
pub(crate) fn is_right(value: &Bytes, mission: &Mission, accepted: &Accepted) -> bool {
    serde_json::from_slice::<Handover>(value).is_ok_and(|handover| {
        handover.generation < accepted.target.generation
            || (handover.generation == accepted.target.generation
                && handover.spec == mission.spec
                && handover.path == accepted.path)
    })
}

fn read(key: &str, value: &Bytes) -> Result<Handover, Error> {
    let malformed = |cause: String| Error::Malformed {
        key: key.to_owned(),
        cause,
    };
    let handover: Handover = serde_json::from_slice(value).map_err(|e| malformed(e.to_string()))?;
    if handover.key.to_string() != key {
        return Err(malformed(format!("it speaks of {}", handover.key)));
    }
    if !cedge_api::names::is_dns_label(&handover.name) {
        return Err(malformed(format!(
            "{:?} is not a Mission's name",
            handover.name
        )));
    }
    Ok(handover)
}

fn copy(name: &str, handover: &Handover, word: &Word) -> serde_json::Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "Mission",
        "metadata": {
            "name": name,
            "labels": { marks::RECEIVED: "true" },
            "annotations": {
                marks::ORIGIN: handover.key.origin.as_str(),
                marks::ORIGIN_NAME: handover.name,
                marks::ORIGIN_UID: handover.key.uid,
                marks::ORIGIN_GENERATION: handover.generation.to_string(),
                marks::ORIGIN_PATH: handover.path.to_string(),
                marks::HANDED_OVER: word.to_string(),
            },
        },
        "spec": handover.spec,
    })
}

/// Acts on a tombstone: asks the API to delete the copy that it names, and no namesake.
async fn drop_copy(api: &Api<Mission>, key: &str) -> Result<(), Error> {
    let named: MissionKey =
        key.parse()
            .map_err(|e: cedge_api::names::NameError| Error::Malformed {
                key: key.to_owned(),
                cause: e.to_string(),
            })?;
    let fail = |cause| Error::Api {
        name: key.to_owned(),
        cause,
    };
    let copies = api
        .list(&kube::api::ListParams::default().labels(marks::RECEIVED))
        .await;
    for mission in copies.map_err(fail)?.items {
        let mark = |name: &str| mission.annotations().get(name).map(String::as_str);
        if mark(marks::ORIGIN) != Some(named.origin.as_str())
            || mark(marks::ORIGIN_UID) != Some(named.uid.as_str())
        {
            continue;
        }
        let only = Preconditions {
            uid: mission.uid(),
            resource_version: None,
        };
        let params = DeleteParams {
            preconditions: Some(only),
            ..DeleteParams::default()
        };
        match api.delete(&mission.name_any(), &params).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => drop(other.map_err(fail)?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
