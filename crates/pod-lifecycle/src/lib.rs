//! Decision: from a wanted and a seen pod to the next action, and to the status as the kubelet writes it.
//!
//! Part of station 8 (run) and 9 (observe) of the walk. Before: `agent` holds the pod that was bound to this node.
//! After: `agent` does what the [`Plan`] says and hands up the [`status`]. Start reading at [`plan`].
//! Never: reads a clock, sleeps, opens a file, knows how a container really runs.
#![warn(missing_docs)]

mod admit;
mod backoff;
mod memory;
mod plan;
mod probe;
mod qos;
mod quantity;
mod resources;
mod restart;
mod seen;
mod status;
#[cfg(test)]
mod testing;

use std::time::Duration;

use jiff::Timestamp;

pub use admit::{Rejection, admit};
pub use backoff::{Backoff, FIRST_DELAY, LONGEST_DELAY};
pub use memory::{Memory, Trouble};
pub use plan::{Action, Note, Plan, StopReason, grace_of, plan};
pub use probe::{ProbeKind, ProbeWanted, Verdict, probe_of, probes_wanted};
pub use qos::qos_class;
pub use quantity::{milli, whole};
pub use resources::{Resources, container_limits, pod_requests};
pub use restart::{is_sidecar, should_restart};
pub use seen::{ContainerId, Exit, Seen, SeenContainer, State};
pub use status::{Place, status};

/// The two clocks a decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For what is written on objects, and for deadlines that are counted from there.
    pub wall: Timestamp,
    /// Monotonic, from any fixed point in this process: for back-offs and graces.
    pub elapsed: Duration,
}
