//! postStart and preStop.

use std::time::Duration;

use cedge_pod_lifecycle::ContainerId;
use cedge_runtime::Runtime;
use k8s_openapi::api::core::v1::{Container, LifecycleHandler};

use crate::probe;

/// Runs one hook to its end.
pub(crate) async fn run(
    hook: &LifecycleHandler,
    container: &Container,
    id: &ContainerId,
    runtime: &dyn Runtime,
    address: &str,
) -> Result<(), String> {
    if let Some(exec) = &hook.exec {
        return probe::command(runtime, id, exec.command.clone().unwrap_or_default()).await;
    }
    if let Some(get) = &hook.http_get {
        return probe::http(get, container, address).await;
    }
    if let Some(sleep) = &hook.sleep {
        let secs = u64::try_from(sleep.seconds).unwrap_or(0);
        tokio::time::sleep(Duration::from_secs(secs)).await;
        return Ok(());
    }
    Err("this kind of hook is not supported: use exec, httpGet or sleep".into())
}
