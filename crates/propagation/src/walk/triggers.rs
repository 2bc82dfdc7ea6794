//! What makes a Mission due besides its own change, and what is asked once at the start.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedge_api::ClusterName;
use cedge_informer::Queue;
use cedge_tasks::{Group, OnError, Trigger};
use tokio::sync::{mpsc, watch};

use super::{LOOK_AGAIN, Walk};
use crate::down::receive;
use crate::ports::{Change, Incoming};
use crate::topology::Parent;

/// What makes a Mission due besides its own change: its deployed objects, the children's reports, the tree.
pub(super) fn start_triggers(
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

/// The children whose reports are listened to, each with what ends it when it is dropped.
#[derive(Debug)]
struct Heard<T>(BTreeMap<ClusterName, (Arc<dyn Incoming>, T)>);

impl<T> Default for Heard<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Heard<T> {
    /// Ends what is not of these children, and answers whose reports are not listened to yet. A child with the name of
    /// another has tables of its own: the name alone says nothing.
    fn forget_others(
        &mut self,
        mut now: BTreeMap<ClusterName, Arc<dyn Incoming>>,
    ) -> BTreeMap<ClusterName, Arc<dyn Incoming>> {
        self.0.retain(|name, (reports, _)| {
            now.get(name)
                .is_some_and(|theirs| Arc::ptr_eq(reports, theirs))
        });
        now.retain(|name, _| !self.0.contains_key(name));
        now
    }

    fn add(&mut self, name: ClusterName, reports: Arc<dyn Incoming>, until: T) {
        self.0.insert(name, (reports, until));
    }
}

/// Listens to whoever is in the tree now; a change of the tree makes every Mission due.
async fn follow_topology(
    walk: Arc<Walk>,
    queue: Queue<String>,
    group: Group,
) -> Result<(), watch::error::RecvError> {
    let mut topology = walk.topology.clone();
    let mut children: Heard<Trigger> = Heard::default();
    let mut parent: Option<(Arc<dyn Incoming>, Trigger)> = None;
    loop {
        let now = topology.borrow_and_update().clone();
        let reports = now.children.iter();
        let reports = reports.map(|(name, child)| (name.clone(), child.reports.clone()));
        for (name, reports) in children.forget_others(reports.collect()) {
            let (stop, shutdown) = group.shutdown().child();
            children.add(name.clone(), reports.clone(), stop);
            let (walk, queue) = (walk.clone(), queue.clone());
            group.spawn(format!("reports/{name}"), async move {
                shutdown.or(listen(walk, queue, reports)).await;
            });
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
                group.spawn(
                    "receive",
                    receive::run(client, own, p.clone(), events, shutdown),
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
            Change::Put { key, version, .. } | Change::Removed { key, version } => (key, *version),
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

#[cfg(test)]
mod tests;
