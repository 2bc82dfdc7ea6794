//! Decision: which clusters a Mission is for, and which children may hold one of them.
//!
//! Station 2 of the walk (*route*) is [`route`], station 5 asks [`is_placed`]. Pure: the same answer for the same
//! question. What it never does: know how labels or rosters came here. What is unknown counts as *may match*
//! (I5): routing is never wrong, only less sharp.
#![warn(missing_docs)]

mod glob;
mod selector;

use std::collections::BTreeMap;

use cedge_api::ClusterPath;
use cedge_api::mission::{Placement, Scope};
use serde::{Deserialize, Serialize};

pub use glob::{Glob, GlobError};
pub use selector::{SelectorError, selects};

/// Labels of a cluster.
pub type Labels = BTreeMap<String, String>;

/// A cluster, as a Mission's placement sees it.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// Path from the Mission's origin.
    pub path: &'a ClusterPath,
    /// Its labels; `None` if they are not known.
    pub labels: Option<&'a Labels>,
    /// Whether it has children; `None` if that is not known.
    pub leaf: Option<bool>,
}

/// One descendant in a roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterEntry {
    /// Path from the child that the roster is about; `.` is the child itself.
    pub path: ClusterPath,
    /// Its labels; `None` if they were cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    /// Whether it has no children.
    pub leaf: bool,
}

/// What a parent knows of the clusters at and below one child.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The clusters, the child itself included.
    pub entries: Vec<RosterEntry>,
    /// Whether nothing was cut off.
    pub complete: bool,
}

/// Why a placement cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// `clusters[index]` is not a glob.
    #[error("spec.placement.clusters[{index}]: {cause}")]
    Glob {
        /// Which one.
        index: usize,
        /// What is wrong with it.
        cause: GlobError,
    },
    /// The label selector cannot be evaluated.
    #[error("spec.placement.selector: {0}")]
    Selector(SelectorError),
}

/// Checks what the API's schema cannot.
///
/// # Errors
/// The first glob or selector that cannot be evaluated.
pub fn check(placement: &Placement) -> Result<(), Invalid> {
    for (index, text) in placement.clusters.iter().enumerate() {
        Glob::parse(text).map_err(|cause| Invalid::Glob { index, cause })?;
    }
    placement
        .selector
        .as_ref()
        .map_or(Ok(()), selector::check)
        .map_err(Invalid::Selector)
}

/// Whether a Mission is for `site`. A placement that fails [`check`] is for nobody.
#[must_use]
pub fn is_placed(placement: Option<&Placement>, site: Site<'_>) -> bool {
    judge(placement, site) == Some(true)
}

/// Whether the child at `child` (a path from the origin) must hold the Mission: some cluster at or below it is
/// meant, or may be, as far as is known.
#[must_use]
pub fn route(placement: Option<&Placement>, child: &ClusterPath, below: &Roster) -> bool {
    let Some(wanted) = placement else { return true };
    if check(wanted).is_err() {
        return false;
    }
    if !below.complete && may_lie_below(wanted, child) {
        return true;
    }
    below.entries.iter().any(|entry| {
        let path = child.join(&entry.path);
        let site = Site {
            path: &path,
            labels: entry.labels.as_ref(),
            leaf: Some(entry.leaf),
        };
        judge(placement, site) != Some(false)
    })
}

/// `Some` if it is known whether the Mission is for `site`.
fn judge(placement: Option<&Placement>, site: Site<'_>) -> Option<bool> {
    let Some(wanted) = placement else {
        return Some(true);
    };
    let depth = site.path.names().len();
    let by_layer = wanted.layers.is_empty()
        || wanted
            .layers
            .iter()
            .any(|l| usize::try_from(*l) == Ok(depth));
    if !by_layer || !by_path(wanted, site.path) {
        return Some(false);
    }
    let by_scope = match wanted.scope.unwrap_or_default() {
        Scope::Subtree => Some(true),
        Scope::Origin => Some(depth == 0),
        Scope::Descendants => Some(depth > 0),
        Scope::Leaves => site.leaf,
    };
    let by_label = match (&wanted.selector, site.labels) {
        (None, _) => Some(true),
        (Some(selector), Some(labels)) => Some(selects(selector, labels)),
        (Some(_), None) => None,
    };
    match (by_scope, by_label) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        (None, _) | (_, None) => None,
    }
}

/// Whether the globs let `path` through; one that cannot be read lets nothing through.
fn by_path(wanted: &Placement, path: &ClusterPath) -> bool {
    let through = |text: &String| Glob::parse(text).is_ok_and(|g| g.matches(path));
    wanted.clusters.is_empty() || wanted.clusters.iter().any(through)
}

/// Whether some cluster at or below `child`, whatever its labels, could be let through.
fn may_lie_below(wanted: &Placement, child: &ClusterPath) -> bool {
    let depth = child.names().len();
    let by_layer = wanted.layers.is_empty()
        || wanted
            .layers
            .iter()
            .any(|l| usize::try_from(*l).is_ok_and(|l| l >= depth));
    let by_scope = wanted.scope != Some(Scope::Origin);
    let below = |text: &String| Glob::parse(text).is_ok_and(|g| g.may_match_below(child));
    by_layer && by_scope && (wanted.clusters.is_empty() || wanted.clusters.iter().any(below))
}

#[cfg(test)]
mod tests;
