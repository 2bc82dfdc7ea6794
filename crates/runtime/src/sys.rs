//! The system calls that no safe crate wraps. The only `unsafe` of this crate, each one line deep.
#![expect(
    unsafe_code,
    reason = "fork, pidfd, capabilities and terminals have no safe wrapper in nix"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;
use nix::pty::Winsize;
use nix::unistd::{ForkResult, Pid};
use tokio::io::unix::AsyncFd;

nix::ioctl_write_int_bad!(tiocsctty, libc::TIOCSCTTY);
nix::ioctl_write_ptr_bad!(tiocswinsz, libc::TIOCSWINSZ, Winsize);

/// Splits this process in two. Only called from the shim, which never starts a thread: so the child may
/// allocate, take locks and do all else that is forbidden after a fork of a process with threads.
pub(crate) fn fork() -> io::Result<ForkResult> {
    debug_assert_eq!(
        threads(),
        Some(1),
        "only a process without threads may fork"
    );
    // SAFETY: there is one thread only (see above), so no lock can be held by a thread that the child lacks.
    Ok(unsafe { nix::unistd::fork() }?)
}

fn threads() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

/// A handle on a process that is not confused when its number is used again.
pub(crate) fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers in, a new descriptor or -1 out.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0);
    match fd {
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        Some(fd) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        None => Err(io::Error::last_os_error()),
    }
}

/// Sends a signal to the process behind a handle.
pub(crate) fn pidfd_send_signal(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a valid descriptor, a null pointer that the call documents as "no info", numbers.
    let done = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            no_info,
            0,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Marks every descriptor from 3 up as closed on exec.
pub(crate) fn close_on_exec_from_3() -> io::Result<()> {
    const CLOEXEC: libc::c_uint = 4;
    // SAFETY: numbers only; no descriptor is closed, so nothing that Rust owns becomes invalid.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOEXEC) };
    if done == 0 {
        return Ok(());
    }
    // Kernels before 5.11: one by one.
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let fd = name.to_str().and_then(|n| n.parse::<RawFd>().ok());
        if let Some(fd) = fd.filter(|fd| *fd > 2) {
            // SAFETY: sets a flag on a number; one that is no descriptor any more gives EBADF, which is fine.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// Takes every capability out of the bounding set, so that no exec can bring one back.
pub(crate) fn drop_bounding_set() {
    for capability in 0..64 {
        // SAFETY: numbers only; unknown capabilities and a missing right give an error, which changes nothing.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
}

/// Makes a terminal the controlling one of this session.
pub(crate) fn take_terminal(terminal: &impl AsFd) -> io::Result<()> {
    // SAFETY: a valid descriptor and the number that the call wants.
    unsafe { tiocsctty(terminal.as_fd().as_raw_fd(), 0) }?;
    Ok(())
}

/// Tells a terminal how large its window is.
pub(crate) fn resize_terminal(terminal: &impl AsFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: a valid descriptor, and a pointer to a value that outlives the call.
    unsafe { tiocswinsz(terminal.as_fd().as_raw_fd(), &raw const size) }?;
    Ok(())
}

/// Signals as a new program expects them: Rust's own start-up ignores SIGPIPE, the shim some more.
pub(crate) fn default_signals() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    for number in Signal::iterator() {
        // SAFETY: the default disposition installs no handler; SIGKILL and SIGSTOP give an error only.
        let _ = unsafe { signal(number, SigHandler::SigDfl) };
    }
}

/// The shim outlives terminals, sessions and its agent: it does not listen to what is meant for them.
pub(crate) fn ignore_signals() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    for number in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGPIPE,
    ] {
        // SAFETY: ignoring a signal installs no handler.
        let _ = unsafe { signal(number, SigHandler::SigIgn) };
    }
}

/// Ends this process on the spot: no handlers, no buffers. For a child that was forked and did not exec.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// Waits for a descriptor with the runtime's own poll.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` refers to the same open file until it is dropped, and is dropped only with the result.
    Ok(unsafe { AsyncFd::register(fd) }?)
}
