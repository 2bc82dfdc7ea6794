//! Which file is where.
//!
//! `DATA/pods/UID/sandbox.json` and `DATA/pods/UID/c/NAME/ATTEMPT/…`. What a container's own user must reach by
//! path (working directories, volumes) lies in the same place, unless that user could not get through: see `with_open_dirs`.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use cedge_pod_lifecycle::ContainerId;

use crate::cri::Error;
use crate::spec::Files;

#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Only for us.
    pods: PathBuf,
    /// For the pods' users, each in a part of its own.
    open: PathBuf,
}

// === impl Layout ===

impl Layout {
    pub(crate) fn new(data_dir: &Path) -> Self {
        let data_dir = data_dir
            .canonicalize()
            .unwrap_or_else(|_| data_dir.to_owned());
        let pods = data_dir.join("pods");
        Self {
            open: pods.clone(),
            pods,
        }
    }

    /// For containers with users of their own and no mount namespace: they cannot walk through a data directory
    /// that is closed to all but root, so their part lies outside of it.
    pub(crate) fn with_open_dirs(self) -> Self {
        let open = Path::new("/var/tmp").join(format!("cedge-pods-{}", self.tag()));
        Self { open, ..self }
    }

    /// Set apart from the agents of other data directories.
    pub(crate) fn tag(&self) -> String {
        format!("{:08x}", hash(&self.pods.to_string_lossy()) & 0xffff_ffff)
    }

    pub(crate) fn make(&self) -> io::Result<()> {
        make_private(&self.pods)?;
        if self.open != self.pods {
            make_private(&self.open)?;
            fs::set_permissions(&self.open, fs::Permissions::from_mode(0o711))?;
        }
        Ok(())
    }

    pub(crate) fn pods(&self) -> &Path {
        &self.pods
    }

    pub(crate) fn pod(&self, uid: &str) -> PathBuf {
        self.pods.join(uid)
    }

    pub(crate) fn open_pod(&self, uid: &str) -> PathBuf {
        self.open.join(uid)
    }

    pub(crate) fn is_open_apart(&self) -> bool {
        self.open != self.pods
    }

    pub(crate) fn container(&self, uid: &str, name: &str, attempt: u32) -> Files {
        Files(self.pod(uid).join("c").join(name).join(attempt.to_string()))
    }

    /// The directory of a container by its identity.
    pub(crate) fn files(&self, id: &ContainerId) -> Result<Files, Error> {
        let (uid, name, attempt) = parts(id)?;
        Ok(self.container(uid, name, attempt))
    }

    /// The own working directory of a container.
    pub(crate) fn work(&self, id: &ContainerId) -> Result<PathBuf, Error> {
        let (uid, name, attempt) = parts(id)?;
        Ok(self
            .open_pod(uid)
            .join("work")
            .join(name)
            .join(attempt.to_string()))
    }

    /// The attempts of one container, in any order.
    pub(crate) fn attempts(&self, uid: &str, name: &str) -> io::Result<Vec<u32>> {
        let names = entries(&self.pod(uid).join("c").join(name))?;
        Ok(names.iter().filter_map(|n| n.parse().ok()).collect())
    }

    /// Every attempt of every container of a pod.
    pub(crate) fn containers(&self, uid: &str) -> io::Result<Vec<(ContainerId, Files)>> {
        let mut found = Vec::new();
        for name in entries(&self.pod(uid).join("c"))? {
            for attempt in self.attempts(uid, &name)? {
                found.push((id(uid, &name, attempt), self.container(uid, &name, attempt)));
            }
        }
        Ok(found)
    }

    pub(crate) fn all_containers(&self) -> io::Result<Vec<(ContainerId, Files)>> {
        let mut found = Vec::new();
        for uid in entries(&self.pods)? {
            found.extend(self.containers(&uid)?);
        }
        Ok(found)
    }
}

pub(crate) fn id(uid: &str, name: &str, attempt: u32) -> ContainerId {
    ContainerId(format!("{uid}.{name}.{attempt}"))
}

/// Neither a pod's uid nor a container's name holds a dot.
pub(crate) fn parts(id: &ContainerId) -> Result<(&str, &str, u32), Error> {
    let mut words = id.0.split('.');
    let (uid, name, attempt) = (words.next(), words.next(), words.next());
    let attempt = attempt.and_then(|a| a.parse().ok());
    match (uid, name, attempt, words.next()) {
        (Some(uid), Some(name), Some(attempt), None) if is_name(uid) && is_name(name) => {
            Ok((uid, name, attempt))
        }
        _ => Err(Error::NotFound(format!("container {id}"))),
    }
}

/// Whether a word can be part of a path without leading anywhere else.
pub(crate) fn is_name(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 128
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Names in a directory; none if it does not exist.
pub(crate) fn entries(dir: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(dir) {
        Ok(entries) => entries
            .map(|e| Ok(e?.file_name().to_string_lossy().into_owned()))
            .collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// Makes a directory that only we may enter.
pub(crate) fn make_private(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}

/// FNV-1a: short, stable for ever, and nobody gains anything by a collision.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
