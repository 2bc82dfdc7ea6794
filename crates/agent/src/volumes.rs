//! The volumes of a pod, made on our own disk. What is not supported is refused by name.

mod atomic;
mod owner;
mod persistent;
mod projected;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use cedge_pod_lifecycle::{Place, Resources};
use cedge_runtime::{User, VolumeMount};
use k8s_openapi::api::core::v1::{Container, HostPathVolumeSource, Pod, Volume};

use crate::env::expand;
use crate::objects::Objects;

/// Where volumes are looked up and made.
pub(crate) struct Maker<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) dir: &'a Path,
    pub(crate) owner: Option<&'a User>,
    pub(crate) objects: &'a Objects,
    pub(crate) place: &'a Place,
    pub(crate) allocatable: &'a Resources,
    /// What no pod may mount.
    pub(crate) masks: &'a [PathBuf],
}

/// A volume that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    path: PathBuf,
    /// Written by us: never writable, and its links are ours.
    ours: bool,
    read_only: bool,
}

impl Made {
    /// One that belongs to the pod.
    fn free(path: PathBuf) -> Self {
        Self {
            path,
            ours: false,
            read_only: false,
        }
    }
}

pub(crate) type Volumes = BTreeMap<String, Made>;

impl Maker<'_> {
    /// Makes all volumes of the pod, or brings those up to date that change with what they show.
    pub(crate) fn make(&self) -> Result<Volumes, String> {
        let volumes = self
            .pod
            .spec
            .iter()
            .flat_map(|s| s.volumes.iter().flatten());
        volumes
            .map(|volume| {
                let made = self.one(volume).map_err(|why| {
                    format!(
                        "MountVolume.SetUp failed for volume \"{}\" : {why}",
                        volume.name
                    )
                })?;
                Ok((volume.name.clone(), made))
            })
            .collect()
    }

    fn one(&self, volume: &Volume) -> Result<Made, String> {
        let path = self.dir.join(&volume.name);
        if let Some(empty) = &volume.empty_dir {
            let mode = empty
                .mode
                .and_then(|m| u32::try_from(m).ok())
                .unwrap_or(0o777);
            self.empty_dir(&path, mode).map_err(|e| e.to_string())?;
            return Ok(Made::free(path));
        }
        if let Some(host) = &volume.host_path {
            let path = self.host_path(host)?;
            return Ok(Made::free(path));
        }
        if let Some(source) = &volume.persistent_volume_claim {
            let path = self.claimed(&volume.name, &source.claim_name)?;
            return Ok(Made {
                read_only: source.read_only == Some(true),
                ..Made::free(path)
            });
        }
        if volume.ephemeral.is_some() {
            let path = self.made_for_us(&volume.name)?;
            return Ok(Made::free(path));
        }
        let files = self.files(volume)?;
        let Some(files) = files else {
            return Err(format!(
                "a volume of this kind is not supported on this node ({})",
                kind(volume)
            ));
        };
        atomic::write(&path, &files, self.owner).map_err(|e| e.to_string())?;
        Ok(Made {
            path,
            ours: true,
            read_only: true,
        })
    }

    /// Kept over restarts of containers and of the node, as long as the pod lives. `medium: Memory` is a directory
    /// like any other: a tmpfs would have to be mounted on the host.
    fn empty_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        if path.exists() {
            return Ok(());
        }
        fs::create_dir_all(path)?;
        if let Some(user) = self.owner {
            chown(path, Some(user.uid), Some(user.gid))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }

    fn host_path(&self, source: &HostPathVolumeSource) -> Result<PathBuf, String> {
        let path = PathBuf::from(&source.path);
        let wanted = source.type_.as_deref().unwrap_or_default();
        if wanted == "DirectoryOrCreate" {
            fs::create_dir_all(&path).map_err(|e| e.to_string())?;
        } else if wanted == "FileOrCreate" && !path.exists() {
            fs::write(&path, b"").map_err(|e| e.to_string())?;
        }
        let real = path
            .canonicalize()
            .map_err(|e| format!("hostPath {}: {e}", path.display()))?;
        let kind = real.metadata().map_err(|e| e.to_string())?.file_type();
        let fits = match wanted {
            "" => true,
            "Directory" | "DirectoryOrCreate" => kind.is_dir(),
            "File" | "FileOrCreate" => kind.is_file(),
            "Socket" => kind.is_socket(),
            "CharDevice" => kind.is_char_device(),
            "BlockDevice" => kind.is_block_device(),
            _ => return Err(format!("hostPath type {wanted} is not known")),
        };
        if !fits {
            return Err(format!(
                "hostPath type check failed: {} is not a {wanted}",
                path.display()
            ));
        }
        let masks = self.masks.iter().filter_map(|m| m.canonicalize().ok());
        for mask in masks {
            if real.starts_with(&mask) || mask.starts_with(&real) {
                return Err(format!(
                    "hostPath {} would show the node's own data",
                    path.display()
                ));
            }
        }
        Ok(real)
    }
}

/// The mounts of one container.
pub(crate) fn mounts(
    container: &Container,
    volumes: &Volumes,
    env: &Vec<(String, String)>,
) -> Result<Vec<VolumeMount>, String> {
    let mut found = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let name = &mount.name;
        let made = volumes
            .get(name)
            .ok_or_else(|| format!("volume {name:?} does not exist"))?;
        let expanded = mount.sub_path_expr.as_ref().map(|text| expand(text, env));
        let sub = expanded
            .or_else(|| mount.sub_path.clone())
            .filter(|s| !s.is_empty());
        let (source, sub_path) = match sub {
            Some(sub) if made.ours => (inside(&made.path, &sub)?, None),
            other => (made.path.clone(), other.map(PathBuf::from)),
        };
        if sub_path.as_ref().is_some_and(|s| s.is_absolute()) {
            return Err(format!("subPath of volume {name:?} must not be absolute"));
        }
        let target = PathBuf::from(&mount.mount_path);
        if target == Path::new("/") {
            return Err(
                "a native process runs in the host's tree: nothing can be mounted at /".into(),
            );
        }
        let target = if target.is_absolute() {
            target
        } else {
            Path::new("/").join(target)
        };
        found.push(VolumeMount {
            volume: name.clone(),
            source,
            sub_path,
            target,
            read_only: made.read_only || mount.read_only == Some(true),
        });
    }
    Ok(found)
}

/// A part of a volume that only we write: its links may be followed.
fn inside(volume: &Path, sub: &str) -> Result<PathBuf, String> {
    let real = volume.join(sub).canonicalize();
    let real = real.map_err(|e| format!("failed to prepare subPath {sub:?}: {e}"))?;
    let root = volume.canonicalize().map_err(|e| e.to_string())?;
    if real.starts_with(root) {
        Ok(real)
    } else {
        Err(format!("subPath {sub:?} leads out of its volume"))
    }
}

/// The name of the kind, from the field that is set.
fn kind(volume: &Volume) -> String {
    let value = serde_json::to_value(volume).unwrap_or_default();
    let fields = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.clone());
    fields
        .filter(|key| key != "name")
        .collect::<Vec<_>>()
        .join(", ")
}
