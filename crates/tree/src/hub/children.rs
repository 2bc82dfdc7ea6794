//! The children as the hub holds them in memory: tables and sessions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cedge_api::{ClusterId, ClusterName};
use cedge_informer::Queue;
use cedge_link::{Reader, Session, Writer};
use cedge_propagation::ports::{Incoming, Outgoing};
use cedge_tasks::{Group, clock};
use tokio::time::Instant;

use crate::ports::{In, listen};

/// One child cluster.
#[derive(Debug, Clone)]
pub(crate) struct ChildState {
    pub(crate) id: ClusterId,
    pub(crate) name: ClusterName,
    pub(crate) assignment: Writer,
    pub(crate) missions: Writer,
    pub(crate) cluster: Reader,
    pub(crate) roster: Reader,
    pub(crate) reports: Reader,
    /// The same tables as propagation sees them: one value for their whole life, so that identity tells news.
    pub(crate) missions_port: Arc<dyn Outgoing>,
    pub(crate) reports_port: Arc<dyn Incoming>,
    pub(crate) session: Option<Session>,
    /// When it was last heard of, once its link is down (RFC 3339).
    pub(crate) last_heard: Option<String>,
    /// Since when its Missions are being taken back, because it leaves.
    pub(crate) leaving: Option<Instant>,
}

impl ChildState {
    pub(crate) fn is_connected(&self) -> bool {
        self.session.as_ref().is_some_and(|s| !s.is_closed())
    }
}

/// All child clusters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Children {
    map: Arc<Mutex<BTreeMap<String, ChildState>>>,
    /// Whose `EdgeCluster` is to be looked at.
    due: Queue<String>,
}

impl Children {
    pub(crate) fn new(due: Queue<String>) -> Self {
        Self {
            map: Arc::default(),
            due,
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<ChildState> {
        self.lock().get(name).cloned()
    }

    pub(crate) fn all(&self) -> Vec<ChildState> {
        self.lock().values().cloned().collect()
    }

    /// Adds a child, and listens to what it says of itself. Its link and its object may open it at the same moment: the
    /// first wins, because it may have its session already. Answers which one is there.
    pub(crate) fn put(&self, tasks: &Group, child: ChildState) -> ChildState {
        let name = child.name.to_string();
        let mut map = self.lock();
        if let Some(known) = map.get(&name).filter(|known| known.id == child.id) {
            return known.clone();
        }
        map.insert(name.clone(), child.clone());
        drop(map);
        for table in [child.cluster.clone(), child.roster.clone()] {
            let (due, name, shutdown) = (self.due.clone(), name.clone(), tasks.shutdown().clone());
            tasks.spawn(format!("child/{name}/{}", table.spec().name), async move {
                let told = |_: &str| due.add(name.clone());
                shutdown.or(listen(In(table), told)).await;
            });
        }
        self.due.add(name);
        child
    }

    pub(crate) fn remove(&self, name: &str) -> Option<ChildState> {
        self.lock().remove(name)
    }

    /// It leaves; since when.
    pub(crate) fn leaves(&self, name: &str) -> Instant {
        let now = Instant::now();
        let mut map = self.lock();
        map.get_mut(name)
            .map_or(now, |child| *child.leaving.get_or_insert(now))
    }

    /// A link came up; when it goes down that is noted at once.
    pub(crate) fn connected(&self, tasks: &Group, session: Session) {
        let name = session.peer().name.clone();
        if let Some(child) = self.lock().get_mut(&name) {
            child.session = Some(session.clone());
            child.last_heard = None;
        }
        self.due.add(name.clone());
        let this = self.clone();
        tasks.spawn(format!("child/{name}/session"), async move {
            let reason = session.closed().await;
            tracing::info!(child = name, ?reason, "link down");
            if let Some(child) = this.lock().get_mut(&name)
                && child.session.as_ref().is_some_and(Session::is_closed)
            {
                child.session = None;
                child.last_heard = Some(clock::now_rfc3339());
            }
            this.due.add(name);
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, ChildState>> {
        self.map
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
