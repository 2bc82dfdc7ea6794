//! What a walk writes to the Mission itself: status, inventory, finalizer; and the report to the parent.

use std::collections::BTreeMap;

use cedge_api::mission::{InventoryEntry, MissionStatus};
use cedge_api::{ClusterName, MISSION_FINALIZER, Mission, TREE_MANAGER};
use cedge_fold::Report;
use cedge_tasks::clock;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::{Error, Walk};
use crate::accept::Accepted;
use crate::events::Station;
use crate::topology::Topology;
use crate::up::merge::{self, Standing};
use crate::up::report;

impl Walk {
    /// Stations 12 and 11: writes the status here and the report to the parent.
    #[expect(
        clippy::too_many_arguments,
        reason = "everything that a status is made of, once"
    )]
    pub(super) async fn write_up(
        &self,
        mission: &Mission,
        accepted: &Accepted,
        topology: &Topology,
        said: &BTreeMap<ClusterName, Report>,
        report: Report,
        standing: Standing<'_>,
        inventory: Vec<InventoryEntry>,
    ) -> Result<(), Error> {
        let now = Time(clock::now());
        let rows = merge::rows(&accepted.key, topology, said, &accepted.target);
        let conditions = merge::conditions(mission, &report, standing, &now);
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
    pub(super) async fn record(
        &self,
        mission: &Mission,
        planned: &[InventoryEntry],
    ) -> Result<(), Error> {
        let mut status = mission.status.clone().unwrap_or_default();
        status.inventory = planned.to_vec();
        self.write_status(mission, &status).await
    }

    pub(super) async fn set_finalizer(&self, mission: &Mission, wanted: bool) -> Result<(), Error> {
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
