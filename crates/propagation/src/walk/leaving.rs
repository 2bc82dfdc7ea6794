//! The walk of a Mission that is being deleted, back the way it came.

use cedge_api::mission::{OwnStatus, State};
use cedge_api::{MISSION_FINALIZER, Mission};
use cedge_informer::Next;
use kube::ResourceExt as _;

use super::{Error, LOOK_AGAIN, Walk};
use crate::accept::Accepted;
use crate::topology::Topology;
use crate::up::merge::{self, Standing};
use crate::up::report;
use crate::withdraw;

impl Walk {
    /// Takes everything back, here and below, and lets the Mission go when nothing is left.
    pub(super) async fn leave(
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
                if parent.missions.regressed().contains(&key) {
                    parent.missions.forget(&key).await?;
                }
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
}
