//! One more process in a container that runs: same groups, same tree, same user, same environment.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use nix::sched::{CloneFlags, setns};

use super::child::{self, Refusal};
use crate::spec::{self, Files, Mounts, Spec, Started, WORK};
use crate::sys;

/// Becomes the command; returns only if that fails. Standard streams are the caller's.
pub(super) fn main(dir: PathBuf, args: &[OsString]) -> ExitCode {
    let text = |a: &OsString| a.to_string_lossy().into_owned();
    let (tty, argv) = match args.split_first() {
        Some((first, rest)) if first == "--tty" => (true, rest),
        _ => (false, args),
    };
    let argv: Vec<String> = argv.iter().skip_while(|a| *a == "--").map(text).collect();
    let refusal = match prepare(&Files(dir), tty) {
        Ok(mut spec) => {
            if tty && !spec.env.iter().any(|(key, _)| key == "TERM") {
                spec.env.push(("TERM".into(), "xterm".into()));
            }
            match child::execute(&argv, &spec.env) {
                Err(refusal) => refusal,
                Ok(never) => match never {},
            }
        }
        Err(error) => Refusal(error.to_string()),
    };
    let _ = writeln!(io::stderr(), "{refusal}");
    ExitCode::from(if refusal.0.contains("not found") {
        127
    } else {
        126
    })
}

fn prepare(files: &Files, tty: bool) -> io::Result<Spec> {
    let gone = || io::Error::new(io::ErrorKind::NotFound, "the container is not running");
    let spec: Spec = spec::read(&files.spec())?.ok_or_else(gone)?;
    let started: Started = spec::read(&files.started())?.ok_or_else(gone)?;
    let running = started
        .running
        .filter(|r| r.container.is_alive())
        .ok_or_else(gone)?;
    nix::unistd::setsid()?;
    if tty {
        sys::take_terminal(&io::stdin())?;
    }
    spec.cgroups.join();
    let own = if spec.mounts == Mounts::None {
        spec.work.clone()
    } else {
        enter(running.container.pid, spec.mounts)?;
        PathBuf::from(WORK)
    };
    std::env::set_current_dir(spec.cwd.as_ref().map_or(own, PathBuf::from))?;
    child::give_up(spec.user.as_ref())?;
    sys::close_on_exec_from_3()?;
    Ok(spec)
}

fn enter(pid: i32, mounts: Mounts) -> io::Result<()> {
    let open = |kind: &str| File::open(format!("/proc/{pid}/ns/{kind}"));
    let (user, mnt, uts) = (open("user")?, open("mnt")?, open("uts")?);
    if mounts == Mounts::UserNamespace {
        setns(user, CloneFlags::CLONE_NEWUSER)?;
    }
    setns(uts, CloneFlags::CLONE_NEWUTS)?;
    Ok(setns(mnt, CloneFlags::CLONE_NEWNS)?)
}
