//! Who a process is: its number alone says nothing after a while, number, start time and boot together do.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{Pid, SysconfVar};
use serde::{Deserialize, Serialize};

use crate::cgroup::Usage;
use crate::sys;

/// A process, for as long as this boot of the machine lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it was started, in ticks since boot.
    pub start: u64,
    /// Which boot.
    pub boot: String,
}

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stat {
    pub(crate) parent: i32,
    pub(crate) zombie: bool,
    pub(crate) start: u64,
    /// User and system time, in ticks.
    pub(crate) ticks: u64,
    pub(crate) resident_pages: u64,
}

// === impl Process ===

impl Process {
    /// This process.
    pub(crate) fn current() -> io::Result<Self> {
        Self::of(Pid::this())
    }

    /// The process that has this number now.
    pub(crate) fn of(pid: Pid) -> io::Result<Self> {
        Ok(Self {
            pid: pid.as_raw(),
            start: stat(pid.as_raw())?.start,
            boot: boot_id().to_owned(),
        })
    }

    /// Whether it lives: a zombie does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.boot == boot_id() && stat(self.pid).is_ok_and(|s| s.start == self.start && !s.zombie)
    }

    /// A handle, if it is still the same process.
    pub(crate) fn open(&self) -> io::Result<std::os::fd::OwnedFd> {
        let fd = sys::pidfd_open(Pid::from_raw(self.pid))?;
        // Checked after the handle was taken: from here on it cannot become another one.
        if self.is_alive() {
            Ok(fd)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// Sends a signal, if it still lives.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match self.open() {
            Ok(fd) => sys::pidfd_send_signal(&fd, signal as i32),
            Err(e) if e.raw_os_error() == Some(nix::libc::ENOSYS) => {
                if !self.is_alive() {
                    return Err(io::ErrorKind::NotFound.into());
                }
                Ok(nix::sys::signal::kill(Pid::from_raw(self.pid), signal)?)
            }
            Err(e) => Err(e),
        }
    }
}

/// A word that is different after each boot.
pub(crate) fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let read = fs::read_to_string("/proc/sys/kernel/random/boot_id");
        read.unwrap_or_default().trim().to_owned()
    })
}

pub(crate) fn stat(pid: i32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The name stands in brackets and may hold anything, brackets too: fields are counted from the last one.
fn parse(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |i: usize| fields.get(i)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        start: number(19)?,
        ticks: number(11)? + number(12)?,
        resident_pages: number(21)?,
    })
}

/// Every process of this machine.
pub(crate) fn all() -> BTreeMap<i32, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| Some((pid, stat(pid).ok()?)))
        .collect()
}

/// All that descends from `root`, without itself.
pub(crate) fn descendants(root: i32) -> Vec<i32> {
    let all = all();
    let mut found = vec![root];
    let mut i = 0;
    while let Some(parent) = found.get(i).copied() {
        found.extend(
            all.iter()
                .filter(|(_, s)| s.parent == parent)
                .map(|(pid, _)| *pid),
        );
        i += 1;
    }
    found.split_off(1)
}

/// What some processes use together, where no control group counts it.
pub(crate) fn usage(pids: &[i32]) -> Usage {
    let (mut ticks, mut pages) = (0, 0);
    for stat in pids.iter().filter_map(|pid| stat(*pid).ok()) {
        ticks += stat.ticks;
        pages += stat.resident_pages;
    }
    let per_second = sysconf(SysconfVar::CLK_TCK);
    Usage {
        cpu: Duration::from_millis(ticks * 1000 / per_second.max(1)),
        memory: pages * sysconf(SysconfVar::PAGE_SIZE),
    }
}

fn sysconf(name: SysconfVar) -> u64 {
    let value = nix::unistd::sysconf(name).ok().flatten().unwrap_or(0);
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_confuse() {
        let line = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 10 20 0 0 20 0 1 0 555 1000 42 0";
        let stat = parse(line).unwrap();
        assert_eq!(
            (stat.parent, stat.start, stat.ticks, stat.resident_pages),
            (1, 555, 30, 42)
        );
        assert!(!stat.zombie);
    }

    #[test]
    fn a_process_of_another_boot_or_start_is_not_alive() {
        let me = Process::current().unwrap();
        assert!(me.is_alive());
        let mut other = me.clone();
        other.start += 1;
        assert!(!other.is_alive());
        other = Process {
            boot: "yesterday".into(),
            ..me
        };
        assert!(!other.is_alive());
    }
}
