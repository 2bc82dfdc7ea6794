//! A stranger with a token becomes a child.

use std::sync::Arc;

use cedge_api::{CLUSTER_FINALIZER, ClusterName, EdgeCluster, TREE_MANAGER};
use cedge_link::{
    Admission, Endpoint, JoinRequest, Joined, PeerId, PeerKind, Refusal, RefusalReason, tables,
};
use cedge_tasks::clock;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::{ChildState, Hub};
use crate::ports::{In, Out};
use crate::token;

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalReason::BadRequest, message)
}

fn unavailable(error: &kube::Error) -> Refusal {
    Refusal::new(
        RefusalReason::Unavailable,
        format!("the parent's API does not answer: {error}"),
    )
}

/// Checks token, name and request; registers; signs.
pub(super) async fn register(hub: &Hub, request: JoinRequest) -> Result<Joined, Refusal> {
    let name: ClusterName = request
        .name
        .parse()
        .map_err(|e: cedge_api::names::NameError| bad(e.to_string()))?;
    let who = cedge_pki::authority::requester(&request.csr)
        .map_err(|e| bad(e.to_string()))?
        .id();
    if who == hub.parts.authority.id() {
        return Err(bad("a cluster cannot be its own parent"));
    }
    let client = &hub.parts.client;
    check_name(hub, &name, request.kind, &who).await?;
    let granted = token::redeem(
        client,
        &request.token_id,
        &request.token_secret,
        &who,
        request.kind,
        name.as_str(),
    )
    .await?;
    if granted.again && hub.parts.denied.reason(&who).is_some() {
        // Else whoever was evicted would come back by itself, with the token that it still has.
        let message = format!(
            "{name} was taken out of the tree here, and this token was used by it before; make another: cedge token create"
        );
        return Err(Refusal::new(RefusalReason::TokenUsedUp, message));
    }
    hub.parts
        .denied
        .remove(&who)
        .await
        .map_err(|e| unavailable(&e))?;
    let mut labels = request.labels.clone();
    labels.extend(granted.labels);
    let chain = hub.sign(&request.csr, request.kind, name.as_str())?;
    match request.kind {
        PeerKind::Cluster => {
            apply(hub, &name, Some(&labels), granted.approve).await?;
            note_identity(hub, &name, &who).await?;
        }
        PeerKind::Node => hub.parts.nodes.register(&name, &who, &labels).await?,
    }
    tracing::info!(child = %name, kind = request.kind.as_str(), identity = %who, "registered");
    Ok(Joined {
        chain,
        ca: hub.parts.authority.certificate().to_vec(),
        parent: hub.parts.authority.id(),
        parent_name: hub.parts.name.to_string(),
        name: name.to_string(),
        clock: clock::now().as_second(),
    })
}

/// A name belongs to the identity that has it, until that is evicted.
async fn check_name(
    hub: &Hub,
    name: &ClusterName,
    kind: PeerKind,
    who: &cedge_api::ClusterId,
) -> Result<(), Refusal> {
    let taken = match kind {
        PeerKind::Cluster => {
            let api: Api<EdgeCluster> = Api::all(hub.parts.client.clone());
            let found = api
                .get_opt(name.as_str())
                .await
                .map_err(|e| unavailable(&e))?;
            found.and_then(|c| c.status).and_then(|s| s.identity)
        }
        PeerKind::Node => hub.parts.nodes.identity_of(name.as_str()).await?,
    };
    match taken {
        Some(id) if id != who.as_str() => {
            let what = match kind {
                PeerKind::Cluster => "cluster",
                PeerKind::Node => "node",
            };
            let message = format!(
                "there is a {what} {name} here with another identity ({id}); join under another name \
                 (--name), or evict that one first"
            );
            Err(Refusal::new(RefusalReason::NameTaken, message))
        }
        Some(_) | None => Ok(()),
    }
}

/// Creates or completes the `EdgeCluster`. Labels that the child brings are ours to apply, so that what people set at
/// the parent stays theirs.
pub(super) async fn apply(
    hub: &Hub,
    name: &ClusterName,
    labels: Option<&std::collections::BTreeMap<String, String>>,
    approve: bool,
) -> Result<EdgeCluster, Refusal> {
    let api: Api<EdgeCluster> = Api::all(hub.parts.client.clone());
    let mut object = json!({
        "apiVersion": format!("{}/{}", cedge_api::GROUP, cedge_api::VERSION),
        "kind": "EdgeCluster",
        "metadata": { "name": name.as_str(), "finalizers": [CLUSTER_FINALIZER] },
        "spec": {},
    });
    if let Some(labels) = labels {
        object["metadata"]["labels"] = json!(labels);
    }
    if approve {
        object["spec"] = json!({ "approved": true });
    }
    // Not forced: a label or an approval that somebody set here wins over what the child brings.
    let gentle = PatchParams::apply(TREE_MANAGER);
    match api
        .patch(name.as_str(), &gentle, &Patch::Apply(&object))
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        other => return other.map_err(|e| unavailable(&e)),
    }
    if let Some(live) = api
        .get_opt(name.as_str())
        .await
        .map_err(|e| unavailable(&e))?
    {
        let theirs = live.labels().clone();
        if let Some(labels) = object["metadata"]["labels"].as_object_mut() {
            labels.retain(|key, value| theirs.get(key).is_none_or(|t| value == t));
        }
    }
    api.patch(name.as_str(), &gentle.force(), &Patch::Apply(&object))
        .await
        .map_err(|e| unavailable(&e))
}

async fn note_identity(
    hub: &Hub,
    name: &ClusterName,
    who: &cedge_api::ClusterId,
) -> Result<(), Refusal> {
    let api: Api<EdgeCluster> = Api::all(hub.parts.client.clone());
    let status = json!({ "status": { "identity": who.as_str(), "state": "Pending" } });
    let params = PatchParams {
        field_manager: Some(TREE_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patched = api
        .patch_status(name.as_str(), &params, &Patch::Merge(status))
        .await;
    patched.map(drop).map_err(|e| unavailable(&e))
}

/// A known certificate comes: with its tables if it is approved. One whose object is gone registers again (I3).
pub(super) async fn admit(hub: &Hub, peer: &PeerId) -> Result<Admission, Refusal> {
    let name: ClusterName = peer
        .name
        .parse()
        .map_err(|e: cedge_api::names::NameError| bad(e.to_string()))?;
    check_name(hub, &name, PeerKind::Cluster, &peer.id).await?;
    let api: Api<EdgeCluster> = Api::all(hub.parts.client.clone());
    let object = match api
        .get_opt(name.as_str())
        .await
        .map_err(|e| unavailable(&e))?
    {
        Some(object) => object,
        None => apply(hub, &name, None, true).await?,
    };
    if object.metadata.deletion_timestamp.is_some() {
        let reason = super::clusters::reason_of_removal(&object);
        return Err(super::removed(name.as_str(), &hub.parts.name, reason));
    }
    note_identity_if_new(hub, &name, &object, &peer.id).await?;
    if !object.spec.approved {
        let message = format!(
            "{name} awaits approval; at the parent: kubectl patch edgecluster {name} --type=merge -p '{{\"spec\":{{\"approved\":true}}}}'"
        );
        return Err(Refusal::new(RefusalReason::AwaitingApproval, message));
    }
    let child = open(hub, &name, &peer.id)?;
    Ok(Admission {
        tables: endpoints(&child),
    })
}

async fn note_identity_if_new(
    hub: &Hub,
    name: &ClusterName,
    object: &EdgeCluster,
    id: &cedge_api::ClusterId,
) -> Result<(), Refusal> {
    let known = object.status.as_ref().and_then(|s| s.identity.as_deref());
    if known == Some(id.as_str()) {
        return Ok(());
    }
    note_identity(hub, name, id).await
}

/// The child with its tables: what is stored of it, or new ones.
pub(super) fn open(
    hub: &Hub,
    name: &ClusterName,
    id: &cedge_api::ClusterId,
) -> Result<ChildState, Refusal> {
    if let Some(child) = hub.children.get(name.as_str()).filter(|c| c.id == *id) {
        return Ok(child);
    }
    let store = &hub.parts.store;
    let disk = |e: cedge_link::TableError| Refusal::new(RefusalReason::Unavailable, e.to_string());
    let missions = store.writer(id, tables::MISSIONS).map_err(disk)?;
    let reports = store.reader(id, tables::REPORTS).map_err(disk)?;
    let child = ChildState {
        id: id.clone(),
        name: name.clone(),
        assignment: store.writer(id, tables::ASSIGNMENT).map_err(disk)?,
        cluster: store.reader(id, tables::CLUSTER).map_err(disk)?,
        roster: store.reader(id, tables::ROSTER).map_err(disk)?,
        missions_port: Arc::new(Out(missions.clone())),
        reports_port: Arc::new(In(reports.clone())),
        missions,
        reports,
        session: None,
        last_heard: None,
        leaving: None,
    };
    Ok(hub.children.put(&hub.parts.tasks, child))
}

fn endpoints(child: &ChildState) -> Vec<Endpoint> {
    vec![
        child.assignment.clone().into(),
        child.missions.clone().into(),
        child.cluster.clone().into(),
        child.roster.clone().into(),
        child.reports.clone().into(),
    ]
}
