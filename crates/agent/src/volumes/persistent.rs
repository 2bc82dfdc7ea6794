//! Volumes behind claims: directories of this node, ours or others.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::HostPathVolumeSource;

use super::Maker;
use crate::storage;

impl Maker<'_> {
    /// The directory of the volume that a claim is bound to.
    pub(super) fn claimed(&self, name: &str) -> Result<PathBuf, String> {
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or("default");
        let claim = self
            .objects
            .claim(namespace, name)
            .map_err(|e| e.to_string())?;
        let bound = claim.spec.and_then(|s| s.volume_name);
        let bound = bound
            .filter(|b| !b.is_empty())
            .ok_or_else(|| format!("PVC {namespace}/{name} is not bound"))?;
        let volume = self.objects.volume(&bound).map_err(|e| e.to_string())?;
        let spec = volume.spec.clone().unwrap_or_default();
        if spec.volume_mode.as_deref() == Some("Block") {
            return Err(format!(
                "volume {bound} is a block device, which is not supported on this node"
            ));
        }
        let path = storage::path_of(&volume);
        if let Some(path) = path.filter(|path| self.objects.storage().is_ours(path)) {
            // As for an emptyDir: whoever the pod runs as can write.
            self.empty_dir(&path, 0o777).map_err(|e| e.to_string())?;
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
}
