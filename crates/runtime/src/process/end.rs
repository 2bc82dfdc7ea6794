//! Stopping a container.

use std::time::Duration;

use cedge_pod_lifecycle::ContainerId;
use nix::sys::signal::Signal;

use super::ProcessRuntime;
use crate::cri::Error;
use crate::spec::{self, Running, Spec, Started};

impl ProcessRuntime {
    /// SIGTERM to the first process, as every runtime does it; SIGKILL to all after the grace.
    pub(super) async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<(), Error> {
        let files = self.files(id)?;
        let started: Option<Started> =
            spec::read(&files.started()).map_err(Error::system("read the container's start"))?;
        let Some(Running { shim, container }) = started.and_then(|s| s.running) else {
            return Ok(());
        };
        if !shim.is_alive() {
            return Ok(());
        }
        if !grace.is_zero() {
            let _ = container.signal(Signal::SIGTERM);
            if tokio::time::timeout(grace, self.until_ended(id))
                .await
                .is_ok()
            {
                return Ok(());
            }
        }
        let _ = container.signal(Signal::SIGKILL);
        if let Ok(Some(spec)) = spec::read::<Spec>(&files.spec()) {
            spec.cgroups.kill();
        }
        let killed = tokio::time::timeout(Duration::from_secs(20), self.until_ended(id)).await;
        killed.map_err(|_| Error::system(format!("kill {id}"))(std::io::ErrorKind::TimedOut.into()))
    }
}
