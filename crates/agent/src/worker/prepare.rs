//! The sandbox and the volumes, before any container.

use std::path::PathBuf;

use cedge_runtime::SandboxConfig;
use k8s_openapi::api::core::v1::Pod;

use super::Worker;
use crate::volumes::{Maker, Volumes};

impl Worker {
    /// Makes both, or finds them; again after every restart of the agent, when containers may be running in them.
    pub(super) async fn prepare(&mut self) {
        let done = self.try_prepare().await;
        match done {
            Ok(volumes) => {
                self.volumes = Some(volumes);
                self.memory.sandbox_ready();
            }
            Err((reason, message)) => {
                self.say(None, true, reason, message.clone());
                self.memory.sandbox_failed(reason, message, self.node.now());
            }
        }
    }

    async fn try_prepare(&mut self) -> Result<Volumes, (&'static str, String)> {
        const SANDBOX: &str = "FailedCreatePodSandBox";
        let class = self
            .pod
            .spec
            .as_ref()
            .and_then(|s| s.runtime_class_name.as_deref());
        if !self.node.runtime.serves_class(class) {
            let name = self.node.runtime.name();
            let text = format!(
                "Failed to create pod sandbox: runtime class {:?} is not served by this node, which has only {name:?}",
                class.unwrap_or_default()
            );
            return Err((SANDBOX, text));
        }
        let config = sandbox_config(&self.pod).map_err(|why| (SANDBOX, why))?;
        let made = self.node.runtime.run_sandbox(config).await;
        let sandbox = made.map_err(|e| {
            (
                SANDBOX,
                format!("Failed to create pod sandbox: {}", e.explain()),
            )
        })?;
        self.sandbox = Some(sandbox);
        self.make_volumes().map_err(|why| ("FailedMount", why))
    }

    fn make_volumes(&self) -> Result<Volumes, String> {
        let dir = self.node.runtime.volumes_dir(&self.uid);
        let maker = Maker {
            pod: &self.pod,
            dir: &dir,
            owner: self.sandbox.as_ref().and_then(|s| s.user.as_ref()),
            objects: &self.node.objects,
            place: &self.node.place.borrow().clone(),
            allocatable: self.node.admission.allocatable(),
            masks: &self.masks(),
        };
        maker.make()
    }

    /// Something that pods refer to has changed: volumes show it; who waited for it tries again.
    pub(super) fn refresh(&mut self) {
        self.memory.configuration_changed();
        if self.volumes.is_some()
            && let Err(error) = self.make_volumes()
        {
            // The old content stays: the kubelet does the same.
            tracing::warn!(pod = self.key, error, "a volume is not up to date");
        }
    }

    fn masks(&self) -> Vec<PathBuf> {
        let mut masks = vec![self.node.config.data_dir.clone()];
        masks.extend(self.node.config.masks.iter().cloned());
        masks
    }
}

fn sandbox_config(pod: &Pod) -> Result<SandboxConfig, String> {
    let meta = &pod.metadata;
    let name = meta.name.clone().unwrap_or_default();
    let spec = pod.spec.clone().unwrap_or_default();
    let security = spec.security_context.unwrap_or_default();
    let mut groups = Vec::new();
    for group in security
        .fs_group
        .iter()
        .chain(security.supplemental_groups.iter().flatten())
    {
        groups.push(id("group", Some(*group))?.unwrap_or_default());
    }
    let hostname: String = spec
        .hostname
        .unwrap_or_else(|| name.clone())
        .chars()
        .take(63)
        .collect();
    Ok(SandboxConfig {
        uid: meta.uid.clone().unwrap_or_default(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        hostname: hostname.trim_end_matches(['-', '.']).to_owned(),
        name,
        user: id("runAsUser", security.run_as_user)?,
        group: id("runAsGroup", security.run_as_group)?,
        groups,
    })
}

/// A user or group id as the kernel counts them.
pub(super) fn id(what: &str, value: Option<i64>) -> Result<Option<u32>, String> {
    match value {
        None => Ok(None),
        Some(value) => match u32::try_from(value) {
            Ok(id) if id < u32::MAX => Ok(Some(id)),
            _ => Err(format!("{what} {value} is no id")),
        },
    }
}
