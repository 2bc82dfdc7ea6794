//! Station 12 of the walk: the parent folds its own line with the reports of its children.
//! Before: a child's `report`, or a change here. After: `report`, up to the root.
//! Durable: `status.subtree`, `children`, `exceptions`, `conditions`. Never: keeps more rows than the bounds (I5).

use std::collections::BTreeMap;

use cedge_api::mission::{CHILDREN_MAX, ChildRow, Mission, MissionStatus, OwnStatus, State};
use cedge_api::{ClusterName, MissionKey};
use cedge_fold::{ChildReport, Report, Target, fold};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::accept::Accepted;
use crate::topology::Topology;

/// The reports of the children that were handed the Mission. One that was never given it is not believed.
pub(crate) fn reports(topology: &Topology, key: &MissionKey) -> BTreeMap<ClusterName, Report> {
    let key = key.to_string();
    let given = topology
        .children
        .iter()
        .filter(|(_, c)| c.missions.is_given(&key));
    let said = given.filter_map(|(name, child)| {
        let value = child.reports.get(&key)?;
        match serde_json::from_slice(&value) {
            Ok(report) => Some((name.clone(), report)),
            Err(error) => {
                tracing::warn!(station = "merge", child = %name, key, %error, "report cannot be read");
                None
            }
        }
    });
    said.collect()
}

/// Folds.
pub(crate) fn merge(
    own: OwnStatus,
    acting: &Target,
    accepted: &Accepted,
    topology: &Topology,
    said: &BTreeMap<ClusterName, Report>,
) -> Report {
    let rows: Vec<ChildReport<'_>> = said
        .iter()
        .map(|(name, report)| {
            let child = &topology.children[name];
            let since =
                (!child.connected).then(|| child.as_of.as_deref().unwrap_or("an unknown time"));
            ChildReport {
                name,
                report,
                unreachable_since: since,
            }
        })
        .collect();
    fold(own, acting, &accepted.target, &rows)
}

/// One row per child that holds the Mission.
pub(crate) fn rows(
    key: &MissionKey,
    topology: &Topology,
    said: &BTreeMap<ClusterName, Report>,
    target: &Target,
) -> Vec<ChildRow> {
    let key = key.to_string();
    let holding = topology
        .children
        .iter()
        .filter(|(name, child)| child.missions.get(&key).is_some() || said.contains_key(*name));
    let row = |(name, child): (&ClusterName, &crate::topology::Child)| {
        let report = said.get(name);
        let subtree = report.map(|r| r.subtree.clone()).unwrap_or_default();
        let current = report.is_some_and(|r| r.target == *target);
        ChildRow {
            name: name.to_string(),
            matched: subtree.matched,
            at_target: if current { subtree.at_target } else { 0 },
            states: subtree.states,
            connected: child.connected,
            as_of: if child.connected {
                None
            } else {
                child.as_of.clone()
            },
        }
    };
    holding.map(row).take(CHILDREN_MAX).collect()
}

/// What the conditions are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'a> {
    /// Why the Mission cannot be followed.
    pub(crate) refused: Option<&'a str>,
    /// Children that have not acknowledged the latest.
    pub(crate) awaited: &'a [ClusterName],
    /// The API was restored and the Mission has not been written again (I3).
    pub(crate) stale: bool,
    /// Whether it is being withdrawn.
    pub(crate) deleting: bool,
}

/// The conditions, with transition times kept where nothing changed.
pub(crate) fn conditions(
    mission: &Mission,
    report: &Report,
    standing: Standing<'_>,
    now: &Time,
) -> Vec<Condition> {
    let before = mission
        .status
        .as_ref()
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    let mut all = vec![
        accepted(standing),
        synced(standing),
        applied(&report.own),
        healthy(report),
    ];
    if standing.deleting {
        all.push((
            "Deleting",
            "True",
            "Withdrawing".to_owned(),
            awaited(standing.awaited),
        ));
    }
    let generation = mission.metadata.generation;
    let finish = |(kind, status, reason, message): Draft| {
        let same = before
            .iter()
            .find(|c| c.type_ == kind && c.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason,
            message,
            observed_generation: generation,
            last_transition_time: same
                .map_or_else(|| now.clone(), |c| c.last_transition_time.clone()),
        }
    };
    all.into_iter().map(finish).collect()
}

type Draft = (&'static str, &'static str, String, String);

fn accepted(standing: Standing<'_>) -> Draft {
    match standing.refused {
        Some(why) => ("Accepted", "False", "Invalid".to_owned(), why.to_owned()),
        None => ("Accepted", "True", "Valid".to_owned(), String::new()),
    }
}

fn synced(standing: Standing<'_>) -> Draft {
    if standing.stale {
        let message = "this API was restored to an older state; children keep what they hold until the Mission is \
                       written again (any change of its spec)";
        return (
            "Synced",
            "False",
            "StateRegressed".to_owned(),
            message.to_owned(),
        );
    }
    if standing.awaited.is_empty() {
        ("Synced", "True", "Acknowledged".to_owned(), String::new())
    } else {
        (
            "Synced",
            "False",
            "AwaitingChildren".to_owned(),
            awaited(standing.awaited),
        )
    }
}

fn awaited(children: &[ClusterName]) -> String {
    if children.is_empty() {
        return String::new();
    }
    let first: Vec<&str> = children.iter().take(10).map(ClusterName::as_str).collect();
    let more = children.len().saturating_sub(first.len());
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("waits for {}{more}", first.join(", "))
}

fn applied(own: &OwnStatus) -> Draft {
    let reason = own.reason.clone();
    let message = own.message.clone().unwrap_or_default();
    match own.state {
        State::NotMatched => ("Applied", "True", "NotMatched".to_owned(), String::new()),
        State::Waiting | State::Pending | State::Applying | State::Held => (
            "Applied",
            "False",
            reason.unwrap_or_else(|| "Waiting".to_owned()),
            message,
        ),
        State::Failed if own.reason.as_deref().is_some_and(is_apply_reason) => {
            ("Applied", "False", reason.unwrap_or_default(), message)
        }
        State::Healthy
        | State::Suspended
        | State::Progressing
        | State::Unreachable
        | State::Degraded
        | State::Failed => ("Applied", "True", "Applied".to_owned(), String::new()),
    }
}

fn is_apply_reason(reason: &str) -> bool {
    matches!(
        reason,
        "OwnedByAnotherMission"
            | "AlreadyExists"
            | "FieldConflict"
            | "Invalid"
            | "KindUnknown"
            | "ApiUnavailable"
    )
}

fn healthy(report: &Report) -> Draft {
    let total = report.subtree.matched;
    let of = |state| report.subtree.states.get(&state).copied().unwrap_or(0);
    let well = of(State::Healthy);
    let message = format!("{well} of {total} clusters");
    if well == total && report.subtree.at_target == total {
        return ("Healthy", "True", "AllHealthy".to_owned(), message);
    }
    let worst = report
        .subtree
        .states
        .keys()
        .next_back()
        .copied()
        .unwrap_or(State::Pending);
    let reason = if worst == State::Healthy {
        "NotAtTarget".to_owned()
    } else {
        format!("{worst:?}")
    };
    ("Healthy", "False", reason, message)
}

/// The whole status.
pub(crate) fn status(
    mission: &Mission,
    report: Report,
    rows: Vec<ChildRow>,
    conditions: Vec<Condition>,
) -> MissionStatus {
    MissionStatus {
        observed_generation: mission.metadata.generation,
        own: Some(report.own),
        subtree: Some(report.subtree),
        children: rows,
        exceptions: report.exceptions,
        conditions,
        inventory: mission
            .status
            .as_ref()
            .map(|s| s.inventory.clone())
            .unwrap_or_default(),
    }
}
