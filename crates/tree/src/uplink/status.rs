//! The `EdgeUplink` named `parent`: how the uplink is, what is held, and what people confirm.

use std::time::Duration;

use cedge_api::edgeuplink::{EdgeUplink, EdgeUplinkStatus, NAME};
use cedge_api::{ClusterId, GROUP, TREE_MANAGER, VERSION};
use cedge_informer::Cache;
use cedge_link::LinkState;
use cedge_tasks::clock;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;

use super::Running;
use crate::around::Around;

/// Changes within this time are written together.
const GATHER: Duration = Duration::from_millis(200);

/// Writes the status whenever it changes; lets a held batch go when somebody confirms it.
pub(crate) async fn run(
    client: Client,
    own: ClusterId,
    uplinks: Cache,
    running: Running,
    around: Around,
    mut wake: watch::Receiver<u64>,
) -> Result<(), kube::Error> {
    let api: Api<EdgeUplink> = Api::all(client);
    create(&api).await?;
    let mut link = running.dialer.state();
    let mut missions = running.tables.missions.clone();
    let mut places = around.places();
    loop {
        link.borrow_and_update();
        wake.borrow_and_update();
        places.borrow_and_update();
        let before = uplinks.decode::<EdgeUplink>("", NAME).ok().flatten();
        confirm(before.as_ref(), &running).await;
        let old = before.and_then(|u| u.status).unwrap_or_default();
        let status = status(&own, &running, &around, &old);
        if status != old {
            write(&api, &old, &status).await?;
        }
        tokio::select! {
            biased;
            // Each may be dropped: the loop reads everything anew.
            changed = link.changed() => if changed.is_err() { return Ok(()) },
            () = missions.changed() => {}
            _ = wake.changed() => {}
            _ = places.changed() => {}
        }
        tokio::time::sleep(GATHER).await;
    }
}

async fn create(api: &Api<EdgeUplink>) -> Result<(), kube::Error> {
    let object = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "EdgeUplink", "metadata": { "name": NAME }, "spec": {},
    });
    api.patch(
        NAME,
        &PatchParams::apply(TREE_MANAGER).force(),
        &Patch::Apply(object),
    )
    .await
    .map(drop)
}

/// The batch that people named is let go; another one, that came since, is not.
async fn confirm(object: Option<&EdgeUplink>, running: &Running) {
    let Some(batch) = object.and_then(|o| o.spec.confirmed_batch.as_deref()) else {
        return;
    };
    let held = running.tables.missions.held();
    if held.is_some_and(|h| h.id == batch) {
        match running.tables.missions.confirm(batch).await {
            Ok(()) => tracing::info!(batch, "held deletions confirmed"),
            Err(error) => tracing::warn!(batch, %error, "held deletions could not be confirmed"),
        }
    }
}

fn status(
    own: &ClusterId,
    running: &Running,
    around: &Around,
    before: &EdgeUplinkStatus,
) -> EdgeUplinkStatus {
    let joined = &running.joined;
    let link = running.dialer.state().borrow().clone();
    let held = running.tables.missions.held();
    let regressed = running.tables.missions.regressed();
    let expires = joined.chain.first().and_then(|der| {
        let der = rustls::pki_types::CertificateDer::from(der.clone());
        cedge_pki::PeerCertificate::parse(&der)
            .ok()
            .map(|c| c.not_after.to_string())
    });
    let address = match &link {
        LinkState::Connecting { address }
        | LinkState::Connected { address, .. }
        | LinkState::ParentChanged { address } => Some(address.clone()),
        LinkState::Disconnected { .. } | LinkState::Refused(_) | LinkState::Stopped => {
            before.address.clone()
        }
    };
    EdgeUplinkStatus {
        identity: Some(own.to_string()),
        name: Some(joined.name.clone()),
        parent_identity: Some(joined.parent.to_string()),
        parent_name: Some(joined.parent_name.clone()),
        path: Some(around.place().path.to_string()),
        address,
        addresses: joined.addresses.clone(),
        held_deletions: held.as_ref().and_then(|h| u32::try_from(h.keys.len()).ok()),
        held_batch: held.as_ref().map(|h| h.id.clone()),
        regressed: regressed.iter().take(20).cloned().collect(),
        certificate_expires: expires,
        conditions: conditions(
            &link,
            running,
            held.as_ref().map(|h| h.keys.len()),
            regressed.len(),
            &before.conditions,
        ),
    }
}

type Draft = (&'static str, bool, String, String);

fn conditions(
    link: &LinkState,
    running: &Running,
    held: Option<usize>,
    regressed: usize,
    before: &[Condition],
) -> Vec<Condition> {
    let drafts: [Draft; 4] = [
        connected(link),
        changed(link, &running.joined.parent_name),
        regressed_draft(regressed, running),
        held_draft(held),
    ];
    let finish = |(kind, status, reason, message): Draft| {
        let status = if status { "True" } else { "False" };
        let same = before
            .iter()
            .find(|c| c.type_ == kind && c.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason,
            message,
            observed_generation: None,
            last_transition_time: same
                .map_or_else(|| Time(clock::now()), |c| c.last_transition_time.clone()),
        }
    };
    drafts.into_iter().map(finish).collect()
}

/// A clock that is this far off is worth a word; certificates do not care (I9).
const CLOCK_WRONG_SECONDS: i64 = 60;

fn connected(link: &LinkState) -> Draft {
    let (status, reason, message) = match link {
        LinkState::Connected {
            clock_ahead,
            parent_name,
            ..
        } if clock_ahead.abs() > CLOCK_WRONG_SECONDS => {
            let (by, way) = (
                clock_ahead.abs(),
                if *clock_ahead > 0 {
                    "ahead of"
                } else {
                    "behind"
                },
            );
            (
                true,
                "LinkUp",
                format!("this machine's clock is {by} s {way} that of {parent_name}"),
            )
        }
        LinkState::Connected { .. } => (true, "LinkUp", String::new()),
        LinkState::Connecting { address } => (false, "Connecting", format!("trying {address}")),
        LinkState::Disconnected { error } => (false, "LinkDown", error.clone()),
        LinkState::Refused(refusal) => (false, refusal.reason.as_str(), refusal.message.clone()),
        LinkState::ParentChanged { address } => (
            false,
            "ParentChanged",
            format!("another cluster answers at {address}"),
        ),
        LinkState::Stopped => (false, "Stopped", String::new()),
    };
    ("Connected", status, reason.to_owned(), message)
}

fn changed(link: &LinkState, parent: &str) -> Draft {
    match link {
        LinkState::ParentChanged { address } => {
            let message = format!(
                "who answers at {address} is not the {parent} that this cluster joined: its keys are others. Everything \
                 here keeps running. If {parent} was rebuilt, make a token there (cedge token create) and say here: \
                 cedge join --replace TOKEN"
            );
            ("ParentChanged", true, "OtherKeys".to_owned(), message)
        }
        _ => ("ParentChanged", false, "SameKeys".to_owned(), String::new()),
    }
}

fn regressed_draft(count: usize, running: &Running) -> Draft {
    if count == 0 {
        return (
            "ParentStateRegressed",
            false,
            "UpToDate".to_owned(),
            String::new(),
        );
    }
    let parent = &running.joined.parent_name;
    let message = format!(
        "{parent} no longer knows, or knows only in an older version, {count} Missions that run here (see status.regressed). \
         They keep running as they are. Write them again at {parent} to take them over, or delete them here"
    );
    (
        "ParentStateRegressed",
        true,
        "ParentLostState".to_owned(),
        message,
    )
}

fn held_draft(held: Option<usize>) -> Draft {
    match held {
        None => (
            "DeletionHeld",
            false,
            "NothingHeld".to_owned(),
            String::new(),
        ),
        Some(count) => {
            let message = format!(
                "the parent deleted {count} Missions at once, more than half of all: they keep running until somebody says \
                 `cedge uplink confirm`"
            );
            ("DeletionHeld", true, "MassDeletion".to_owned(), message)
        }
    }
}

async fn write(
    api: &Api<EdgeUplink>,
    old: &EdgeUplinkStatus,
    new: &EdgeUplinkStatus,
) -> Result<(), kube::Error> {
    let mut value = serde_json::to_value(new).unwrap_or_default();
    let old = serde_json::to_value(old).unwrap_or_default();
    if let (Some(old), Some(value)) = (old.as_object(), value.as_object_mut()) {
        for key in old.keys() {
            value.entry(key.clone()).or_insert(serde_json::Value::Null);
        }
    }
    let params = PatchParams {
        field_manager: Some(TREE_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch_status(NAME, &params, &Patch::Merge(json!({ "status": value })))
        .await
        .map(drop)
}
