//! The parent of one container: a small process of its own, so that a container outlives the agent.
//!
//! It starts the container, writes its log, learns how it ends, says so durably, and ends itself. It has no threads, no
//! runtime, no sockets; whoever wants something of it reads and writes files. The agent may die and come back at any time.
//! Start reading at [`intercept`]; then `run` (the parent), `child` (what becomes the container), `rootfs`.

mod child;
mod exec;
mod log;
mod probe;
mod reap;
mod rootfs;
mod run;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use log::{KEPT, older};

/// The hidden first argument.
pub const SUBCOMMAND: &str = "__shim";

/// Does the shim's work if this process was started for it, and returns its exit code; else `None`. To be
/// called as the very first thing in `main`: before any thread is started.
#[must_use]
pub fn intercept() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != SUBCOMMAND {
        return None;
    }
    let args: Vec<OsString> = args.collect();
    let word = args.first().and_then(|a| a.to_str());
    Some(match (word, args.get(1)) {
        (Some("run"), Some(dir)) => run::main(PathBuf::from(dir)),
        (Some("exec"), Some(dir)) => exec::main(PathBuf::from(dir), &args[2..]),
        (Some("probe"), Some(dir)) => probe::main(&PathBuf::from(dir)),
        _ => ExitCode::from(64),
    })
}
