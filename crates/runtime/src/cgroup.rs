//! Control groups, as far as this machine and this user allow: v1, v2, and both at once.
//!
//! Every container has a group of its own in each hierarchy that matters: to be limited, counted, and killed as a
//! whole. Nothing here is needed for a container to run; what is not permitted is left out.

mod detect;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// The hierarchies that can be used, each with the directory below which our groups are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cgroups {
    /// The unified hierarchy; in a hybrid system it has no controllers.
    v2: Option<V2>,
    /// Controller → base directory.
    v1: Vec<(String, PathBuf)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct V2 {
    base: PathBuf,
    controllers: Vec<String>,
}

/// The groups of one container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Membership {
    /// Every directory to join, and to remove afterwards.
    pub(crate) dirs: Vec<PathBuf>,
    v2: Option<PathBuf>,
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
}

/// What a container may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Thousandths of a core that it may use.
    pub cpu: Option<u64>,
    /// Thousandths of a core that it is entitled to when there is not enough for all.
    pub cpu_share: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// What a container uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time since it started.
    pub cpu: Duration,
    /// Bytes of memory now, without the file pages that nobody has used of late.
    pub memory: u64,
}

const PERIOD: u64 = 100_000;

// === impl Cgroups ===

impl Cgroups {
    /// Looks at what is mounted, and tries whether groups can be made. `name` sets ours apart from those of other
    /// agents on this machine.
    #[must_use]
    pub fn detect(name: &str) -> Self {
        detect::detect(name)
    }

    /// No groups at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// What is in use, for people: `v2 (cpu memory)`, `v1 (cpu memory) + v2`, `none`.
    #[must_use]
    pub fn describe(&self) -> String {
        let v1: Vec<&str> = self.v1.iter().map(|(name, _)| name.as_str()).collect();
        match (&self.v2, v1.is_empty()) {
            (None, true) => "none".into(),
            (Some(v2), true) => format!("v2 ({})", v2.controllers.join(" ")),
            (None, false) => format!("v1 ({})", v1.join(" ")),
            (Some(_), false) => format!("v1 ({}) + v2", v1.join(" ")),
        }
    }

    /// Makes the groups of one container and sets its limits.
    pub(crate) fn create(&self, pod: &str, container: &str, limits: Limits) -> Membership {
        let mut made = Membership::default();
        if let Some(v2) = &self.v2 {
            let pod_dir = v2.base.join(pod);
            let dir = pod_dir.join(container);
            if fs::create_dir_all(&pod_dir).is_ok() {
                detect::enable(&pod_dir, &v2.controllers);
            }
            if fs::create_dir_all(&dir).is_ok() {
                made.dirs.push(dir.clone());
                let has = |name: &str| {
                    v2.controllers
                        .iter()
                        .any(|c| c == name)
                        .then(|| dir.clone())
                };
                made.memory = has("memory");
                made.cpu = has("cpu");
                made.v2 = Some(dir);
            }
        }
        for (controller, base) in &self.v1 {
            let dir = base.join(pod).join(container);
            if fs::create_dir_all(&dir).is_err() {
                continue;
            }
            match controller.as_str() {
                "memory" => made.memory = Some(dir.clone()),
                "cpu" => made.cpu = Some(dir.clone()),
                _ => {}
            }
            if !made.dirs.contains(&dir) {
                made.dirs.push(dir);
            }
        }
        made.limit(limits);
        made
    }

    /// The groups for the parents of containers, away from the group of the service that starts us, which
    /// may be killed as a whole when it is stopped.
    pub(crate) fn shims(&self) -> Vec<PathBuf> {
        let v2 = self.v2.iter().map(|v| v.base.join("shims"));
        let dirs = v2.chain(self.v1.iter().map(|(_, base)| base.join("shims")));
        dirs.filter(|dir| fs::create_dir_all(dir).is_ok()).collect()
    }

    /// Takes away the groups of a pod, once nothing is in them.
    pub(crate) fn remove_pod(&self, pod: &str) {
        let v2 = self.v2.iter().map(|v| v.base.join(pod));
        for dir in v2.chain(self.v1.iter().map(|(_, base)| base.join(pod))) {
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                let _ = fs::remove_dir(entry.path());
            }
            let _ = fs::remove_dir(dir);
        }
    }
}

// === impl Membership ===

impl Membership {
    fn limit(&self, limits: Limits) {
        let unified = |dir: &PathBuf| self.v2.as_ref() == Some(dir);
        if let (Some(dir), Some(bytes)) = (&self.memory, limits.memory) {
            if unified(dir) {
                set(dir, "memory.max", &bytes);
                set(dir, "memory.swap.max", &0);
                set(dir, "memory.oom.group", &1);
            } else {
                set(dir, "memory.limit_in_bytes", &bytes);
                set(dir, "memory.memsw.limit_in_bytes", &bytes);
            }
        }
        let Some(dir) = &self.cpu else { return };
        if let Some(milli) = limits.cpu {
            let quota = (milli.saturating_mul(PERIOD) / 1000).max(1000);
            if unified(dir) {
                set(dir, "cpu.max", &format!("{quota} {PERIOD}"));
            } else {
                set(dir, "cpu.cfs_period_us", &PERIOD);
                set(dir, "cpu.cfs_quota_us", &quota);
            }
        }
        let shares = (limits.cpu_share.unwrap_or(0).saturating_mul(1024) / 1000).clamp(2, 262_144);
        if unified(dir) {
            // The map from 2–262144 to 1–10000 that the runtimes of Kubernetes use.
            set(dir, "cpu.weight", &(1 + (shares - 2) * 9999 / 262_142));
        } else {
            set(dir, "cpu.shares", &shares);
        }
    }

    /// Moves the calling process into the groups.
    pub(crate) fn join(&self) {
        for dir in &self.dirs {
            join(dir);
        }
    }

    /// Every process in the groups.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let Some(dir) = self.v2.as_ref().or(self.dirs.first()) else {
            return Vec::new();
        };
        let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|l| l.parse().ok()).collect()
    }

    /// Kills everything in the groups.
    pub(crate) fn kill(&self) {
        if let Some(dir) = &self.v2
            && fs::write(dir.join("cgroup.kill"), "1").is_ok()
        {
            return;
        }
        // Without the kernel's help: until nobody is left who could have forked meanwhile.
        for _ in 0..50 {
            let processes = self.processes();
            if processes.is_empty() {
                return;
            }
            for pid in processes {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            pause(Duration::from_millis(2));
        }
    }

    /// Whether the kernel has killed something in it for want of memory.
    pub(crate) fn out_of_memory(&self) -> bool {
        let Some(dir) = &self.memory else {
            return false;
        };
        ["memory.events", "memory.oom_control"].iter().any(|file| {
            let text = fs::read_to_string(dir.join(file)).unwrap_or_default();
            number_after(&text, "oom_kill ").is_some_and(|n| n > 0)
        })
    }

    /// What the groups use; `None` where nothing is counted.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let read = |dir: &Path, file: &str| fs::read_to_string(dir.join(file)).ok();
        let memory = self.memory.as_ref().and_then(|dir| {
            let text =
                read(dir, "memory.current").or_else(|| read(dir, "memory.usage_in_bytes"))?;
            let all: u64 = text.trim().parse().ok()?;
            // What the kernel would give up first is not counted, as the kubelet does.
            let stat = read(dir, "memory.stat").unwrap_or_default();
            let files = number_after(&stat, "total_inactive_file ");
            let files = files.or_else(|| number_after(&stat, "inactive_file "));
            Some(all.saturating_sub(files.unwrap_or(0)))
        })?;
        let v1 = self.dirs.iter().find_map(|dir| read(dir, "cpuacct.usage"));
        let nanos = match v1 {
            Some(text) => text.trim().parse().ok()?,
            None => number_after(&read(self.v2.as_ref()?, "cpu.stat")?, "usage_usec ")? * 1000,
        };
        Some(Usage {
            cpu: Duration::from_nanos(nanos),
            memory,
        })
    }

    /// Takes the groups away; waits a moment for the last process to be gone.
    pub(crate) fn remove(&self) {
        for dir in &self.dirs {
            for _ in 0..50 {
                match fs::remove_dir(dir) {
                    Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {
                        pause(Duration::from_millis(2));
                    }
                    _ => break,
                }
            }
        }
    }
}

/// Takes away all groups of the agent that has this name. What was killed a moment ago is in its group until somebody
/// has reaped it: waited for, two seconds at most.
pub(crate) fn remove_all(name: &str) {
    for _ in 0..40 {
        let left = detect::existing(name);
        if left.is_empty() {
            return;
        }
        left.iter().for_each(|base| remove_tree(base));
        pause(Duration::from_millis(50));
    }
    tracing::warn!(name, "control groups are left behind");
}

fn remove_tree(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
        remove_tree(&entry.path());
    }
    let _ = fs::remove_dir(dir);
}

/// Moves the calling process into a group.
pub(crate) fn join(dir: &Path) {
    let _ = fs::write(dir.join("cgroup.procs"), "0");
}

fn set(dir: &Path, file: &str, value: &dyn ToString) {
    if let Err(error) = fs::write(dir.join(file), value.to_string()) {
        tracing::debug!(dir = %dir.display(), file, %error, "limit not set");
    }
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    line.trim().parse().ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "in the shim and in rare clean-ups: bounded, and there is nothing to await there"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
