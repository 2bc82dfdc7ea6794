//! From a specification on disk to a running container, its log and its end.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;

use cedge_tasks::clock;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{ForkResult, Pid, pipe2};

use super::log::{Log, Stream};
use super::reap::{self, End};
use crate::procfs::Process;
use crate::spec::{self, Ended, Files, Running, Spec, Started};
use crate::{cgroup, sys};

/// The parent's ends of the container's pipes.
struct Pipes {
    stdout: OwnedFd,
    stderr: OwnedFd,
    /// Closed without a word when the program runs; else it says why not.
    refusal: OwnedFd,
    /// One byte lets the child go on.
    go: OwnedFd,
}

/// Returns in two processes: at once in the one that the agent waits for, after the container in the other.
/// What is written to standard output by the time it is closed says why the container does not run; nothing if it does.
pub(super) fn main(dir: PathBuf) -> ExitCode {
    match sys::fork() {
        Ok(ForkResult::Parent { .. }) => ExitCode::SUCCESS,
        Ok(ForkResult::Child) => {
            if let Err(error) = supervise(&Files(dir)) {
                let _ = write!(io::stdout(), "{error}");
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = write!(io::stdout(), "cannot fork: {error}");
            ExitCode::FAILURE
        }
    }
}

fn supervise(files: &Files) -> io::Result<()> {
    let spec: Spec = spec::read(&files.spec())?.ok_or(io::ErrorKind::NotFound)?;
    detach(&spec)?;
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_block()?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let mut log = Log::open(files.log(), spec.log_bytes_max)?;

    let (pid, pipes) = start(files, &spec)?;
    let running = Running {
        shim: Process::current()?,
        container: Process::of(pid)?,
    };
    let started = Started {
        at: clock::now(),
        running: Some(running),
    };
    if !spec::claim(&files.started(), &started)? {
        reap::sweep(&spec.cgroups);
        return Err(io::Error::other("the runtime has given this attempt up"));
    }
    nix::unistd::write(&pipes.go, b"g")?;
    drop(pipes.go);

    let mut refusal = String::new();
    io::Read::read_to_string(&mut std::fs::File::from(pipes.refusal), &mut refusal)?;
    if !refusal.is_empty() {
        reap::sweep(&spec.cgroups);
        finish(
            files,
            &spec,
            started.at,
            (128, None, Some("StartError")),
            Some(refusal.clone()),
        )?;
        return Err(io::Error::other(refusal));
    }
    leave_stdio()?;
    let end = follow(pid, (pipes.stdout, pipes.stderr), &signals, &spec, &mut log)?;
    let out_of_memory = end.signal == Some(Signal::SIGKILL as i32) && spec.cgroups.out_of_memory();
    let reason = out_of_memory.then_some("OOMKilled");
    let message = last_word(files, &spec, end);
    finish(
        files,
        &spec,
        started.at,
        (end.code, end.signal, reason),
        message,
    )
}

/// Away from the agent: its session, its terminal, its group.
fn detach(spec: &Spec) -> io::Result<()> {
    nix::unistd::setsid()?;
    nix::sys::prctl::set_child_subreaper(true)?;
    let _ = nix::sys::prctl::set_name(c"cedge-shim");
    sys::ignore_signals();
    std::env::set_current_dir("/")?;
    for dir in &spec.shim_groups {
        cgroup::join(dir);
    }
    Ok(())
}

fn start(files: &Files, spec: &Spec) -> io::Result<(Pid, Pipes)> {
    let (out_read, out_write) = pipe2(OFlag::O_CLOEXEC)?;
    let (err_read, err_write) = pipe2(OFlag::O_CLOEXEC)?;
    let (refusal_read, refusal_write) = pipe2(OFlag::O_CLOEXEC)?;
    let (go_read, go_write) = pipe2(OFlag::O_CLOEXEC)?;
    let shim = Pid::this();
    match sys::fork()? {
        ForkResult::Child => {
            drop((out_read, err_read, refusal_read, go_write));
            let mut go = [0];
            let told = std::fs::File::from(go_read).read(&mut go).unwrap_or(0);
            if told == 1 {
                let refusal =
                    super::child::become_container(files, spec, shim, (&out_write, &err_write));
                let _ = nix::unistd::write(&refusal_write, refusal.to_string().as_bytes());
            }
            leave(127)
        }
        ForkResult::Parent { child } => {
            for end in [&out_read, &err_read] {
                nix::fcntl::fcntl(end, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            }
            let pipes = Pipes {
                stdout: out_read,
                stderr: err_read,
                refusal: refusal_read,
                go: go_write,
            };
            Ok((child, pipes))
        }
    }
}

/// The agent reads our standard output to its end: that is now.
fn leave_stdio() -> io::Result<()> {
    let null = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    Ok(())
}

/// Writes the log until the first process has ended and everybody is silent.
fn follow(
    first: Pid,
    (stdout, stderr): (OwnedFd, OwnedFd),
    signals: &SignalFd,
    spec: &Spec,
    log: &mut Log,
) -> io::Result<End> {
    let mut streams = [
        (Some(stdout), Stream::new("stdout")),
        (Some(stderr), Stream::new("stderr")),
    ];
    let mut end = None;
    loop {
        if end.is_none() {
            end = reap::collect(first);
            if end.is_some() {
                reap::sweep(&spec.cgroups);
            }
        }
        for (pipe, stream) in &mut streams {
            if pipe.as_ref().is_some_and(|p| drain(p, stream, log)) {
                stream.end(log);
                *pipe = None;
            }
        }
        if let Some(end) = end {
            // Everybody who could write is dead: what had been written has just been read.
            for (_, stream) in streams.iter_mut().filter(|s| s.0.is_some()) {
                stream.end(log);
            }
            return Ok(end);
        }
        let open = streams.iter().filter_map(|s| s.0.as_ref());
        let mut waits: Vec<PollFd<'_>> = open
            .map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN))
            .collect();
        waits.push(PollFd::new(signals.as_fd(), PollFlags::POLLIN));
        match poll(&mut waits, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        while matches!(signals.read_signal(), Ok(Some(_))) {}
    }
}

/// Reads what is there; says whether the stream has ended.
fn drain(pipe: &OwnedFd, stream: &mut Stream, log: &mut Log) -> bool {
    let mut buffer = [0; 8192];
    // Bounded, so that one talkative stream cannot starve the other, nor the end of the container.
    for _ in 0..64 {
        match nix::unistd::read(pipe, &mut buffer) {
            Ok(0) => return true,
            Ok(n) => stream.take(&buffer[..n], log),
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
    false
}

/// The termination message: what the container left, or the end of its log if it failed and that is wanted.
fn last_word(files: &Files, spec: &Spec, end: End) -> Option<String> {
    const BYTES: usize = 4096;
    let left = std::fs::read(&spec.last_word.file).unwrap_or_default();
    if !left.is_empty() {
        return Some(String::from_utf8_lossy(&left[..left.len().min(BYTES)]).into_owned());
    }
    if !spec.last_word.or_log || end.code == 0 {
        return None;
    }
    let lines = crate::logs::last_lines(&files.log(), 80, 2048).ok()?;
    (!lines.is_empty()).then_some(lines)
}

fn finish(
    files: &Files,
    spec: &Spec,
    started: jiff::Timestamp,
    (code, signal, reason): (i32, Option<i32>, Option<&str>),
    message: Option<String>,
) -> io::Result<()> {
    let ended = Ended {
        started,
        finished: clock::now(),
        code,
        signal,
        reason: reason.map(ToOwned::to_owned),
        message,
    };
    spec::write(&files.ended(), &ended)?;
    spec.cgroups.remove();
    Ok(())
}

/// Ends a forked child without running what its parent has registered for its own end.
pub(super) fn leave(code: i32) -> ! {
    sys::exit_now(code)
}
