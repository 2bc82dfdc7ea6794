//! The stations of one Mission in one cluster, in their order. Start reading at [`Walk::reconcile`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cedge_api::mission::{InventoryEntry, MissionStatus, OwnStatus, State};
use cedge_api::{MISSION_FINALIZER, Mission, TREE_MANAGER, marks};
use cedge_fold::{Report, Target};
use cedge_informer::{Cache, Informers, Next, Queue, work};
use cedge_tasks::{Group, OnError, Shutdown, clock};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tokio::sync::{mpsc, watch};

use crate::accept::{self, Accepted};
use crate::deploy::apply::{Placed, Wish};
use crate::deploy::health::{Health, Reason};
use crate::deploy::observe::{ObjectKey, Observed};
use crate::deploy::render::{self, Cluster, describe};
use crate::deploy::{Catalog, apply, order};
use crate::down::route::Route;
use crate::down::{hand_over, receive, route};
use crate::events::{Events, Station, Told};
use crate::lineage::Lineage;
use crate::ports::{Incoming, PortError};
use crate::topology::{Parent, Topology};
use crate::up::merge::{self, Standing};
use crate::up::report;
use crate::up::summarise::{Deployed, summarise};
use crate::withdraw;

/// Workers: Missions that are walked at the same time.
const WORKERS: usize = 8;
/// Triggers that may wait; whoever fills it waits.
const TRIGGERS_MAX: usize = 1024;
/// How soon something that only time can change is looked at again (a definition being established, an object being
/// deleted by others): most of these also trigger by a watch, so this is only the safety net.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Why a Mission could not be walked to its end this time. Always: retry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the API did not take {what} of {mission}: {cause}")]
    Api {
        what: &'static str,
        mission: String,
        cause: kube::Error,
    },
    #[error(transparent)]
    Table(#[from] PortError),
    #[error("the cached Mission cannot be read: {0}")]
    Decode(#[from] cedge_informer::DecodeError),
}

/// Missions of this cluster by state; the `tree` reports and the metrics show them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// All Missions here.
    pub total: u32,
    /// Those that came from the parent.
    pub received: u32,
    /// Those that are deployed here.
    pub matched: u32,
    /// Those that are healthy here.
    pub ready: u32,
    /// Own states.
    pub states: BTreeMap<State, u32>,
}

/// The running propagation of a cluster. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Propagation {
    missions: Cache,
}

impl Propagation {
    /// Missions by state, from the cache.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for object in self.missions.list() {
            let Ok(mission) = object.decode::<Mission>() else {
                continue;
            };
            counts.total += 1;
            counts.received += u32::from(object.labels().get(marks::RECEIVED).is_some());
            let state = mission
                .status
                .and_then(|s| s.own)
                .map(|o| o.state)
                .unwrap_or_default();
            counts.matched += u32::from(state != State::NotMatched);
            counts.ready += u32::from(state == State::Healthy);
            *counts.states.entry(state).or_default() += 1;
        }
        counts
    }

    /// Calls `f` on every change of a Mission. `f` must not block.
    pub fn on_change(&self, f: impl Fn() + Send + Sync + 'static) {
        self.missions.subscribe(move |_| f());
    }
}

/// Everything that the stations share.
pub(crate) struct Walk {
    pub(crate) client: Client,
    pub(crate) catalog: Catalog,
    pub(crate) observed: Observed,
    topology: watch::Receiver<Arc<Topology>>,
    missions: Cache,
    lineage: Lineage,
    events: Events,
    told: Told,
    /// Versions that were healthy here, by Mission.
    healthy: Mutex<BTreeMap<String, Target>>,
    /// Versions that are applied here, by Mission.
    acting: Mutex<BTreeMap<String, Target>>,
}

/// Starts the walk of all Missions of a cluster. The definitions must be installed.
///
/// # Errors
/// If the API cannot be asked who it is.
pub async fn run(
    client: Client,
    data_dir: PathBuf,
    topology: watch::Receiver<Arc<Topology>>,
    shutdown: Shutdown,
) -> Result<Propagation, kube::Error> {
    let tasks = Group::new(shutdown.clone());
    let informers = Informers::new(client.clone(), tasks.clone());
    let missions = informers.of::<Mission>();
    let queue: Queue<String> = Queue::with_backoff(
        "missions",
        Duration::from_millis(20),
        Duration::from_secs(15),
    );
    let (due, triggers) = mpsc::channel(TRIGGERS_MAX);
    let events = Events::new(client.clone(), topology.borrow().here.name.as_str());
    let lineage = Lineage::open(data_dir.join("api-lineage.json"));
    missions.synced().await;
    compare_lineage(&client, &lineage).await?;
    let walk = Arc::new(Walk {
        client: client.clone(),
        catalog: Catalog::new(client.clone()),
        observed: Observed::new(client.clone(), due, tasks.clone()),
        topology: topology.clone(),
        missions: missions.clone(),
        lineage,
        events,
        told: Told::default(),
        healthy: Mutex::default(),
        acting: Mutex::default(),
    });
    let on_change = queue.clone();
    missions.subscribe(move |change| on_change.add(change.object().name().to_owned()));
    for mission in missions.list() {
        queue.add(mission.name().to_owned());
    }
    start_triggers(&walk, &queue, triggers, &tasks);
    let shared = walk.clone();
    work(&queue, &tasks, WORKERS, move |name: String| {
        let walk = shared.clone();
        async move { Box::pin(walk.reconcile(&name)).await }
    });
    Ok(Propagation { missions })
}

/// Asks the API who it is, and compares with what it was (I3).
async fn compare_lineage(client: &Client, lineage: &Lineage) -> Result<(), kube::Error> {
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
    let system = namespaces.get("kube-system").await?;
    let missions: Api<Mission> = Api::all(client.clone());
    let list = missions.list(&kube::api::ListParams::default()).await?;
    let revision = list
        .metadata
        .resource_version
        .as_deref()
        .and_then(|r| r.parse().ok())
        .unwrap_or(0);
    let written: Vec<(String, i64)> = list
        .items
        .iter()
        .filter(|m| !m.annotations().contains_key(marks::ORIGIN))
        .map(|m| {
            (
                m.uid().unwrap_or_default(),
                m.metadata.generation.unwrap_or(0),
            )
        })
        .collect();
    lineage.compare(&system.uid().unwrap_or_default(), revision, &written);
    Ok(())
}

/// What makes a Mission due besides its own change: its deployed objects, the children's reports, the tree.
fn start_triggers(
    walk: &Arc<Walk>,
    queue: &Queue<String>,
    mut triggers: mpsc::Receiver<String>,
    tasks: &Group,
) {
    let drift = queue.clone();
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("missions/drift", async move {
        while let Some(Some(name)) = shutdown.or(triggers.recv()).await {
            if !name.is_empty() {
                drift.add(name);
            }
        }
    });
    let (walk, queue, group) = (walk.clone(), queue.clone(), tasks.clone());
    tasks.supervise("missions/topology", OnError::Restart, move || {
        let (walk, queue, group) = (walk.clone(), queue.clone(), group.clone());
        async move { follow_topology(walk, queue, group).await }
    });
}

/// Listens to whoever is in the tree now; a change of the tree makes every Mission due.
async fn follow_topology(
    walk: Arc<Walk>,
    queue: Queue<String>,
    group: Group,
) -> Result<(), watch::error::RecvError> {
    let mut topology = walk.topology.clone();
    let mut children: BTreeMap<String, cedge_tasks::Trigger> = BTreeMap::new();
    let mut parent: Option<(Arc<dyn Incoming>, cedge_tasks::Trigger)> = None;
    loop {
        let now = topology.borrow_and_update().clone();
        children.retain(|name, _| now.children.keys().any(|n| n.as_str() == name));
        for (name, child) in &now.children {
            if !children.contains_key(name.as_str()) {
                let (stop, shutdown) = group.shutdown().child();
                children.insert(name.to_string(), stop);
                let (walk, queue, reports) = (walk.clone(), queue.clone(), child.reports.clone());
                group.spawn(format!("reports/{name}"), async move {
                    shutdown.or(listen(walk, queue, reports)).await;
                });
            }
        }
        let same = |a: &Option<(Arc<dyn Incoming>, _)>, b: &Option<Parent>| match (a, b) {
            (Some((a, _)), Some(b)) => Arc::ptr_eq(a, &b.missions),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same(&parent, &now.parent) {
            parent = now.parent.as_ref().map(|p| {
                let (stop, shutdown) = group.shutdown().child();
                let (client, own, events) = (
                    walk.client.clone(),
                    now.here.id.clone(),
                    walk.events.clone(),
                );
                let missions = p.missions.clone();
                group.spawn(
                    "receive",
                    receive::run(client, own, missions, events, shutdown),
                );
                (p.missions.clone(), stop)
            });
        }
        for mission in walk.missions.list() {
            queue.add(mission.name().to_owned());
        }
        topology.changed().await?;
    }
}

/// A child's report makes its Mission due; what is not ours to read is left to `merge`.
async fn listen(walk: Arc<Walk>, queue: Queue<String>, reports: Arc<dyn Incoming>) {
    loop {
        let change = reports.next().await;
        let (key, version) = match &change {
            crate::ports::Change::Put { key, version, .. }
            | crate::ports::Change::Removed { key, version } => (key, *version),
        };
        match walk.name_of(key) {
            Some(name) => queue.add(name),
            None => tracing::debug!(key, "a report of a Mission that is not here"),
        }
        if let Err(error) = reports.done(key, version).await {
            tracing::warn!(%error, "a report will come again");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

// === impl Walk ===

impl Walk {
    /// The Mission's name in this cluster, by its identity.
    fn name_of(&self, key: &str) -> Option<String> {
        let own = self.topology.borrow().here.id.clone();
        let (origin, uid) = key.split_once('/')?;
        let found = self.missions.list().into_iter().find(|o| {
            if origin == own.as_str() && o.uid() == uid {
                return true;
            }
            o.labels().get(marks::RECEIVED).is_some()
                && o.decode::<Mission>().is_ok_and(|m| {
                    let mark = |n: &str| m.annotations().get(n).map(String::as_str);
                    mark(marks::ORIGIN) == Some(origin) && mark(marks::ORIGIN_UID) == Some(uid)
                })
        });
        found.map(|o| o.name().to_owned())
    }

    /// Walks one Mission through the stations of this cluster: read, plan, act, write status, say when next.
    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let Some(mission) = self.missions.decode::<Mission>("", name)? else {
            self.forget(name);
            return Ok(Next::OnChange);
        };
        if let Some(revision) = mission.resource_version().and_then(|r| r.parse().ok()) {
            self.lineage.saw(revision);
        }
        let topology = self.topology.borrow().clone();
        let accepted = match accept::identify(&mission, &topology.here.id) {
            Ok(accepted) => accepted,
            Err(refused) => {
                tracing::warn!(mission = name, %refused, "Mission cannot be identified");
                return Ok(Next::OnChange);
            }
        };
        if mission.metadata.deletion_timestamp.is_some() {
            return self.leave(&mission, &accepted, &topology).await;
        }
        if !mission.finalizers().iter().any(|f| f == MISSION_FINALIZER) {
            self.set_finalizer(&mission, true).await?;
            return Ok(Next::OnChange);
        }
        self.go(&mission, &accepted, &topology).await
    }

    /// The walk of a Mission that is there.
    async fn go(
        &self,
        mission: &Mission,
        accepted: &Accepted,
        topology: &Topology,
    ) -> Result<Next, Error> {
        let name = mission.name_any();
        let refused = accept::check(mission, accepted)
            .err()
            .map(|e| e.to_string());
        self.tell(
            Station::Accept,
            mission,
            &accepted.target,
            &format!("{} manifests", mission.spec.content.manifests.len()),
        )
        .await;
        let generation = mission.metadata.generation.unwrap_or(0);
        let stale = !accepted.received && self.lineage.is_stale(&accepted.key.uid, generation);
        if refused.is_none() {
            self.put_right(mission, accepted, topology);
        }
        let mut route = route::decide(mission, accepted, topology);
        if refused.is_some() {
            route.here = false;
        }
        self.tell(Station::Route, mission, &accepted.target, &note(&route))
            .await;
        let mut awaited = Vec::new();
        // A Mission that cannot be followed changes nothing below; one that is only remembered changes nothing (I3).
        if refused.is_none() && !stale {
            let done = hand_over::hand_over(mission, accepted, topology, &route.children).await?;
            awaited = done.awaited;
            if !done.offered.is_empty() {
                let to: Vec<String> = done.offered.iter().map(ToString::to_string).collect();
                self.events
                    .station(Station::HandOver, mission, &format!("to {}", to.join(", ")))
                    .await;
            }
        }
        let (own, inventory, next) = self
            .here(mission, accepted, topology, &route, refused.as_deref())
            .await?;
        let said = merge::reports(topology, &accepted.key);
        let acting = self
            .acting(&name)
            .unwrap_or_else(|| accepted.target.clone());
        let report = merge::merge(own, &acting, accepted, topology, &said);
        let standing = Standing {
            refused: refused.as_deref(),
            awaited: &awaited,
            stale,
            deleting: false,
        };
        self.write_up(
            mission, accepted, topology, &said, report, standing, inventory,
        )
        .await?;
        Ok(next)
    }

    /// A received Mission reads as the parent handed it over, whatever people here did to the copy (I7).
    fn put_right(&self, mission: &Mission, accepted: &Accepted, topology: &Topology) {
        let Some(parent) = topology.parent.as_ref().filter(|_| accepted.received) else {
            return;
        };
        let key = accepted.key.to_string();
        let Some(value) = parent.missions.get(&key) else {
            return;
        };
        let same = serde_json::from_slice::<cedge_api::exchange::Handover>(&value)
            .is_ok_and(|h| h.spec == mission.spec && h.path == accepted.path);
        if !same {
            parent.missions.again(&key);
        }
    }

    /// Station 5 and 10 in this cluster: the own line, the inventory, and when to look again.
    async fn here(
        &self,
        mission: &Mission,
        accepted: &Accepted,
        topology: &Topology,
        route: &Route,
        refused: Option<&str>,
    ) -> Result<(OwnStatus, Vec<InventoryEntry>, Next), Error> {
        let name = mission.name_any();
        let inventory = mission
            .status
            .as_ref()
            .map(|s| s.inventory.clone())
            .unwrap_or_default();
        if let Some(why) = refused {
            let own = OwnStatus {
                state: State::Failed,
                reason: Some("Invalid".to_owned()),
                message: Some(why.to_owned()),
                ..OwnStatus::default()
            };
            return Ok((own, inventory, Next::OnChange));
        }
        if mission.spec.suspend {
            let state = if route.here {
                State::Suspended
            } else {
                State::NotMatched
            };
            return Ok((
                OwnStatus {
                    state,
                    ..OwnStatus::default()
                },
                inventory,
                Next::OnChange,
            ));
        }
        if !route.here {
            let progress =
                withdraw::take_back(self, &name, inventory, withdraw::orphans(mission)).await;
            let next = if progress.is_done() {
                Next::OnChange
            } else {
                Next::After(LOOK_AGAIN)
            };
            self.note_acting(&name, &accepted.target);
            return Ok((OwnStatus::default(), progress.left, next));
        }
        let (deployed, inventory) = self.deploy(mission, accepted, topology, inventory).await?;
        let was_healthy = self.lock(&self.healthy).get(&name) == Some(&accepted.target);
        let own = summarise(&deployed, was_healthy);
        if own.state == State::Healthy {
            self.lock(&self.healthy)
                .insert(name.clone(), accepted.target.clone());
        }
        let detail = format!(
            "{:?} {}",
            own.state,
            own.summary.as_deref().unwrap_or_default()
        );
        if own.state != State::Progressing {
            self.tell(Station::Summarise, mission, &accepted.target, &detail)
                .await;
        }
        let unsettled =
            !deployed.problems.is_empty() || deployed.waiting.is_some() || deployed.pending > 0;
        let next = if unsettled {
            Next::After(LOOK_AGAIN)
        } else {
            Next::OnChange
        };
        Ok((own, inventory, next))
    }

    /// Renders, records what will be there, applies in stages, takes away what left the content.
    async fn deploy(
        &self,
        mission: &Mission,
        accepted: &Accepted,
        topology: &Topology,
        before: Vec<InventoryEntry>,
    ) -> Result<(Deployed, Vec<InventoryEntry>), Error> {
        let name = mission.name_any();
        let here = &topology.here;
        let cluster = Cluster {
            name: here.name.as_str(),
            path: &accepted.path,
            labels: &here.labels,
        };
        let mut deployed = Deployed::default();
        let objects = match render::render(&mission.spec, &name, cluster) {
            Ok(objects) => objects,
            Err(error) => {
                let problem = apply::Error::Invalid {
                    object: format!("Mission {name}"),
                    message: error.to_string(),
                };
                deployed.problems.push(problem);
                return Ok((deployed, before));
            }
        };
        let (mut placed, unplaced) = self.place(objects, &mut deployed).await;
        let planned = union(&before, &placed);
        if planned != before {
            self.record(mission, &planned).await?;
        }
        let heirs = self.heir_of(accepted, topology);
        let fresh = self.acting(&name).as_ref() != Some(&accepted.target);
        let wish = Wish {
            mission: &name,
            heir_of: &heirs,
            how: &mission.spec.apply,
            fresh,
        };
        let sent = self.apply_stages(&mut placed, &wish, &mut deployed).await;
        if deployed.problems.is_empty() && deployed.waiting.is_none() {
            self.note_acting(&name, &accepted.target);
        }
        let mut inventory: Vec<InventoryEntry> = placed.into_iter().map(|p| p.entry).collect();
        let leaving = before.iter().filter(|e| {
            !inventory
                .iter()
                .any(|i| ObjectKey::from(i) == ObjectKey::from(*e))
        });
        let leaving: Vec<InventoryEntry> = leaving.cloned().collect();
        if mission.spec.apply.prune && !unplaced && deployed.waiting.is_none() {
            let progress = withdraw::take_back(self, &name, leaving, false).await;
            deployed.pending += progress.left.len();
            deployed.problems.extend(progress.problems);
            inventory.extend(progress.left);
        } else {
            inventory.extend(leaving);
        }
        if sent {
            let detail = format!(
                "generation {}: {} objects",
                accepted.target.generation,
                inventory.len()
            );
            self.events.station(Station::Deploy, mission, &detail).await;
        }
        Ok((deployed, inventory))
    }

    /// Finds the place of every object; says whether some have none (then nothing may be pruned: the missing one may
    /// be in the inventory under its old kind).
    async fn place(
        &self,
        objects: Vec<serde_json::Value>,
        deployed: &mut Deployed,
    ) -> (Vec<Placed>, bool) {
        let mut placed = Vec::with_capacity(objects.len());
        let mut unplaced = false;
        for object in objects {
            match apply::place(&self.catalog, object).await {
                Ok(p) => placed.push(p),
                Err(problem) => {
                    unplaced = true;
                    deployed.problems.push(problem);
                }
            }
        }
        placed.sort_by_key(|p| order::stage(&p.entry.kind));
        (placed, unplaced)
    }

    /// Applies stage by stage; says whether anything was sent.
    async fn apply_stages(
        &self,
        placed: &mut [Placed],
        wish: &Wish<'_>,
        deployed: &mut Deployed,
    ) -> bool {
        let mut sent = false;
        let mut held_up: Option<(u8, String)> = None;
        for p in placed {
            let stage = order::stage(&p.entry.kind);
            if held_up.as_ref().is_some_and(|(s, _)| *s < stage) {
                deployed.pending += 1;
                continue;
            }
            self.observed.watch(&p.resource);
            let object = describe(&p.object);
            match apply::apply(&self.client, &self.observed, p, wish).await {
                Ok(changed) => sent |= changed,
                Err(problem) => {
                    if let apply::Error::Api { cause, .. } = &problem
                        && matches!(&**cause, kube::Error::Api(s) if s.code == 404)
                    {
                        let kind = kube::core::GroupVersionKind::gvk(
                            &p.entry.group,
                            &p.entry.version,
                            &p.entry.kind,
                        );
                        self.catalog.forget(&kind);
                    }
                    deployed.problems.push(problem);
                    continue;
                }
            }
            let key = ObjectKey::from(&p.entry);
            let Some(seen) = self.observed.seen(&key) else {
                let reason = Reason {
                    reason: "NotSeen".to_owned(),
                    message: "was just applied".to_owned(),
                };
                deployed.objects.push((
                    object,
                    Health::InProgress(reason),
                    crate::deploy::health::Replicas::default(),
                ));
                continue;
            };
            if order::holds_up(&p.entry.kind) && seen.health != Health::Current && held_up.is_none()
            {
                held_up = Some((stage, format!("{object} is not ready")));
            }
            deployed.objects.push((object, seen.health, seen.replicas));
        }
        deployed.waiting = held_up.map(|(_, why)| why);
        sent
    }

    /// Names, in this cluster, of Missions that this one is the heir of: the same name, from an origin that lost its
    /// keys and is now this one's origin.
    fn heir_of(&self, accepted: &Accepted, topology: &Topology) -> Vec<String> {
        let old = topology
            .here
            .replaced
            .iter()
            .filter(|(_, new)| **new == accepted.key.origin);
        old.map(|(old, _)| cedge_api::names::received_name(&accepted.name, old))
            .collect()
    }

    /// The walk of a Mission that is being deleted.
    async fn leave(
        &self,
        mission: &Mission,
        accepted: &Accepted,
        topology: &Topology,
    ) -> Result<Next, Error> {
        let name = mission.name_any();
        if !mission.finalizers().iter().any(|f| f == MISSION_FINALIZER) {
            return Ok(Next::OnChange);
        }
        let inventory = mission
            .status
            .as_ref()
            .map(|s| s.inventory.clone())
            .unwrap_or_default();
        let key = accepted.key.to_string();
        let asserted = topology.parent.as_ref().filter(|p| {
            accepted.received
                && p.missions.get(&key).is_some()
                && !p.missions.regressed().contains(&key)
        });
        if let Some(parent) = asserted {
            // People here deleted a copy that the parent still hands over: what runs stays, the copy comes again.
            self.set_finalizer(mission, false).await?;
            parent.missions.again(&key);
            return Ok(Next::OnChange);
        }
        let awaited = withdraw::from_children(accepted, topology).await?;
        let progress =
            withdraw::take_back(self, &name, inventory, withdraw::orphans(mission)).await;
        if awaited.is_empty() && progress.is_done() {
            if let Some(parent) = topology.parent.as_ref().filter(|_| accepted.received) {
                report::gone(&*parent.reports, &accepted.key).await?;
            }
            self.set_finalizer(mission, false).await?;
            return Ok(Next::OnChange);
        }
        let own = if progress.is_done() {
            OwnStatus::default()
        } else {
            let message = progress.problems.first().map(ToString::to_string);
            OwnStatus {
                state: State::Progressing,
                reason: Some("Withdrawing".to_owned()),
                message: message
                    .or_else(|| Some(format!("{} objects are left", progress.left.len()))),
                ..OwnStatus::default()
            }
        };
        let said = merge::reports(topology, &accepted.key);
        let report = merge::merge(own, &accepted.target, accepted, topology, &said);
        let standing = Standing {
            refused: None,
            awaited: &awaited,
            stale: false,
            deleting: true,
        };
        self.write_up(
            mission,
            accepted,
            topology,
            &said,
            report,
            standing,
            progress.left,
        )
        .await?;
        Ok(Next::After(LOOK_AGAIN))
    }

    /// Stations 12 and 11: writes the status here and the report to the parent.
    #[expect(
        clippy::too_many_arguments,
        reason = "everything that a status is made of, once"
    )]
    async fn write_up(
        &self,
        mission: &Mission,
        accepted: &Accepted,
        topology: &Topology,
        said: &BTreeMap<cedge_api::ClusterName, Report>,
        report: Report,
        standing: Standing<'_>,
        inventory: Vec<InventoryEntry>,
    ) -> Result<(), Error> {
        let now = Time(clock::now());
        let rows = merge::rows(&accepted.key, topology, said, &accepted.target);
        let conditions = merge::conditions(mission, &report, standing, now);
        let mut status = merge::status(mission, report.clone(), rows, conditions);
        status.inventory = inventory;
        if mission.status.as_ref() != Some(&status) {
            self.write_status(mission, &status).await?;
            if report.subtree.matched > 0 {
                let detail = format!(
                    "{} of {} at target, {:?}",
                    report.subtree.at_target, report.subtree.matched, report.subtree.states
                );
                self.tell(Station::Merge, mission, &accepted.target, &detail)
                    .await;
            }
        }
        if let Some(parent) = topology
            .parent
            .as_ref()
            .filter(|p| accepted.received && p.missions.get(&accepted.key.to_string()).is_some())
            && report::report(&*parent.reports, &accepted.key, &report).await?
        {
            let detail = format!("{:?}", report.own.state);
            self.tell(Station::Report, mission, &accepted.target, &detail)
                .await;
        }
        Ok(())
    }

    async fn write_status(&self, mission: &Mission, status: &MissionStatus) -> Result<(), Error> {
        let name = mission.name_any();
        let api: Api<Mission> = Api::all(self.client.clone());
        let patch = json!({ "status": replacing(mission.status.as_ref(), status) });
        let params = PatchParams {
            field_manager: Some(TREE_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match api.patch_status(&name, &params, &Patch::Merge(patch)).await {
            Err(kube::Error::Api(s)) if s.code == 404 => Ok(()),
            Err(cause) => Err(Error::Api {
                what: "the status",
                mission: name,
                cause,
            }),
            Ok(_) => Ok(()),
        }
    }

    /// Records what will be deployed before it is, so that a crash leaves nothing without a record (I10).
    async fn record(&self, mission: &Mission, planned: &[InventoryEntry]) -> Result<(), Error> {
        let mut status = mission.status.clone().unwrap_or_default();
        status.inventory = planned.to_vec();
        self.write_status(mission, &status).await
    }

    async fn set_finalizer(&self, mission: &Mission, wanted: bool) -> Result<(), Error> {
        let name = mission.name_any();
        let mut finalizers: Vec<String> = mission.finalizers().to_vec();
        finalizers.retain(|f| f != MISSION_FINALIZER);
        if wanted {
            finalizers.push(MISSION_FINALIZER.to_owned());
        }
        let patch = json!({ "metadata": { "finalizers": finalizers, "resourceVersion": mission.resource_version() } });
        let api: Api<Mission> = Api::all(self.client.clone());
        match api
            .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await
        {
            Err(kube::Error::Api(s)) if s.code == 404 => Ok(()),
            Err(cause) => Err(Error::Api {
                what: "the finalizer",
                mission: name,
                cause,
            }),
            Ok(_) => Ok(()),
        }
    }

    /// Tells a station once per version and detail.
    async fn tell(&self, station: Station, mission: &Mission, target: &Target, detail: &str) {
        let key = format!("{}|{station:?}", mission.name_any());
        let what = format!("{}{}{detail}", target.generation, target.digest);
        if self.told.is_news(key, &what) {
            let detail = format!("generation {}: {detail}", target.generation);
            self.events.station(station, mission, &detail).await;
        }
    }

    fn acting(&self, name: &str) -> Option<Target> {
        self.lock(&self.acting).get(name).cloned()
    }

    fn note_acting(&self, name: &str, target: &Target) {
        self.lock(&self.acting)
            .insert(name.to_owned(), target.clone());
    }

    fn forget(&self, name: &str) {
        self.lock(&self.acting).remove(name);
        self.lock(&self.healthy).remove(name);
        self.told.forget(name);
    }

    #[expect(clippy::unused_self, reason = "reads as a lock of the walk's own")]
    fn lock<'a, T>(&'a self, mutex: &'a Mutex<T>) -> std::sync::MutexGuard<'a, T> {
        mutex
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn note(route: &Route) -> String {
    let below: Vec<&str> = route
        .children
        .iter()
        .filter(|(_, w)| **w)
        .map(|(n, _)| n.as_str())
        .collect();
    let here = if route.here {
        "placed here"
    } else {
        "not placed here"
    };
    if below.is_empty() {
        here.to_owned()
    } else {
        format!("{here}; below: {}", below.join(", "))
    }
}

/// What is there, and what will be.
fn union(before: &[InventoryEntry], placed: &[Placed]) -> Vec<InventoryEntry> {
    let mut all = before.to_vec();
    for p in placed {
        if !all
            .iter()
            .any(|e| ObjectKey::from(e) == ObjectKey::from(&p.entry))
        {
            all.push(p.entry.clone());
        }
    }
    all
}

/// A merge patch that replaces the status: what was there and is not any more is set to null.
fn replacing(before: Option<&MissionStatus>, after: &MissionStatus) -> serde_json::Value {
    let mut patch = serde_json::to_value(after).unwrap_or_default();
    let before = before
        .and_then(|b| serde_json::to_value(b).ok())
        .unwrap_or_default();
    clear_missing(&before, &mut patch);
    patch
}

fn clear_missing(before: &serde_json::Value, patch: &mut serde_json::Value) {
    let (Some(before), Some(patch)) = (before.as_object(), patch.as_object_mut()) else {
        return;
    };
    for (name, old) in before {
        match patch.get_mut(name) {
            Some(new) => clear_missing(old, new),
            None => {
                patch.insert(name.clone(), serde_json::Value::Null);
            }
        }
    }
}
