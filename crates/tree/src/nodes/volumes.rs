//! The volumes that a node must know: those behind the claims of its pods, and those that are directories on it, as long
//! as the API has them. A tombstone of such a volume is what lets the node remove the directory.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::Caches;

/// Annotations of a volume that our provisioner made: by whom, and on which node.
const MADE_BY: &str = "pv.kubernetes.io/provisioned-by";
const MAKER: &str = "edge.centaurus.io/local-path";
const NODE: &str = "volume.kubernetes.io/selected-node";
const VOLUMES: &str = "persistentvolumes/";

/// Adds the keys of volumes to those that a node needs.
pub(super) fn refer(caches: &Caches, node: &str, needed: &mut BTreeSet<String>) {
    let claims = needed
        .iter()
        .filter_map(|key| key.strip_prefix("persistentvolumeclaims/"));
    let bound = claims.filter_map(|key| {
        let (namespace, name) = key.split_once('/')?;
        let claim: Claim = caches.claims.get(namespace, name)?.decode().ok()?;
        claim.spec.volume_name.filter(|name| !name.is_empty())
    });
    let mut names: Vec<String> = bound.collect();
    for volume in caches.volumes.list() {
        let annotations = volume.decode::<Volume>().map(|v| v.metadata.annotations);
        let annotations = annotations.unwrap_or_default();
        let says = |key: &str, value: &str| annotations.get(key).is_some_and(|v| v == value);
        if says(MADE_BY, MAKER) && says(NODE, node) {
            names.push(volume.name().to_owned());
        }
    }
    needed.extend(names.into_iter().map(|name| format!("{VOLUMES}-/{name}")));
}

/// Volumes that the API lost: nobody asked for their data to be removed (I3).
pub(super) fn kept(lost: &BTreeSet<String>) -> Vec<String> {
    let volumes = lost.iter().filter(|key| key.starts_with(VOLUMES));
    volumes.cloned().collect()
}

#[derive(Deserialize)]
struct Claim {
    spec: ClaimSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaimSpec {
    volume_name: Option<String>,
}

#[derive(Deserialize)]
struct Volume {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_volumes_are_kept_when_nothing_names_them() {
        let lost = ["configmaps/a/b", "persistentvolumes/-/pvc-1"];
        let lost = lost.map(str::to_owned).into();
        assert_eq!(kept(&lost), ["persistentvolumes/-/pvc-1"]);
    }
}
