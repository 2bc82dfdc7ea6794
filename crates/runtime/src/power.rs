//! Everything that runs on behalf of a data directory, for tools that play power loss or clean up.

use std::io;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::layout::Layout;
use crate::procfs::{self, Process};
use crate::spec::{self, Files, Spec, Started};

/// One container that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belonging {
    /// `UID.NAME.ATTEMPT`.
    pub container: String,
    /// Its parent.
    pub shim: Process,
    /// Every process of it.
    pub processes: Vec<i32>,
}

/// What lives of the pods of the agent with this data directory.
///
/// # Errors
/// The directory cannot be read.
pub fn belongings(data_dir: &Path) -> io::Result<Vec<Belonging>> {
    let layout = Layout::new(data_dir);
    let mut found = Vec::new();
    for (id, files) in layout.all_containers()? {
        let started: Option<Started> = spec::read(&files.started())?;
        let Some(running) = started.and_then(|s| s.running) else {
            continue;
        };
        let mut processes = groups(&files);
        if running.shim.is_alive() {
            processes.extend(procfs::descendants(running.shim.pid));
        }
        if running.container.is_alive() {
            processes.push(running.container.pid);
        }
        processes.sort_unstable();
        processes.dedup();
        if running.shim.is_alive() || !processes.is_empty() {
            found.push(Belonging {
                container: id.0,
                shim: running.shim,
                processes,
            });
        }
    }
    Ok(found)
}

/// Kills every pod of a data directory at once, as loss of power would: nobody gets to write down how it ended.
/// Returns how many processes that were. The agent must be dead already, or it starts them again.
///
/// # Errors
/// The directory cannot be read.
pub fn power_off(data_dir: &Path) -> io::Result<usize> {
    let mut killed = 0;
    // The parents are stopped first, so that none sees its container die.
    for belonging in belongings(data_dir)? {
        let _ = belonging.shim.signal(Signal::SIGSTOP);
    }
    for _ in 0..100 {
        let left = belongings(data_dir)?;
        let processes: Vec<i32> = left.iter().flat_map(|b| b.processes.clone()).collect();
        let alive = |pid: &i32| procfs::stat(*pid).is_ok_and(|s| !s.zombie);
        let alive: Vec<i32> = processes.into_iter().filter(alive).collect();
        killed += alive.len();
        for pid in &alive {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        if alive.is_empty() {
            for belonging in left {
                killed += usize::from(belonging.shim.signal(Signal::SIGKILL).is_ok());
            }
            break;
        }
    }
    crate::cgroup::remove_all(&Layout::new(data_dir).tag());
    Ok(killed)
}

/// Those in its control groups; only groups that are its own by name are looked at.
fn groups(files: &Files) -> Vec<i32> {
    let spec: Option<Spec> = spec::read(&files.spec()).ok().flatten();
    spec.map(|s| s.cgroups.processes()).unwrap_or_default()
}
