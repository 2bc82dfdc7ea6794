//! Where a pod may be because of its volumes, and what must be bound for it there.

use std::collections::{HashMap, HashSet};

use cedge_informer::Key;

use super::{Causes, Refusal, Wish, World, affinity};
use crate::node::{Node, Place};
use crate::volumes::{Bindings, Claim, Volume};

/// A pod's claims, sorted by what is to be done for them.
#[derive(Debug, Default)]
pub(super) struct Storage<'a> {
    bound: Vec<(Key, &'a Claim)>,
    /// Those that wait for a node, the smallest first.
    waiting: Vec<(Key, &'a Claim)>,
    /// Claims that one pod only may use.
    pub(super) exclusive: Vec<Key>,
}

// === impl Storage ===

impl<'a> Storage<'a> {
    /// Fails if the pod can run nowhere as its claims are.
    pub(super) fn new(wish: &Wish<'_>, world: &'a World) -> Result<Self, Refusal> {
        let because = |reason: String| Err(Refusal::final_because(reason, Causes::STORAGE));
        let mut all = Self::default();
        let mut awaits_others = false;
        for named in wish.pod.claims() {
            let name = &named.name;
            let key = Key::new(&wish.placed.namespace, name);
            let Some(claim) = world.volumes.claims.get(&key) else {
                return because(if named.ephemeral {
                    format!(
                        "waiting for ephemeral volume controller to create the persistentvolumeclaim \"{name}\""
                    )
                } else {
                    format!("persistentvolumeclaim \"{name}\" not found")
                });
            };
            if claim.is_lost {
                let volume = claim.volume.as_deref().unwrap_or_default();
                return because(format!(
                    "persistentvolumeclaim \"{name}\" bound to non-existent persistentvolume \"{volume}\""
                ));
            }
            if claim.is_deleting {
                return because(format!("persistentvolumeclaim \"{name}\" is being deleted"));
            }
            if named.ephemeral && claim.owner.as_deref() != Some(&wish.placed.uid) {
                let namespace = &wish.placed.namespace;
                let pod = &wish.pod.metadata.name;
                return because(format!(
                    "PVC {namespace}/{name} was not created for pod {namespace}/{pod} (pod is not owner)"
                ));
            }
            if claim.is_exclusive() {
                all.exclusive.push(key.clone());
            }
            let class = world.volumes.classes.get(&claim.class);
            if claim.is_bound {
                all.bound.push((key, claim));
            } else if claim.volume.is_none() && class.is_some_and(|class| class.waits) {
                all.waiting.push((key, claim));
            } else {
                awaits_others = true;
            }
        }
        if awaits_others {
            return because("pod has unbound immediate PersistentVolumeClaims".to_owned());
        }
        all.waiting.sort_by_key(|(_, claim)| claim.request());
        Ok(all)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bound.is_empty() && self.waiting.is_empty()
    }

    /// Whether a node attaches so many volumes more.
    pub(super) fn check_limits(
        &self,
        node: &Node,
        place: &Place,
        world: &World,
    ) -> Result<(), Refusal> {
        let Some(limits) = world.volumes.limits.get(&node.name) else {
            return Ok(());
        };
        let own = self.bound.iter().chain(&self.waiting);
        let mut wanted: HashSet<Attached> =
            own.filter_map(|(k, c)| attached(k, c, world)).collect();
        wanted.retain(|volume| limits.contains_key(&volume.driver));
        if wanted.is_empty() {
            return Ok(());
        }
        let there: HashSet<Attached> = place
            .pods
            .values()
            .flat_map(|pod| pod.claims.iter().map(|c| Key::new(&pod.namespace, c)))
            .filter_map(|key| attached(&key, world.volumes.claims.get(&key)?, world))
            .collect();
        let mut counts: HashMap<&str, i64> = HashMap::new();
        for volume in wanted.union(&there) {
            *counts.entry(&volume.driver).or_default() += 1;
        }
        let new = wanted.difference(&there);
        let over = |volume: &Attached| counts[&*volume.driver] > limits[&volume.driver];
        if new.into_iter().any(over) {
            let causes = Causes::ROOM.or(Causes::STORAGE);
            return Err(Refusal::because("node(s) exceed max volume count", causes));
        }
        Ok(())
    }

    /// What must be written if the pod is to run on a node; fails if its volumes cannot be there.
    pub(super) fn bindings(&self, node: &Node, world: &World) -> Result<Bindings, Refusal> {
        let mut reasons = Vec::new();
        let of_bound = |(_, claim): &(Key, &Claim)| {
            let name = claim.volume.as_deref().unwrap_or_default();
            world.volumes.volumes.get(name)
        };
        let volumes: Vec<Option<&Volume>> = self.bound.iter().map(of_bound).collect();
        let is_lost = volumes.iter().any(Option::is_none);
        if volumes
            .iter()
            .flatten()
            .any(|volume| !reaches(volume, node))
        {
            reasons.push("node(s) didn't match PersistentVolume's node affinity".to_owned());
        }
        let bindings = self.find(node, world);
        if bindings.is_none() {
            reasons.push("node(s) didn't find available persistent volumes to bind".to_owned());
        }
        if is_lost {
            reasons.push(
                "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
                    .to_owned(),
            );
        }
        if let (true, Some(bindings)) = (reasons.is_empty(), bindings) {
            if volumes.into_iter().flatten().all(|v| is_in_place(v, node)) {
                return Ok(bindings);
            }
            reasons.push("node(s) had no available volume zone".to_owned());
        }
        Err(Refusal {
            reasons,
            causes: Causes::STORAGE,
            is_final: true,
        })
    }

    fn find(&self, node: &Node, world: &World) -> Option<Bindings> {
        let volumes = &world.volumes;
        let mut bindings = Bindings::default();
        for (key, claim) in &self.waiting {
            let named = volumes.node_of(key, claim);
            if named.as_ref().is_some_and(|named| *named != node.name) {
                return None;
            }
            let given = &bindings.given;
            let found = match named {
                Some(_) => None,
                None => volumes.find(key, claim, given, |volume| reaches(volume, node)),
            };
            if let Some(volume) = found {
                bindings.given.push((volume.to_owned(), key.clone()));
                continue;
            }
            let class = volumes.classes.get(&claim.class)?;
            if !class.is_made() || !class.reaches(&node.labels) {
                return None;
            }
            bindings.made.push(key.clone());
        }
        Some(bindings)
    }
}

fn reaches(volume: &Volume, node: &Node) -> bool {
    let affinity = volume.affinity.as_ref();
    affinity.is_none_or(|affinity| affinity::selects(affinity, node))
}

/// Whether a volume's labels of zone and region are those of the node, if the node has any.
fn is_in_place(volume: &Volume, node: &Node) -> bool {
    let newer = |label: &str| match label.rsplit_once('/') {
        Some((_, name)) => format!("topology.kubernetes.io/{name}"),
        None => label.to_owned(),
    };
    let of_node = |label: &str| {
        node.labels
            .get(label)
            .or_else(|| node.labels.get(&newer(label)))
    };
    let has_any = ["zone", "region"].iter().any(|name| {
        let old = format!("failure-domain.beta.kubernetes.io/{name}");
        of_node(&old).is_some()
    });
    let fits = |(label, places): &(&str, Vec<String>)| {
        of_node(label).is_some_and(|place| places.contains(place))
    };
    !has_any || volume.places.iter().all(fits)
}

/// A volume as a driver sees it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Attached {
    driver: String,
    handle: String,
}

fn attached(key: &Key, claim: &Claim, world: &World) -> Option<Attached> {
    let (driver, handle) = match &claim.volume {
        Some(name) => world.volumes.volumes.get(name)?.attached.clone()?,
        // Not made yet: it will be one more of its driver.
        None => {
            let class = world.volumes.classes.get(&claim.class)?;
            (class.provisioner.clone(), key.to_string())
        }
    };
    Some(Attached { driver, handle })
}
