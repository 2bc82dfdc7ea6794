//! Station 1 of the walk: the API has taken a Mission; is it one that can be followed?
//! Before: somebody wrote it, or `receive` stored it. After: `route`.
//! Durable: the Mission, with the finalizer that keeps it until it is withdrawn everywhere.
//! Never: changes what the author wrote.

use cedge_api::mission::SIZE_MAX;
use cedge_api::names::is_dns_label;
use cedge_api::{ClusterId, ClusterPath, Mission, MissionKey, marks};
use cedge_fold::Target;
use kube::ResourceExt as _;

use crate::deploy::render;

/// A Mission, with who it is and where it comes from.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Its identity.
    pub key: MissionKey,
    /// The name that its author gave it.
    pub name: String,
    /// Path from the origin to this cluster.
    pub path: ClusterPath,
    /// Which version this is.
    pub target: Target,
    /// Whether it was written elsewhere.
    pub received: bool,
}

/// Why a Mission cannot be followed. Terminal until it is written again.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Its name is not a DNS label.
    #[error(
        "metadata.name: {0:?} is not a DNS label; write the Mission under a name of at most 63 lower case letters, digits and '-'"
    )]
    Name(String),
    /// It is too large.
    #[error(
        "the Mission has {size} bytes; at most {SIZE_MAX} are taken, so divide it into several"
    )]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Its placement cannot be evaluated.
    #[error(transparent)]
    Placement(#[from] cedge_placement::Invalid),
    /// Its content or overrides cannot be rendered.
    #[error(transparent)]
    Content(#[from] render::Error),
    /// The marks of a received Mission are damaged.
    #[error(
        "metadata.annotations: the marks of a received Mission are damaged ({0}); delete it, it will come again"
    )]
    Marks(&'static str),
}

/// Who a Mission is. `own` is this cluster.
///
/// # Errors
/// If the marks of a received Mission are damaged.
pub fn identify(mission: &Mission, own: &ClusterId) -> Result<Accepted, Refused> {
    let digest = spec_digest(mission);
    let mark = |name: &str| mission.annotations().get(name);
    let Some(origin) = mark(marks::ORIGIN) else {
        let generation = mission.metadata.generation.unwrap_or(0);
        return Ok(Accepted {
            key: MissionKey {
                origin: own.clone(),
                uid: mission.uid().unwrap_or_default(),
            },
            name: mission.name_any(),
            path: ClusterPath::here(),
            target: Target { generation, digest },
            received: false,
        });
    };
    let origin = origin.parse().map_err(|_| Refused::Marks("origin"))?;
    let uid = mark(marks::ORIGIN_UID)
        .cloned()
        .ok_or(Refused::Marks("origin-uid"))?;
    let name = mark(marks::ORIGIN_NAME)
        .cloned()
        .ok_or(Refused::Marks("origin-name"))?;
    let path = mark(marks::ORIGIN_PATH)
        .and_then(|p| p.parse().ok())
        .ok_or(Refused::Marks("origin-path"))?;
    let generation = mark(marks::ORIGIN_GENERATION).and_then(|g| g.parse().ok());
    let generation = generation.ok_or(Refused::Marks("origin-generation"))?;
    Ok(Accepted {
        key: MissionKey { origin, uid },
        name,
        path,
        target: Target { generation, digest },
        received: true,
    })
}

/// Checks what the API's schema cannot.
///
/// # Errors
/// Says which field is wrong and what to do.
pub fn check(mission: &Mission, accepted: &Accepted) -> Result<(), Refused> {
    if !accepted.received && !is_dns_label(&accepted.name) {
        return Err(Refused::Name(accepted.name.clone()));
    }
    let size = serde_json::to_vec(&mission.spec).map_or(0, |bytes| bytes.len());
    if size > SIZE_MAX {
        return Err(Refused::TooLarge { size });
    }
    if let Some(placement) = &mission.spec.placement {
        cedge_placement::check(placement)?;
    }
    render::check(&mission.spec)?;
    Ok(())
}

/// A digest of what the author wrote: equal for equal specs, whatever the generation says.
#[must_use]
pub fn spec_digest(mission: &Mission) -> String {
    let bytes = serde_json::to_vec(&mission.spec).unwrap_or_default();
    blake3::hash(&bytes).to_hex()[..16].to_owned()
}
