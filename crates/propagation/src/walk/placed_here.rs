//! Stations 5 and 10 for a Mission that is placed here: deploy, and judge what came of it.

use cedge_api::Mission;
use cedge_api::mission::{InventoryEntry, OwnStatus, State};
use cedge_api::names::received_name;
use cedge_informer::Next;
use kube::ResourceExt as _;
use kube::core::GroupVersionKind;

use super::{Error, LOOK_AGAIN, Walk};
use crate::accept::Accepted;
use crate::deploy::apply::{self, Placed, Wish};
use crate::deploy::health::{Health, Reason, Replicas};
use crate::deploy::observe::ObjectKey;
use crate::deploy::order;
use crate::deploy::render::{self, Cluster, describe};
use crate::down::route::Route;
use crate::events::Station;
use crate::topology::Topology;
use crate::up::summarise::{Deployed, summarise};
use crate::withdraw;

impl Walk {
    /// Station 5 and 10 in this cluster: the own line, the inventory, and when to look again.
    pub(super) async fn here(
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
                        let kind =
                            GroupVersionKind::gvk(&p.entry.group, &p.entry.version, &p.entry.kind);
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
                deployed
                    .objects
                    .push((object, Health::InProgress(reason), Replicas::default()));
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
    pub(super) fn heir_of(&self, accepted: &Accepted, topology: &Topology) -> Vec<String> {
        let old = topology
            .here
            .replaced
            .iter()
            .filter(|(_, new)| **new == accepted.key.origin);
        old.map(|(old, _)| received_name(&accepted.name, old))
            .collect()
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
