//! Worker: Missions down, reports up.
//!
//! Here are the stations of the walk that speak of Missions: [`accept`] (1), [`down`] (2 route, 3 hand over,
//! 4 receive), [`deploy`] (5) and [`up`] (10 summarise, 11 report, 12 merge). Stations 6 to 9 are Kubernetes' own.
//! It speaks to its cluster only through a `kube::Client`, and to the tree only through the [`ports`].
//! What it never does: open a socket, know a link. Start reading at [`walk`].

pub mod accept;
pub mod deploy;
pub mod down;
mod events;
mod lineage;
pub mod ports;
mod topology;
pub mod up;
mod walk;
mod withdraw;

pub use lineage::Lineage;
pub use topology::{Child, Here, Parent, Topology};
pub use walk::{Counts, Propagation, run};
