//! What this machine lets us do, found out by doing it in a child that nobody misses.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Uid, setgroups, setresgid, setresuid};

use super::{rootfs, run};
use crate::cgroup::Membership;
use crate::spec::{Isolation, LastWord, Mounts, Spec};
use crate::sys;

const NOBODY: u32 = 65_534;

/// Prints what is permitted as JSON. `dir` is an empty directory to try it in.
pub(super) fn main(dir: &Path) -> ExitCode {
    let users = nix::unistd::geteuid().is_root() && works(change_user);
    let (root, work) = (dir.join("root"), dir.join("work"));
    let can = |mounts| {
        works(|| {
            std::fs::create_dir_all(&root)?;
            std::fs::create_dir_all(&work)?;
            rootfs::enter(&root, &empty(&work, mounts))
        })
    };
    let mounts = if users && can(Mounts::Private) {
        Mounts::Private
    } else if can(Mounts::UserNamespace) {
        Mounts::UserNamespace
    } else {
        Mounts::None
    };
    let found = serde_json::to_string(&Isolation { users, mounts });
    match found
        .map_err(io::Error::from)
        .and_then(|text| write!(io::stdout(), "{text}"))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn works(attempt: impl FnOnce() -> io::Result<()>) -> bool {
    match sys::fork() {
        Ok(ForkResult::Child) => run::leave(i32::from(attempt().is_err())),
        Ok(ForkResult::Parent { child }) => {
            matches!(waitpid(child, None), Ok(WaitStatus::Exited(_, 0)))
        }
        Err(_) => false,
    }
}

fn change_user() -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[gid])?;
    setresgid(gid, gid, gid)?;
    Ok(setresuid(uid, uid, uid)?)
}

fn empty(work: &Path, mounts: Mounts) -> Spec {
    Spec {
        argv: Vec::new(),
        env: Vec::new(),
        cwd: None,
        work: work.to_owned(),
        binds: Vec::new(),
        masks: Vec::new(),
        mounts,
        user: None,
        hostname: "probe".into(),
        cgroups: Membership::default(),
        shim_groups: Vec::new(),
        stdin: false,
        last_word: LastWord {
            file: PathBuf::new(),
            or_log: false,
        },
        log_bytes_max: 0,
    }
}
