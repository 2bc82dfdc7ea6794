//! What a forked child does to become the container: step by step it gives away what it could do.

use std::convert::Infallible;
use std::ffi::CString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Gid, Pid, Uid, getppid, setgroups, setresgid, setresuid, setsid};

use super::rootfs;
use crate::spec::{Files, Mounts, Spec, User, WORK};
use crate::sys;

/// Why a container does not run, in words for its status.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns only if it fails.
pub(super) fn become_container(
    files: &Files,
    spec: &Spec,
    shim: Pid,
    (stdout, stderr): (&OwnedFd, &OwnedFd),
) -> Refusal {
    let prepared = prepare(files, spec, shim, (stdout, stderr));
    match prepared.and_then(|()| execute(&spec.argv, &spec.env)) {
        Err(refusal) => refusal,
        Ok(never) => match never {},
    }
}

fn prepare(
    files: &Files,
    spec: &Spec,
    shim: Pid,
    (stdout, stderr): (&OwnedFd, &OwnedFd),
) -> Result<(), Refusal> {
    step("new session", setsid())?;
    let stdin = step("standard input", open_stdin(files, spec))?;
    spec.cgroups.join();
    if spec.mounts != Mounts::None {
        step("mount namespace", rootfs::enter(&files.root(), spec))?;
    }
    step("working directory", change_dir(spec))?;
    step("standard streams", connect(&stdin, stdout, stderr))?;
    step("user", give_up(spec.user.as_ref()))?;
    step("end with the shim", end_with(shim))?;
    step("descriptors", sys::close_on_exec_from_3())
}

/// With `stdin: true` a pipe with a name, held open by the container itself, so that it never ends.
fn open_stdin(files: &Files, spec: &Spec) -> io::Result<File> {
    if spec.stdin {
        return OpenOptions::new()
            .read(true)
            .write(true)
            .open(files.stdin());
    }
    File::open("/dev/null")
}

fn change_dir(spec: &Spec) -> io::Result<()> {
    let own = match spec.mounts {
        Mounts::None => spec.work.clone(),
        Mounts::Private | Mounts::UserNamespace => PathBuf::from(WORK),
    };
    std::env::set_current_dir(spec.cwd.as_ref().map_or(own, PathBuf::from))
}

fn connect(stdin: &File, stdout: &OwnedFd, stderr: &OwnedFd) -> io::Result<()> {
    nix::unistd::dup2_stdin(stdin)?;
    nix::unistd::dup2_stdout(stdout)?;
    nix::unistd::dup2_stderr(stderr)?;
    Ok(())
}

/// No capability, no way to get one back, and another user where that is possible. Also for exec.
pub(super) fn give_up(user: Option<&User>) -> io::Result<()> {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    sys::drop_bounding_set();
    if let Some(user) = user {
        let groups: Vec<Gid> = user.groups.iter().map(|g| Gid::from_raw(*g)).collect();
        setgroups(&groups)?;
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
    }
    prctl::set_no_new_privs()?;
    sys::default_signals();
    SigSet::all().thread_unblock()?;
    Ok(())
}

/// A container without its shim has no log and nobody who learns its end: it dies with it. After the change of user,
/// which would cancel the request.
fn end_with(shim: Pid) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() == shim {
        Ok(())
    } else {
        Err(io::Error::other("the shim is gone"))
    }
}

/// Becomes the program. Also for exec.
pub(super) fn execute(argv: &[String], env: &[(String, String)]) -> Result<Infallible, Refusal> {
    let Some(name) = argv.first() else {
        return Err(Refusal("no command".into()));
    };
    let program = find(name, env)?;
    let text = |s: &str| CString::new(s).map_err(|_| Refusal(format!("{s:?} holds a zero byte")));
    let path = text(&program.to_string_lossy())?;
    let args = argv
        .iter()
        .map(|a| text(a))
        .collect::<Result<Vec<_>, _>>()?;
    let env = env
        .iter()
        .map(|(key, value)| text(&format!("{key}={value}")))
        .collect::<Result<Vec<_>, _>>()?;
    match nix::unistd::execve(&path, &args, &env) {
        Ok(never) => Ok(never),
        Err(nix::errno::Errno::ENOENT) => Err(Refusal(format!(
            "exec: {name:?}: no such file or directory (or the interpreter that it names is missing)"
        ))),
        Err(e) => Err(Refusal(format!(
            "exec: {name:?}: {}",
            e.desc().to_lowercase()
        ))),
    }
}

/// Where a command is, by the container's own PATH.
fn find(name: &str, env: &[(String, String)]) -> Result<PathBuf, Refusal> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let path = env.iter().rev().find(|(key, _)| key == "PATH");
    let dirs = path.map(|(_, value)| value.as_str()).unwrap_or_default();
    let found = dirs
        .split(':')
        .map(|dir| Path::new(dir).join(name))
        .find(|p| is_program(p));
    found.ok_or_else(|| {
        Refusal(format!(
            "exec: {name:?}: executable file not found in $PATH"
        ))
    })
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| {
        !m.is_dir() && !m.file_type().is_fifo() && m.permissions().mode() & 0o111 != 0
    })
}

fn step<T, E: fmt::Display>(what: &str, result: Result<T, E>) -> Result<T, Refusal> {
    result.map_err(|error| Refusal(format!("{what}: {error}")))
}
