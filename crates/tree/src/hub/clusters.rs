//! The reconciler of `EdgeCluster`: reads what people want and what the child says, writes its assignment and status.

use cedge_api::edgecluster::{ClusterState, EdgeClusterStatus};
use cedge_api::exchange::{Assignment, ClusterFacts, tables::SELF_KEY};
use cedge_api::{CLUSTER_FINALIZER, ClusterId, DeletionPolicy, EdgeCluster, TREE_MANAGER};
use cedge_informer::{Next, work};
use cedge_link::{Refusal, RefusalReason};
use cedge_tasks::clock;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::{ChildState, Hub, leaving, register};
use crate::uplink::silence;

/// Annotation on an `EdgeCluster` that is deleted by `cedge cluster detach`.
pub(crate) const DETACH: &str = "edge.centaurus.io/detach";
const WORKERS: usize = 2;

/// Why a child could not be seen to. Always: retry.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the API did not take {what} of {name}: {cause}")]
    Api {
        what: &'static str,
        name: String,
        cause: kube::Error,
    },
    #[error("the table of {name}: {cause}")]
    Table {
        name: String,
        cause: cedge_link::TableError,
    },
    #[error("the cached EdgeCluster cannot be read: {0}")]
    Decode(#[from] cedge_informer::DecodeError),
    #[error("{0}")]
    Refused(#[from] Refusal),
}

pub(super) fn start(hub: &Hub) {
    let queue = hub.queue.clone();
    hub.clusters
        .subscribe(move |change| queue.add(change.object().name().to_owned()));
    let shared = hub.clone();
    work(
        &hub.queue,
        &hub.parts.tasks,
        WORKERS,
        move |name: String| {
            let hub = shared.clone();
            async move { reconcile(&hub, &name).await }
        },
    );
}

async fn reconcile(hub: &Hub, name: &str) -> Result<Next, Error> {
    let Some(object) = hub.clusters.decode::<EdgeCluster>("", name)? else {
        return forget_if_gone(hub, name).await;
    };
    if object.metadata.deletion_timestamp.is_some() {
        return evict(hub, &object).await;
    }
    let identity = object.status.as_ref().and_then(|s| s.identity.clone());
    let Some(id) = identity.and_then(|id| id.parse::<ClusterId>().ok()) else {
        return Ok(Next::OnChange);
    };
    let child_name = name
        .parse()
        .map_err(|_| Refusal::new(RefusalReason::BadRequest, "not a cluster's name"))?;
    let child = register::open(hub, &child_name, &id)?;
    if object.spec.approved {
        assign(hub, &object, &child).await?;
    }
    let facts = facts_of(&child);
    if let Some(facts) = &facts {
        take_labels(hub, &object, facts).await?;
    }
    let status = status(&object, &child, facts.as_ref());
    if object.status.as_ref() != Some(&status) {
        write(hub, name, &status).await?;
    }
    hub.parts.around.changed();
    Ok(Next::OnChange)
}

/// The cache lags behind a child that has just registered: only the API's word is taken for its absence.
async fn forget_if_gone(hub: &Hub, name: &str) -> Result<Next, Error> {
    let clusters: Api<EdgeCluster> = Api::all(hub.parts.client.clone());
    let found = clusters.get_opt(name).await.map_err(|cause| Error::Api {
        what: "the question",
        name: name.to_owned(),
        cause,
    })?;
    if found.is_none() {
        hub.children.remove(name);
        hub.parts.around.changed();
    }
    Ok(Next::OnChange)
}

/// The identity goes on the deny list before anything else; then the link drops, its tables go, the finalizer falls.
async fn evict(hub: &Hub, object: &EdgeCluster) -> Result<Next, Error> {
    let name = object.name_any();
    let api = |what| {
        let name = name.clone();
        move |cause| Error::Api { what, name, cause }
    };
    let id = object
        .status
        .as_ref()
        .and_then(|s| s.identity.as_ref())
        .and_then(|i| i.parse::<ClusterId>().ok());
    if object.spec.deletion_policy == DeletionPolicy::Withdraw
        && let Some(child) = hub.children.get(&name)
        && !leaving::has_given_back(hub, &child)
            .await
            .map_err(|cause| Error::Table {
                name: name.clone(),
                cause,
            })?
    {
        return Ok(Next::After(leaving::LOOK_AGAIN));
    }
    if let Some(id) = id {
        let reason = reason_of_removal(object);
        let why = match reason {
            RefusalReason::Detached => super::denied::DETACHED,
            _ => "evicted",
        };
        hub.parts
            .denied
            .add(&id, &name, why)
            .await
            .map_err(api("the deny list"))?;
        if let Some(child) = hub.children.remove(&name)
            && let Some(session) = child.session
        {
            session.close(super::removed(&name, &hub.parts.name, reason));
        }
        let table = |cause| Error::Table {
            name: name.clone(),
            cause,
        };
        hub.parts.store.forget(&id).await.map_err(table)?;
        tracing::info!(child = name, identity = %id, why, "child removed");
    }
    let finalizers: Vec<&String> = object
        .finalizers()
        .iter()
        .filter(|f| *f != CLUSTER_FINALIZER)
        .collect();
    let patch = json!({ "metadata": { "finalizers": finalizers } });
    let clusters: Api<EdgeCluster> = Api::all(hub.parts.client.clone());
    match clusters
        .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        other => drop(other.map_err(api("the finalizer"))?),
    }
    hub.parts.around.changed();
    Ok(Next::OnChange)
}

/// Whether an `EdgeCluster` that is deleted is evicted or detached.
pub(super) fn reason_of_removal(object: &EdgeCluster) -> RefusalReason {
    if object.annotations().contains_key(DETACH) {
        RefusalReason::Detached
    } else {
        RefusalReason::Revoked
    }
}

/// Tells the child who it is here.
async fn assign(hub: &Hub, object: &EdgeCluster, child: &ChildState) -> Result<(), Error> {
    let above = hub.parts.around.place();
    let assignment = Assignment {
        name: child.name.to_string(),
        path: above.path.child(child.name.clone()),
        parent_name: hub.parts.name.to_string(),
        labels: object.labels().clone(),
        replaced: above.replaced,
        heartbeat_seconds: object.spec.heartbeat_seconds,
        report_seconds: object.spec.report_seconds,
    };
    if let Some(session) = &child.session {
        session.set_silence(silence(object.spec.heartbeat_seconds, hub.parts.silence));
    }
    let bytes = serde_json::to_vec(&assignment).unwrap_or_default();
    let table = |cause| Error::Table {
        name: child.name.to_string(),
        cause,
    };
    let known = child.assignment.get(SELF_KEY).map_err(table)?;
    if known.as_deref() != Some(&bytes) {
        child
            .assignment
            .put(SELF_KEY, bytes.into())
            .await
            .map_err(table)?;
    }
    Ok(())
}

/// Labels that the child says of itself become labels of its object, where nobody here set them otherwise.
async fn take_labels(hub: &Hub, object: &EdgeCluster, facts: &ClusterFacts) -> Result<(), Error> {
    let news = facts.labels.iter().any(|(key, value)| {
        object
            .labels()
            .get(key)
            .is_none_or(|have| have != value && is_ours(object, key))
    });
    let dropped = object
        .labels()
        .keys()
        .any(|key| !facts.labels.contains_key(key) && is_ours(object, key));
    if news || dropped {
        let name = object
            .name_any()
            .parse()
            .map_err(|_| Refusal::new(RefusalReason::BadRequest, "not a name"))?;
        register::apply(
            hub,
            &name,
            Some(&facts.labels),
            object.spec.approved && is_ours_spec(object),
        )
        .await?;
    }
    Ok(())
}

/// Whether the tree itself set a label, by its entry in the object's managed fields.
fn is_ours(object: &EdgeCluster, label: &str) -> bool {
    owns(object, &["f:metadata", "f:labels", &format!("f:{label}")])
}

fn is_ours_spec(object: &EdgeCluster) -> bool {
    owns(object, &["f:spec", "f:approved"])
}

fn owns(object: &EdgeCluster, path: &[&str]) -> bool {
    object
        .managed_fields()
        .iter()
        .filter(|m| m.manager.as_deref() == Some(TREE_MANAGER))
        .any(|m| {
            let mut at = m.fields_v1.as_ref().map(|f| &f.0);
            for step in path {
                at = at.and_then(|a| a.get(step));
            }
            at.is_some()
        })
}

pub(crate) fn facts_of(child: &ChildState) -> Option<ClusterFacts> {
    let value = child.cluster.get(SELF_KEY).ok().flatten()?;
    serde_json::from_slice(&value).ok()
}

/// State, from what people want, the link and what the child says.
pub(crate) fn state_of(
    object: &EdgeCluster,
    connected: bool,
    facts: Option<&ClusterFacts>,
) -> ClusterState {
    match (object.spec.approved, connected, facts) {
        (false, _, _) | (true, _, None) => ClusterState::Pending,
        (true, false, Some(_)) => ClusterState::Unreachable,
        (true, true, Some(facts)) if !facts.healthy => ClusterState::Unhealthy,
        (true, true, Some(_)) if object.spec.cordoned => ClusterState::Cordoned,
        (true, true, Some(_)) => ClusterState::Healthy,
    }
}

fn status(
    object: &EdgeCluster,
    child: &ChildState,
    facts: Option<&ClusterFacts>,
) -> EdgeClusterStatus {
    let before = object.status.clone().unwrap_or_default();
    let connected = child.is_connected();
    let state = state_of(object, connected, facts);
    let mut status = EdgeClusterStatus {
        state: Some(state),
        identity: Some(child.id.to_string()),
        last_heard: if connected {
            None
        } else {
            child.last_heard.clone().or(before.last_heard)
        },
        conditions: conditions(&before.conditions, state, connected, child, facts),
        ..before
    };
    if let Some(facts) = facts {
        status.flavor = Some(facts.flavor.clone());
        status.version = Some(facts.version.clone());
        status.kubernetes_version = Some(facts.kubernetes_version.clone());
        status.nodes = Some(facts.nodes.clone());
        status.capacity = Some(facts.capacity.clone());
        status.allocatable = Some(facts.allocatable.clone());
        status.missions = Some(facts.missions.clone());
        status.subtree = Some(crate::roster::subtree(&child.roster, connected));
    }
    status
}

fn conditions(
    before: &[Condition],
    state: ClusterState,
    connected: bool,
    child: &ChildState,
    facts: Option<&ClusterFacts>,
) -> Vec<Condition> {
    let since = child.last_heard.as_deref().unwrap_or("an unknown time");
    let link = if connected {
        ("Connected", true, "LinkUp", String::new())
    } else if facts.is_none() {
        (
            "Connected",
            false,
            "NeverConnected",
            "the child has registered and not connected yet".to_owned(),
        )
    } else {
        (
            "Connected",
            false,
            "LinkDown",
            format!("last heard of at {since}; what is shown is as of then"),
        )
    };
    let well = facts.is_some_and(|f| f.healthy);
    let why = facts.and_then(|f| f.reason.clone()).unwrap_or_default();
    let healthy = (
        "Healthy",
        well,
        if well { "Healthy" } else { "Unhealthy" },
        why,
    );
    let ready = matches!(state, ClusterState::Healthy);
    let ready = (
        "Ready",
        ready,
        if ready { "Ready" } else { "NotReady" },
        format!("{state:?}"),
    );
    [link, healthy, ready]
        .into_iter()
        .map(|(kind, status, reason, message)| {
            let status = if status { "True" } else { "False" };
            let same = before
                .iter()
                .find(|c| c.type_ == kind && c.status == status);
            Condition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message,
                observed_generation: None,
                last_transition_time: same
                    .map_or_else(|| Time(clock::now()), |c| c.last_transition_time.clone()),
            }
        })
        .collect()
}

async fn write(hub: &Hub, name: &str, status: &EdgeClusterStatus) -> Result<(), Error> {
    let api: Api<EdgeCluster> = Api::all(hub.parts.client.clone());
    let mut value = serde_json::to_value(status).unwrap_or_default();
    if status.last_heard.is_none() {
        value["lastHeard"] = serde_json::Value::Null;
    }
    let params = PatchParams {
        field_manager: Some(TREE_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    match api
        .patch_status(name, &params, &Patch::Merge(json!({ "status": value })))
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(cause) => Err(Error::Api {
            what: "the status",
            name: name.to_owned(),
            cause,
        }),
        Ok(_) => Ok(()),
    }
}
