//! Nothing of a container outlives it: its whole offspring ends with its first process.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::cgroup::Membership;
use crate::procfs;

/// How the first process ended: exit code and signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) code: i32,
    pub(super) signal: Option<i32>,
}

/// Collects whoever has ended; returns the end of `first` if it was among them.
pub(super) fn collect(first: Pid) -> Option<End> {
    let mut end = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == first => {
                end = Some(End { code, signal: None });
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == first => {
                end = Some(End {
                    code: 128 + signal as i32,
                    signal: Some(signal as i32),
                });
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return end,
            Ok(_) => {}
        }
    }
}

/// Kills all that is left, by group and by descent, until nobody is. What has detached itself has become our child,
/// because we are the reaper of all that descends from us.
pub(super) fn sweep(groups: &Membership) {
    for _ in 0..500 {
        groups.kill();
        for pid in procfs::descendants(Pid::this().as_raw()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Err(Errno::ECHILD) => return,
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(_) => {}
            }
        }
        pause(Duration::from_millis(2));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a process without threads and without anything else to do"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
