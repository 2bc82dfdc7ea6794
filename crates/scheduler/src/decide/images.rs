//! Whether a node has a pod's images already.

use std::collections::HashMap;

use super::{Candidate, Wish, World};

/// Less than this is fetched in no time; more than this for each container counts as this.
const SMALL: i64 = 23 << 20;
const LARGE: i64 = 1000 << 20;

/// For each candidate 0 to 100: how much of the pod's images it has. An image that most nodes have counts more, so that
/// not all pods go to the one node that has it.
pub(super) fn preference(
    wish: &Wish<'_>,
    world: &World,
    candidates: &[Candidate<'_>],
) -> Option<Vec<i64>> {
    let names: Vec<String> = wish.pod.images().map(tagged).collect();
    let nodes = world.places.values().filter_map(|p| p.node.as_deref());
    let mut total = 0i64;
    let mut having: HashMap<&str, i64> = HashMap::new();
    for node in nodes {
        total += 1;
        for name in names.iter().filter(|name| node.images.contains_key(*name)) {
            *having.entry(name).or_default() += 1;
        }
    }
    if having.is_empty() {
        return None;
    }
    let count = i64::try_from(names.len()).unwrap_or(1);
    let most = LARGE * count;
    let score = |candidate: &Candidate<'_>| {
        let scaled = |name: &String| {
            let size = i128::from(*candidate.node.images.get(name)?);
            let scaled = size * i128::from(*having.get(name.as_str())?) / i128::from(total);
            i64::try_from(scaled).ok()
        };
        let sum: i64 = names.iter().filter_map(scaled).sum();
        100 * (sum.clamp(SMALL, most) - SMALL) / (most - SMALL)
    };
    Some(candidates.iter().map(score).collect())
}

/// A name without a tag means the latest.
fn tagged(name: &str) -> String {
    let after_path = name.rfind('/').map_or(0, |slash| slash + 1);
    if name[after_path..].contains(':') {
        name.to_owned()
    } else {
        format!("{name}:latest")
    }
}
