//! Worker: the tree around one cluster: the hub that accepts links from below, the uplink that dials up.
//!
//! [`hub`] registers children, keeps their `EdgeCluster` or Node objects and their tables; [`nodes`] hands pods to
//! nodes and writes back what they say; [`uplink`] joins a parent and keeps the link to it; [`reach`] passes API
//! requests down, hop by hop. Missions are `propagation`'s: this crate hands it the tables.
//! It speaks to its cluster only through a `kube::Client` and the [`reach::ApiDial`]. What it never does: decide what a
//! Mission means. Start reading at [`run`].

mod around;
pub mod facts;
pub mod hub;
pub mod install;
pub mod nodes;
pub mod port;
mod ports;
pub mod reach;
pub mod roster;
mod run;
pub mod shown;
pub mod token;
mod tree;
pub mod uplink;

pub use nodes::NODE_GRACE;
pub use run::{Config, Error, run};
pub use tree::{LinkCounters, Tree, UplinkCounters};
