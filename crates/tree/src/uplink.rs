//! The uplink: joins a parent, keeps the link to it, and says in the `EdgeUplink` how that goes.

mod file;
mod follow;
mod joining;
mod pace;
mod reporting;
mod status;

use std::sync::Arc;

use cedge_api::ClusterId;
use cedge_api::exchange::{Assignment, tables::SELF_KEY};
use cedge_link::{
    Credentials, Dialer, DialerHandle, DialerOptions, Endpoint, LinkState, Reader, Refusal,
    RefusalReason, StreamKind, TableStore, Writer, tables,
};
use cedge_propagation::Parent;
use cedge_tasks::{Group, OnError};
use tokio::sync::{mpsc, watch};

pub(crate) use follow::Uplinks;
pub(crate) use pace::{Pace, Paced, silence};

pub use file::{Error as FileError, Joined, Uplink};
pub use joining::{Error as JoinError, Wish, join};

use crate::around::{Around, Place};
use crate::ports::{In, Out};
use crate::reach::Reach;

/// Attempts to reach the parent: soon at first, then seldom, so that a dark site costs nothing.
const RETRY_DELAY_MIN: std::time::Duration = std::time::Duration::from_millis(500);
const RETRY_DELAY_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// The tables towards one parent.
#[derive(Debug, Clone)]
pub(crate) struct ParentTables {
    pub(crate) assignment: Reader,
    pub(crate) missions: Reader,
    pub(crate) reports: Writer,
    pub(crate) cluster: Writer,
    pub(crate) roster: Writer,
    /// The same as propagation sees them: one value for their whole life.
    pub(crate) ports: Parent,
}

/// A running uplink. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) joined: Arc<Joined>,
    pub(crate) tables: ParentTables,
    pub(crate) dialer: DialerHandle,
    /// How often the parent wants to hear of us.
    pub(crate) pace: watch::Receiver<Pace>,
}

/// What an uplink is started with.
pub(crate) struct Parts {
    pub(crate) store: TableStore,
    pub(crate) around: Around,
    pub(crate) tasks: Group,
    pub(crate) reach: Reach,
    pub(crate) own_labels: cedge_placement::Labels,
    pub(crate) silence: std::time::Duration,
    /// Makes the file be looked at again.
    pub(crate) wake: Arc<watch::Sender<u64>>,
}

fn tables_of(
    store: &TableStore,
    parent: &ClusterId,
    pace: &watch::Receiver<Pace>,
    tasks: &Group,
) -> Result<ParentTables, cedge_link::TableError> {
    let missions = store.reader(parent, tables::MISSIONS)?;
    let reports = store.writer(parent, tables::REPORTS)?;
    Ok(ParentTables {
        assignment: store.reader(parent, tables::ASSIGNMENT)?,
        cluster: store.writer(parent, tables::CLUSTER)?,
        roster: store.writer(parent, tables::ROSTER)?,
        ports: Parent {
            id: parent.clone(),
            missions: Arc::new(In(missions.clone())),
            reports: Paced::start(Arc::new(Out(reports.clone())), pace.clone(), tasks),
        },
        missions,
        reports,
    })
}

/// Starts the uplink of a cluster that has joined a parent.
pub(crate) fn start(
    uplink: &Uplink,
    joined: Joined,
    parts: &Parts,
) -> Result<Running, cedge_link::TableError> {
    let (told, pace) = watch::channel(Pace::default());
    let tables = tables_of(&parts.store, &joined.parent, &pace, &parts.tasks)?;
    let credentials = Credentials {
        chain: joined.chain.clone(),
        key: uplink.key_der(),
        ca: joined.ca.clone(),
    };
    let options = DialerOptions {
        addresses: joined.addresses.clone(),
        proxy: joined.proxy.clone().map(|address| cedge_link::Proxy {
            address,
            credentials: None,
        }),
        silence: parts.silence,
        retry_delay_min: RETRY_DELAY_MIN,
        retry_delay_max: RETRY_DELAY_MAX,
        name: joined.name.clone(),
    };
    let endpoints: Vec<Endpoint> = vec![
        tables.assignment.clone().into(),
        tables.missions.clone().into(),
        tables.reports.clone().into(),
        tables.cluster.clone().into(),
        tables.roster.clone().into(),
    ];
    let (renewed, renewals) = mpsc::channel(1);
    let (dialer, handle) = Dialer::new(credentials, options, endpoints, renewed);
    let tasks = parts.tasks.clone();
    let shutdown = tasks.shutdown().clone();
    match &joined.detached {
        None => {
            tasks.spawn("uplink/dialer", dialer.run(shutdown.clone()));
            let (keep, state) = (uplink.clone(), handle.state());
            let wake = parts.wake.clone();
            tasks.spawn("uplink/detached", async move {
                shutdown.or(note_detachment(keep, state, wake)).await;
            });
        }
        Some(words) => {
            let refusal = Refusal::new(RefusalReason::Detached, words.as_str());
            tasks.spawn("uplink/dialer", dialer.rest(refusal, shutdown));
        }
    }
    let (keep, shutdown) = (uplink.clone(), tasks.shutdown().clone());
    tasks.spawn("uplink/renewals", async move {
        shutdown.or(store_renewals(keep, renewals)).await;
    });
    follow_assignment(&tables, &joined, parts, told);
    pace::keep(&handle, pace.clone(), parts.silence, &parts.tasks);
    serve_requests(&handle, parts);
    Ok(Running {
        joined: Arc::new(joined),
        tables,
        dialer: handle,
        pace,
    })
}

/// The parent takes this cluster out of the tree: that is remembered, so that no later start dials it again.
async fn note_detachment(
    uplink: Uplink,
    mut state: watch::Receiver<LinkState>,
    wake: Arc<watch::Sender<u64>>,
) {
    let detached = |state: &LinkState| matches!(state, LinkState::Refused(r) if r.reason == RefusalReason::Detached);
    let words = match state.wait_for(detached).await.as_deref() {
        Ok(LinkState::Refused(refusal)) => refusal.message.clone(),
        Ok(_) | Err(_) => return,
    };
    tracing::warn!(words, "the parent has detached this cluster");
    if let Err(error) = uplink.detach(words) {
        tracing::error!(%error, "the detachment is not remembered; the parent will be asked again after a restart");
    }
    wake.send_modify(|n| *n += 1);
}

async fn store_renewals(uplink: Uplink, mut renewals: mpsc::Receiver<cedge_link::Renewed>) {
    while let Some(renewed) = renewals.recv().await {
        match uplink.renew(renewed.chain) {
            Ok(()) => tracing::info!("the certificate of the uplink was renewed"),
            Err(error) => {
                tracing::error!(%error, "the renewed certificate could not be stored; the old one is used again after a restart");
            }
        }
    }
}

/// The parent says who we are there.
fn follow_assignment(
    tables: &ParentTables,
    joined: &Joined,
    parts: &Parts,
    pace: watch::Sender<Pace>,
) {
    let (table, around, own) = (
        tables.assignment.clone(),
        parts.around.clone(),
        parts.own_labels.clone(),
    );
    let replaced = joined.replaced.clone();
    apply_assignment(&table, &around, &own, &replaced, &pace);
    let shutdown = parts.tasks.shutdown().clone();
    parts
        .tasks
        .supervise("uplink/assignment", OnError::Restart, move || {
            let (table, around, own) = (table.clone(), around.clone(), own.clone());
            let (replaced, shutdown) = (replaced.clone(), shutdown.clone());
            let pace = pace.clone();
            async move {
                while let Some(change) = shutdown.or(table.next_change()).await {
                    apply_assignment(&table, &around, &own, &replaced, &pace);
                    let (cedge_link::Change::Put { key, version, .. }
                    | cedge_link::Change::Removed { key, version }) = &change;
                    table.done(key, *version).await?;
                }
                Ok::<(), cedge_link::TableError>(())
            }
        });
}

fn apply_assignment(
    table: &Reader,
    around: &Around,
    own: &cedge_placement::Labels,
    replaced: &std::collections::BTreeMap<ClusterId, ClusterId>,
    pace: &watch::Sender<Pace>,
) {
    let value = table.get(SELF_KEY).ok().flatten();
    let Some(assignment) = value.and_then(|v| serde_json::from_slice::<Assignment>(&v).ok()) else {
        return;
    };
    pace.send_replace(Pace::of(&assignment));
    let mut labels = own.clone();
    labels.extend(assignment.labels);
    let mut all = replaced.clone();
    all.extend(assignment.replaced);
    around.set_place(Place {
        path: assignment.path,
        labels,
        replaced: all,
    });
}

/// Requests that the parent sends down.
fn serve_requests(dialer: &DialerHandle, parts: &Parts) {
    let (dialer, reach, tasks) = (dialer.clone(), parts.reach.clone(), parts.tasks.clone());
    let group = parts.tasks.clone();
    tasks.spawn("uplink/requests", async move {
        while let Some(Some((kind, stream))) = group.shutdown().or(dialer.accept()).await {
            if kind != StreamKind::Request {
                continue;
            }
            let parent = match &*dialer.state().borrow() {
                LinkState::Connected { parent_name, .. } => parent_name.clone(),
                _ => continue,
            };
            group.spawn("uplink/request", reach.clone().serve_parent(stream, parent));
        }
    });
}

pub(crate) use reporting::run as report;
pub(crate) use status::run as show;
