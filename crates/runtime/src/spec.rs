//! What stands on disk about a container, written and read by the runtime and by the shim.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::procfs::Process;

/// Where the own working directory of a container is seen from inside, when it has a mount namespace.
pub(crate) const WORK: &str = "/pod";

/// How much a container can be kept apart on this machine, by whom runs us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// Other user ids can be taken on.
    pub users: bool,
    /// How a mount namespace is had.
    pub mounts: Mounts,
}

/// How a container gets a mount namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mounts {
    /// By right: started as root.
    Private,
    /// Inside a user namespace of its own.
    UserNamespace,
    /// Not at all: volumes lie below the working directory.
    None,
}

/// A container as the shim starts it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Where it starts; its own working directory if not given.
    pub(crate) cwd: Option<String>,
    /// Its own working directory, on the host.
    pub(crate) work: PathBuf,
    pub(crate) binds: Vec<Bind>,
    /// What it must not see.
    pub(crate) masks: Vec<PathBuf>,
    pub(crate) mounts: Mounts,
    pub(crate) user: Option<User>,
    pub(crate) hostname: String,
    pub(crate) cgroups: crate::cgroup::Membership,
    /// Groups for the shim itself.
    pub(crate) shim_groups: Vec<PathBuf>,
    pub(crate) stdin: bool,
    /// The file it may leave a last word in, and whether its log will do.
    pub(crate) last_word: LastWord,
    pub(crate) log_bytes_max: u64,
}

/// A volume, or a file of one, at its place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    /// Below `source`; walked without following links, and made if missing.
    pub(crate) sub_path: Option<PathBuf>,
    pub(crate) target: PathBuf,
    pub(crate) read_only: bool,
}

/// Whom a container runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LastWord {
    pub(crate) file: PathBuf,
    pub(crate) or_log: bool,
}

/// Written by the shim before the first process may go on: from here on the attempt is used up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Started {
    pub(crate) at: Timestamp,
    /// `None`: the runtime gave this attempt up before a shim took it.
    pub(crate) running: Option<Running>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) shim: Process,
    pub(crate) container: Process,
}

/// Written when it is over, by the shim, or by the runtime for a shim that is gone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) started: Timestamp,
    pub(crate) finished: Timestamp,
    pub(crate) code: i32,
    pub(crate) signal: Option<i32>,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
}

/// The files in a container's directory.
#[derive(Debug, Clone)]
pub(crate) struct Files(pub(crate) PathBuf);

// === impl Files ===

impl Files {
    pub(crate) fn spec(&self) -> PathBuf {
        self.0.join("spec.json")
    }

    pub(crate) fn started(&self) -> PathBuf {
        self.0.join("started.json")
    }

    pub(crate) fn ended(&self) -> PathBuf {
        self.0.join("ended.json")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    pub(crate) fn stdin(&self) -> PathBuf {
        self.0.join("stdin")
    }

    /// Where the new root is mounted, in the container's own namespace only.
    pub(crate) fn root(&self) -> PathBuf {
        self.0.join("root")
    }
}

/// Reads a JSON file; `None` if there is none, or only what power loss left of one that was not [`write`]n durably.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a file is damaged; it counts as missing");
            Ok(None)
        }
    }
}

/// Writes a JSON file whole and durably, or not at all.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let (fresh, file) = write_beside(path, value)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_parent(path)
}

/// Writes a JSON file whole, or not at all. Power loss may take it: for what says nothing once the power was lost. It
/// spares a container's start the wait for a busy disk.
pub(crate) fn put<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let (fresh, _) = write_beside(path, value)?;
    fs::rename(&fresh, path)
}

/// As [`put`], unless there is such a file already; says whether it did. Whoever is first decides.
pub(crate) fn claim<T: Serialize>(path: &Path, value: &T) -> io::Result<bool> {
    let (fresh, _) = write_beside(path, value)?;
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    match linked {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

fn write_beside<T: Serialize>(path: &Path, value: &T) -> io::Result<(PathBuf, File)> {
    let fresh = path.with_extension(format!("new{}", std::process::id()));
    let mut file = File::create(&fresh)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    Ok((fresh, file))
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
