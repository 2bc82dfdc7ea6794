//! Doing what the plan says.

use cedge_pod_lifecycle::{Action, Plan, container_limits, pod_requests};
use cedge_runtime::{ContainerConfig, Error, Limits};
use k8s_openapi::api::core::v1::{Container, PodSecurityContext, SecurityContext};

use super::Worker;
use super::prepare::id;
use crate::env::Source;
use crate::{ports, volumes};

impl Worker {
    /// Says whether something was done after which one must look again.
    pub(super) async fn act(&mut self, plan: &Plan) -> bool {
        let mut again = false;
        for action in &plan.actions {
            match action {
                Action::CreateSandbox => {
                    self.prepare().await;
                    again = true;
                }
                Action::Start { container, attempt } => {
                    self.start(container, *attempt).await;
                    again = true;
                }
                Action::Stop {
                    container,
                    id,
                    grace,
                    ..
                } => self.stop(container, id, *grace),
            }
        }
        again
    }

    async fn start(&mut self, name: &str, attempt: u32) {
        let Some(container) = self.container(name).cloned() else {
            return;
        };
        if let Err(error) = self.try_start(&container, attempt).await {
            let now = self.node.now();
            let (reason, message) = (error.reason(), error.explain());
            match error {
                Error::Start(_) => self.memory.start_failed(name, message.clone(), now),
                _ => self.memory.refused(name, reason, message.clone(), now),
            }
            // The words about an image have been said.
            let refused_image = reason == "ErrImagePull";
            let told = if refused_image {
                reason
            } else {
                message.as_str()
            };
            self.say(Some(name), true, "Failed", format!("Error: {told}"));
        }
    }

    async fn try_start(&mut self, container: &Container, attempt: u32) -> Result<(), Error> {
        let name = container.name.as_str();
        let image = container.image.as_deref().unwrap_or_default();
        let class = self
            .pod
            .spec
            .as_ref()
            .and_then(|s| s.runtime_class_name.as_deref());
        if let Err(error) = self.node.runtime.pull_image(image, class).await {
            let text = format!("Failed to pull image \"{image}\": {error}");
            self.say(Some(name), true, "Failed", text);
            return Err(error);
        }
        if let Some(words) = ports::taken(container) {
            self.say(Some(name), true, "PortTaken", words.clone());
            return Err(Error::Create(words));
        }
        let config = self
            .config(container, attempt)
            .map_err(Error::Configuration)?;
        let id = self
            .node
            .runtime
            .create_container(&self.uid, config)
            .await?;
        self.say(Some(name), false, "Created", "Container created".into());
        // Nobody asked for the token that every pod gets.
        let asked = container.volume_mounts.iter().flatten();
        for mount in asked.filter(|m| !m.name.starts_with("kube-api-access-")) {
            if let Some(place) = self.node.runtime.misplaced(&id, mount.mount_path.as_ref()) {
                let text = format!(
                    "volume {:?} cannot be mounted at {} without the right to mount; it is at {} (see the environment variable CEDGE_VOLUME_… of its name)",
                    mount.name,
                    mount.mount_path,
                    place.display()
                );
                self.say(Some(name), false, "VolumeBelowWorkingDirectory", text);
            }
        }
        self.node.runtime.start_container(&id).await?;
        self.say(Some(name), false, "Started", "Container started".into());
        let hook = container
            .lifecycle
            .as_ref()
            .and_then(|l| l.post_start.clone());
        self.memory.started(name, id.clone(), hook.is_some());
        if let Some(hook) = hook {
            self.hook(container, &id, hook);
        }
        Ok(())
    }

    fn config(&self, container: &Container, attempt: u32) -> Result<ContainerConfig, String> {
        let place = self.node.place.borrow().clone();
        let source = Source {
            pod: &self.pod,
            container,
            objects: &self.node.objects,
            place: &place,
            allocatable: self.node.admission.allocatable(),
        };
        let env = source.variables()?;
        let pod_security = self
            .pod
            .spec
            .as_ref()
            .and_then(|s| s.security_context.clone());
        let pod_security = pod_security.unwrap_or_default();
        let security = container.security_context.clone().unwrap_or_default();
        refuse_privileges(&security)?;
        let empty = volumes::Volumes::new();
        let made = self.volumes.as_ref().unwrap_or(&empty);
        Ok(ContainerConfig {
            name: container.name.clone(),
            attempt,
            image: container.image.clone().unwrap_or_default(),
            argv: source.argv(&env),
            mounts: volumes::mounts(container, made, &env)?,
            env,
            working_dir: container.working_dir.clone().filter(|d| !d.is_empty()),
            user: id("runAsUser", security.run_as_user)?,
            group: id("runAsGroup", security.run_as_group)?,
            non_root: non_root(&security, &pod_security),
            limits: limits(container),
            stdin: container.stdin == Some(true),
            termination_path: container.termination_message_path.clone(),
            termination_from_log: container.termination_message_policy.as_deref()
                == Some("FallbackToLogsOnError"),
        })
    }
}

/// What a native process never gets is refused, rather than left out in silence.
fn refuse_privileges(security: &SecurityContext) -> Result<(), String> {
    if security.privileged == Some(true) {
        return Err(
            "privileged: true is refused: a native process never gets the rights of root".into(),
        );
    }
    let added = security.capabilities.as_ref().and_then(|c| c.add.as_ref());
    match added.filter(|list| !list.is_empty()) {
        Some(list) => Err(format!(
            "capabilities.add {list:?} is refused: a native process gets no capabilities"
        )),
        None => Ok(()),
    }
}

fn non_root(security: &SecurityContext, pod: &PodSecurityContext) -> bool {
    security.run_as_non_root.or(pod.run_as_non_root) == Some(true)
}

fn limits(container: &Container) -> Limits {
    let limits = container_limits(container);
    let alone = k8s_openapi::api::core::v1::Pod {
        spec: Some(k8s_openapi::api::core::v1::PodSpec {
            containers: vec![container.clone()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let requests = pod_requests(&alone);
    let get = |list: &cedge_pod_lifecycle::Resources, name: &str| {
        list.get(name)
            .and_then(|v| u64::try_from(*v).ok())
            .filter(|v| *v > 0)
    };
    Limits {
        cpu: get(&limits, "cpu"),
        cpu_share: get(&requests, "cpu"),
        memory: get(&limits, "memory").map(|milli| milli / 1000),
    }
}
