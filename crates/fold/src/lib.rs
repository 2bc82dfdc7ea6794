//! Decision: how reports merge on their way up.
//!
//! Station 12 of the walk: a parent folds its own line with the reports of its children, and the result is what it
//! reports to its own parent. The fold of a tree equals the fold of the flat list of its clusters. Pure. What it
//! never does: judge health (that is `propagation`), or hold more than a bounded number of rows (I5).
#![warn(missing_docs)]

use cedge_api::mission::{EXCEPTIONS_MAX, Exception, OwnStatus, State, Subtree};
use cedge_api::{ClusterName, ClusterPath};
use serde::{Deserialize, Serialize};

/// Which version of a Mission is spoken of. Generations alone do not tell: a parent restored from a backup counts
/// the same numbers again (I3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Generation at the origin.
    pub generation: i64,
    /// Digest of the spec, as hexadecimal digits.
    pub digest: String,
}

/// What one cluster says of one Mission, itself and everything below folded into one value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version that `subtree.atTarget` counts.
    pub target: Target,
    /// The cluster's own line.
    #[serde(rename = "self", default)]
    pub own: OwnStatus,
    /// Counters over it and all below.
    pub subtree: Subtree,
    /// The worst clusters at and below it, paths relative to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
}

/// A report of a child, with what the parent knows of the link to it.
#[derive(Debug, Clone)]
pub struct ChildReport<'a> {
    /// The child.
    pub name: &'a ClusterName,
    /// What it said last.
    pub report: &'a Report,
    /// When it was last heard of, if it is not heard of now (RFC 3339).
    pub unreachable_since: Option<&'a str>,
}

/// Folds a cluster's own line (acting on `acting`) with the reports of its children.
#[must_use]
pub fn fold(
    own: OwnStatus,
    acting: &Target,
    target: &Target,
    children: &[ChildReport<'_>],
) -> Report {
    let mut subtree = line(&own, acting == target);
    let mut exceptions: Vec<Exception> = exception_of(&own).into_iter().collect();
    for child in children {
        let from = &child.report.subtree;
        subtree.matched += from.matched;
        if child.report.target == *target {
            subtree.at_target += from.at_target;
        }
        subtree.replicas += from.replicas;
        match child.unreachable_since {
            None => {
                subtree.ready_replicas += from.ready_replicas;
                for (state, count) in &from.states {
                    *subtree.states.entry(*state).or_default() += count;
                }
                exceptions.extend(child.report.exceptions.iter().map(|e| Exception {
                    path: ClusterPath::from(child.name.clone()).join(&e.path),
                    ..e.clone()
                }));
            }
            Some(since) if from.matched > 0 => {
                *subtree.states.entry(State::Unreachable).or_default() += from.matched;
                exceptions.push(silent(child, since));
            }
            Some(_) => {}
        }
    }
    Report {
        target: target.clone(),
        own,
        subtree,
        exceptions: worst(exceptions),
    }
}

/// The counters of one cluster.
fn line(own: &OwnStatus, at_target: bool) -> Subtree {
    if own.state == State::NotMatched {
        return Subtree::default();
    }
    Subtree {
        matched: 1,
        at_target: u32::from(at_target),
        states: std::iter::once((own.state, 1)).collect(),
        replicas: own.replicas,
        ready_replicas: own.ready_replicas,
    }
}

/// Whether a state is worth a row of its own.
fn is_exception(state: State) -> bool {
    match state {
        State::NotMatched | State::Healthy | State::Suspended => false,
        State::Pending
        | State::Waiting
        | State::Applying
        | State::Progressing
        | State::Held
        | State::Unreachable
        | State::Degraded
        | State::Failed => true,
    }
}

fn exception_of(own: &OwnStatus) -> Option<Exception> {
    is_exception(own.state).then(|| Exception {
        path: ClusterPath::here(),
        state: own.state,
        reason: own.reason.clone(),
        message: own.message.clone(),
    })
}

/// One row for a whole subtree that is not heard of; what was last known stands in the child's row.
fn silent(child: &ChildReport<'_>, since: &str) -> Exception {
    let known = &child.report.subtree.states;
    let known: Vec<String> = known.iter().map(|(s, n)| format!("{n} {s:?}")).collect();
    Exception {
        path: ClusterPath::from(child.name.clone()),
        state: State::Unreachable,
        reason: Some("LinkDown".to_owned()),
        message: Some(format!("as of {since}: {}", known.join(", "))),
    }
}

/// The worst first; among equals by path, so that the order of children does not matter.
fn worst(mut all: Vec<Exception>) -> Vec<Exception> {
    all.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| a.path.cmp(&b.path)));
    all.truncate(EXCEPTIONS_MAX);
    all
}

#[cfg(test)]
mod tests;
