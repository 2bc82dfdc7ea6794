//! The stations of one Mission in one cluster, in their order. Start reading at [`Walk::reconcile`].

mod leaving;
mod placed_here;
mod triggers;
mod writing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cedge_api::mission::State;
use cedge_api::{MISSION_FINALIZER, Mission, marks};
use cedge_fold::Target;
use cedge_informer::{Cache, Informers, Next, Queue, work};
use cedge_tasks::{Group, Shutdown};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::{mpsc, watch};

use crate::accept::{self, Accepted};
use crate::deploy::Catalog;
use crate::deploy::observe::Observed;
use crate::down::route::Route;
use crate::down::{hand_over, receive, route};
use crate::events::{Events, Station, Told};
use crate::lineage::Lineage;
use crate::ports::PortError;
use crate::topology::Topology;
use crate::up::merge::{self, Standing};

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
    /// Held, because the watches behind the caches end with it.
    _informers: Informers,
    lineage: Lineage,
    events: Events,
    told: Told,
    /// Versions that were healthy here, by Mission.
    healthy: Mutex<BTreeMap<String, Target>>,
    /// Versions that are applied here, by Mission.
    acting: Mutex<BTreeMap<String, Target>>,
}

/// Starts the walk of all Missions of a cluster. The definitions must be installed, and the lineage have asked the API.
pub async fn run(
    client: Client,
    lineage: Lineage,
    topology: watch::Receiver<Arc<Topology>>,
    shutdown: Shutdown,
) -> Propagation {
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
    missions.synced().await;
    let walk = Arc::new(Walk {
        client: client.clone(),
        catalog: Catalog::new(client.clone()),
        observed: Observed::new(client.clone(), due, tasks.clone()),
        topology: topology.clone(),
        missions: missions.clone(),
        _informers: informers,
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
    triggers::start_triggers(&walk, &queue, triggers, &tasks);
    let shared = walk.clone();
    work(&queue, &tasks, WORKERS, move |name: String| {
        let walk = shared.clone();
        async move { Box::pin(walk.reconcile(&name)).await }
    });
    Propagation { missions }
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
        // A copy that is not what the parent handed over is put right first: children must not be given it.
        let right = refused.is_some() || self.put_right(mission, accepted, topology);
        let mut route = route::decide(mission, accepted, topology);
        if refused.is_some() {
            route.here = false;
        }
        self.tell(Station::Route, mission, &accepted.target, &note(&route))
            .await;
        let mut awaited = Vec::new();
        // A Mission that cannot be followed changes nothing below; one that is only remembered changes nothing (I3).
        if refused.is_none() && !stale && right {
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
        if awaited.is_empty() && report.subtree.at_target == report.subtree.matched {
            self.retire_predecessors(accepted, topology).await?;
        }
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

    /// A received Mission reads as the parent handed it over, whatever people here did to the copy (I7), and whatever an
    /// API from a backup remembers of it (I3). Says whether it does.
    fn put_right(&self, mission: &Mission, accepted: &Accepted, topology: &Topology) -> bool {
        let Some(parent) = topology.parent.as_ref().filter(|_| accepted.received) else {
            return true;
        };
        let key = accepted.key.to_string();
        let value = parent.missions.get(&key);
        let right = value.is_none_or(|value| receive::is_right(&value, mission, accepted));
        if !right {
            parent.missions.again(&key);
        }
        right
    }

    /// Everybody at and below has taken over what the same Mission of a lost origin deployed: its copy may go. What it
    /// deployed no longer bears its mark, so nothing is taken away with it.
    async fn retire_predecessors(
        &self,
        accepted: &Accepted,
        topology: &Topology,
    ) -> Result<(), Error> {
        let api: Api<Mission> = Api::all(self.client.clone());
        for old in self.heir_of(accepted, topology) {
            if self.missions.get("", &old).is_none() {
                continue;
            }
            tracing::info!(
                mission = accepted.name,
                predecessor = old,
                "taken over; the predecessor is retired"
            );
            match api.delete(&old, &kube::api::DeleteParams::default()).await {
                Err(kube::Error::Api(s)) if s.code == 404 => {}
                Err(cause) => {
                    return Err(Error::Api {
                        what: "the deletion",
                        mission: old,
                        cause,
                    });
                }
                Ok(_) => {}
            }
        }
        Ok(())
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
