//! Persistent volumes that are directories of this node: made when a pod first mounts one, removed when the volume was
//! taken from us by name and its policy is to delete. What we hold nothing of, we remove nothing of (I3).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use k8s_openapi::api::core::v1::PersistentVolume;

/// Annotation of a Node: where these directories are.
pub(crate) const PLACE: &str = "edge.centaurus.io/local-volumes";
/// Below the directories: a file for each volume that we know of.
const KNOWN: &str = ".known";

/// The directories. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    root: PathBuf,
}

/// Where they are, as a path that others can name.
pub(crate) fn root(data_dir: &Path) -> PathBuf {
    let root = data_dir.join("storage");
    std::path::absolute(&root).unwrap_or(root)
}

impl Storage {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            root: root(data_dir),
        }
    }

    /// Whether a path is that of a volume here.
    pub(crate) fn is_ours(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|n| n.to_str());
        path.parent() == Some(&self.root)
            && name.is_some_and(|n| !n.starts_with('.'))
            && self.root.join(name.unwrap_or_default()) == path
    }

    /// A volume was handed to us (`Some`) or taken away by name. What fails is told, and tried again when the node
    /// starts again and the table has it.
    pub(crate) async fn follow(&self, name: &str, value: Option<Bytes>) {
        let (this, volume) = (self.clone(), name.to_owned());
        let work = move || match value {
            Some(value) => this.note(&volume, &value),
            None => this.erase(&volume),
        };
        // A directory may hold much; other tasks go on meanwhile.
        let done = tokio::task::spawn_blocking(work).await;
        if let Ok(Err(error)) = done {
            tracing::warn!(volume = name, %error, "the directory of a volume could not be dealt with");
        }
    }

    fn note(&self, name: &str, value: &[u8]) -> io::Result<()> {
        let Some(file) = self.file(name) else {
            return Ok(());
        };
        let volume: PersistentVolume = serde_json::from_slice(value)?;
        if path_of(&volume).is_none_or(|path| !self.is_ours(&path)) {
            return Ok(());
        }
        fs::create_dir_all(self.root.join(KNOWN))?;
        let draft = file.with_extension("new");
        fs::write(&draft, value)?;
        fs::rename(draft, file)
    }

    fn erase(&self, name: &str) -> io::Result<()> {
        let Some(file) = self.file(name) else {
            return Ok(());
        };
        let value = match fs::read(&file) {
            Ok(value) => value,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let volume: PersistentVolume = serde_json::from_slice(&value)?;
        let spec = volume.spec.clone().unwrap_or_default();
        if spec.persistent_volume_reclaim_policy.as_deref() == Some("Delete")
            && let Some(path) = path_of(&volume).filter(|path| self.is_ours(path))
        {
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => tracing::info!(volume = name, path = %path.display(), "volume removed"),
            }
        }
        // Last: a node that stops halfway goes on with it.
        fs::remove_file(file)
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        let plain = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
        plain.then(|| self.root.join(KNOWN).join(name))
    }
}

/// The directory of a volume.
pub(crate) fn path_of(volume: &PersistentVolume) -> Option<PathBuf> {
    let spec = volume.spec.as_ref()?;
    let host = spec.host_path.as_ref().map(|h| &h.path);
    let path = host.or(spec.local.as_ref().map(|l| &l.path))?;
    Some(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn volume(path: &Path, policy: &str) -> Vec<u8> {
        json!({"metadata": {"name": "pvc-1"}, "spec": {"hostPath": {"path": path},
            "persistentVolumeReclaimPolicy": policy}})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_directory_goes_with_its_volume_only_if_that_is_its_policy() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::new(dir.path());
        let path = storage.root.join("pvc-1_a_data");
        for (policy, there) in [("Retain", true), ("Delete", false)] {
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("file"), "data").unwrap();
            storage.note("pvc-1", &volume(&path, policy)).unwrap();
            storage.erase("pvc-1").unwrap();
            assert_eq!(path.exists(), there, "{policy}");
            storage.erase("pvc-1").unwrap();
        }
    }

    #[test]
    fn nothing_outside_is_ever_removed() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::new(dir.path());
        let outside = dir.path().join("else");
        for path in [
            outside.clone(),
            storage.root.join("../else"),
            storage.root.join("a/b"),
            storage.root.clone(),
            storage.root.join(KNOWN),
        ] {
            fs::create_dir_all(&path).unwrap();
            assert!(!storage.is_ours(&path), "{}", path.display());
            storage.note("pvc-1", &volume(&path, "Delete")).unwrap();
            storage.erase("pvc-1").unwrap();
            assert!(path.exists(), "{}", path.display());
        }
        assert!(storage.file("../x").is_none());
    }
}
