//! Worker: how containers really run.
//!
//! Part of station 8 of the walk (run). Before: `agent` has decided to start or stop something. After: processes, their
//! logs and their ends. Durable: one directory for each pod, with a file for every fact that must survive.
//! [`Runtime`] is the CRI's own division (sandbox, image, container), so that containerd can stand behind it;
//! [`ProcessRuntime`] runs native processes.
//!
//! A container finds in its environment, beside what the pod says: `PATH`, `HOME` (its own working directory), `HOSTNAME` (the
//! pod), `CEDGE_VOLUME_NAME` (where the volume `name` is, its letters in upper case and all else as `_`; a second mount of the
//! same volume is `CEDGE_VOLUME_NAME_2`) and `CEDGE_TERMINATION_LOG` (the file for its last words). Nothing else.
//!
//! Never: decides what should run, talks to a cluster, hands anything to a shell.

mod cgroup;
mod cri;
mod groups;
pub mod logs;
mod power;
mod process;
mod procfs;
pub mod shim;
mod spec;
mod sys;
mod terminal;

pub use cgroup::{Cgroups, Limits, Usage};
pub use cri::{
    ContainerConfig, Error, Exec, ExecConfig, Runtime, Sandbox, SandboxConfig, VolumeMount,
};
pub use power::{Belonging, belongings, power_off};
pub use process::{Options, ProcessRuntime};
pub use procfs::Process;
pub use spec::{Isolation, Mounts, User};
pub use terminal::{ExecProcess, Terminal};
