//! Volumes behind claims: directories of this node, ours or others.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{HostPathVolumeSource, PersistentVolumeClaim};

use super::{Maker, owner};
use crate::storage;

impl Maker<'_> {
    /// The directory of the volume that a claim is bound to.
    pub(super) fn claimed(&self, volume: &str, name: &str) -> Result<PathBuf, String> {
        let claim = self.claim(name)?;
        self.bound(volume, name, claim)
    }

    /// The same for an ephemeral volume, whose claim bears the pod's name and must be made for this very pod.
    pub(super) fn made_for_us(&self, volume: &str) -> Result<PathBuf, String> {
        let pod = &self.pod.metadata;
        let own = pod.name.as_deref().unwrap_or_default();
        let name = format!("{own}-{volume}");
        let claim = self.claim(&name)?;
        let owners = claim.metadata.owner_references.iter().flatten();
        let mut owners = owners.filter(|owner| owner.controller == Some(true));
        if !owners.any(|owner| Some(&owner.uid) == pod.uid.as_ref()) {
            let namespace = self.namespace();
            return Err(format!(
                "PVC {namespace}/{name} was not created for pod {namespace}/{own} (pod is not owner)"
            ));
        }
        self.bound(volume, &name, claim)
    }

    fn claim(&self, name: &str) -> Result<PersistentVolumeClaim, String> {
        let claim = self.objects.claim(self.namespace(), name);
        claim.map_err(|e| e.to_string())
    }

    fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or("default")
    }

    fn bound(
        &self,
        volume: &str,
        name: &str,
        claim: PersistentVolumeClaim,
    ) -> Result<PathBuf, String> {
        let namespace = self.namespace();
        let bound = claim.spec.and_then(|s| s.volume_name);
        let bound = bound
            .filter(|b| !b.is_empty())
            .ok_or_else(|| format!("PVC {namespace}/{name} is not bound"))?;
        let found = self.objects.volume(&bound).map_err(|e| e.to_string())?;
        let spec = found.spec.clone().unwrap_or_default();
        if spec.volume_mode.as_deref() == Some("Block") {
            return Err(format!(
                "volume {bound} is a block device, which is not supported on this node"
            ));
        }
        let path = storage::path_of(&found);
        if let Some(path) = path.filter(|path| self.objects.storage().is_ours(path)) {
            self.keep_dir(volume, &path).map_err(|e| e.to_string())?;
            return Ok(path);
        }
        if let Some(source) = &spec.host_path {
            return self.host_path(source);
        }
        if let Some(local) = spec.local {
            return self.host_path(&HostPathVolumeSource {
                path: local.path,
                type_: Some("Directory".to_owned()),
            });
        }
        Err(format!(
            "volume {bound} is of a kind that is not supported on this node"
        ))
    }

    /// As an emptyDir, but for what an earlier pod left in it: that becomes this pod's when it first mounts it, and not
    /// again, as another may have it by then. The pod's own directory of that name remembers.
    fn keep_dir(&self, volume: &str, path: &Path) -> io::Result<()> {
        self.empty_dir(path, 0o777)?;
        let seen = self.dir.join(volume);
        if let Some(user) = self.owner.filter(|_| !seen.exists()) {
            owner::give(path, user)?;
        }
        fs::create_dir_all(seen)
    }
}
