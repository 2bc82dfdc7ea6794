//! Who is in the tree, as propagation sees it.

use std::sync::Arc;

use cedge_api::{ClusterId, EdgeCluster};
use cedge_propagation::{Child, Here, Topology};
use cedge_tasks::Group;
use kube::ResourceExt as _;
use tokio::sync::watch;

use crate::around::Around;
use crate::hub::Hub;
use crate::roster;
use crate::uplink::Running;

/// Told to propagation at once, and whenever it changes.
pub(super) fn publish(
    own: &ClusterId,
    hub: &Hub,
    uplink: &Arc<watch::Sender<Option<Running>>>,
    around: &Around,
    tasks: &Group,
) -> watch::Receiver<Arc<Topology>> {
    let (own, hub, uplink, told) = (own.clone(), hub.clone(), uplink.clone(), around.clone());
    publish_as(around, tasks, move || compute(&own, &hub, &uplink, &told))
}

/// Tells propagation who is in the tree, whenever that changes. What changes while the first answer is computed is
/// not missed.
fn publish_as(
    around: &Around,
    tasks: &Group,
    compute: impl Fn() -> Topology + Send + 'static,
) -> watch::Receiver<Arc<Topology>> {
    let mut news = around.news();
    let (published, topology) = watch::channel(Arc::new(compute()));
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("tree/topology", async move {
        while let Some(Ok(())) = shutdown.or(news.changed()).await {
            let now = compute();
            if !is_same(&published.borrow(), &now) {
                published.send_replace(Arc::new(now));
            }
        }
    });
    topology
}

fn compute(
    own: &ClusterId,
    hub: &Hub,
    uplink: &watch::Sender<Option<Running>>,
    around: &Around,
) -> Topology {
    let place = around.place();
    let children = hub.children.all().into_iter().filter_map(|child| {
        let object = hub
            .clusters
            .decode::<EdgeCluster>("", child.name.as_str())
            .ok()
            .flatten()?;
        let shown = Child {
            missions: child.missions_port.clone(),
            reports: child.reports_port.clone(),
            roster: roster::for_placement(&child, object.labels()),
            connected: child.is_connected(),
            as_of: child.last_heard.clone(),
            cordoned: object.spec.cordoned,
            paused: object.spec.paused
                || !object.spec.approved
                || object.metadata.deletion_timestamp.is_some(),
        };
        Some((child.name.clone(), shown))
    });
    Topology {
        here: Here {
            id: own.clone(),
            name: hub.parts.name.clone(),
            labels: place.labels,
            replaced: place.replaced,
        },
        children: children.collect(),
        parent: uplink.borrow().as_ref().map(|r| r.tables.ports.clone()),
    }
}

/// Whether two topologies lead to the same decisions.
fn is_same(a: &Topology, b: &Topology) -> bool {
    let child = |a: &Child, b: &Child| {
        Arc::ptr_eq(&a.missions, &b.missions)
            && a.roster == b.roster
            && (a.connected, &a.as_of, a.cordoned, a.paused)
                == (b.connected, &b.as_of, b.cordoned, b.paused)
    };
    a.here.labels == b.here.labels
        && a.here.replaced == b.here.replaced
        && same_parent(a, b)
        && a.children.len() == b.children.len()
        && a.children
            .iter()
            .all(|(name, c)| b.children.get(name).is_some_and(|d| child(c, d)))
}

fn same_parent(a: &Topology, b: &Topology) -> bool {
    match (&a.parent, &b.parent) {
        (Some(a), Some(b)) => Arc::ptr_eq(&a.missions, &b.missions),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests;
