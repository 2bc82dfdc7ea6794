//! What there is of a pod: read from disk each time, checked against the living.

use cedge_pod_lifecycle::{ContainerId, Exit, Seen, SeenContainer, State};
use cedge_tasks::clock;
use nix::sys::signal::Signal;

use super::ProcessRuntime;
use super::layout;
use crate::cgroup::Usage;
use crate::cri::Error;
use crate::procfs::{self, boot_id};
use crate::spec::{self, Ended, Files, Running, Spec, Started};
use crate::sys;

/// The exit code of a container of which nobody knows how it ended, as containerd has it.
const UNKNOWN: i32 = 255;

impl ProcessRuntime {
    pub(super) fn look(&self, uid: &str) -> Result<Seen, Error> {
        let record = self.record(uid)?;
        let mut seen = Seen {
            runtime: super::PROCESS.to_owned(),
            sandbox: record.is_some_and(|r| r.boot == boot_id()),
            containers: Vec::new(),
        };
        let all = self
            .layout
            .containers(uid)
            .map_err(Error::system("list the containers"))?;
        for (id, files) in all {
            if let Some(container) =
                look_at(&id, &files).map_err(Error::system(format!("read {id}")))?
            {
                seen.containers.push(container);
            }
        }
        Ok(seen)
    }

    pub(super) fn is_running(&self, files: &Files) -> bool {
        running(files).is_some_and(|r| r.shim.is_alive())
    }

    /// Until the shim is gone: by then it has written down how the container ended.
    pub(super) async fn until_ended(&self, id: &ContainerId) {
        let Ok(files) = self.layout.files(id) else {
            return;
        };
        let Some(running) = running(&files) else {
            return;
        };
        let Ok(pidfd) = running.shim.open() else {
            return until_dead(&running).await;
        };
        match sys::watch(pidfd) {
            Ok(pidfd) => drop(pidfd.readable().await),
            Err(_) => until_dead(&running).await,
        }
    }

    pub(super) fn all_processes(&self, uid: &str) -> Result<Vec<i32>, Error> {
        let all = self
            .layout
            .containers(uid)
            .map_err(Error::system("list the containers"))?;
        let shims = all
            .iter()
            .filter_map(|(_, files)| running(files))
            .filter(|r| r.shim.is_alive());
        Ok(shims
            .flat_map(|r| procfs::descendants(r.shim.pid))
            .collect())
    }

    pub(super) fn measure(&self, id: &ContainerId) -> Result<Usage, Error> {
        let files = self.files(id)?;
        let spec: Option<Spec> =
            spec::read(&files.spec()).map_err(Error::system("read the container"))?;
        if let Some(usage) = spec.and_then(|s| s.cgroups.usage()) {
            return Ok(usage);
        }
        let gone = || Error::NotFound(format!("running container {id}"));
        let running = running(&files)
            .filter(|r| r.container.is_alive())
            .ok_or_else(gone)?;
        Ok(procfs::usage(&procfs::descendants(running.shim.pid)))
    }
}

async fn until_dead(running: &Running) {
    while running.shim.is_alive() {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

fn running(files: &Files) -> Option<Running> {
    let started: Started = spec::read(&files.started()).ok()??;
    started.running
}

fn look_at(id: &ContainerId, files: &Files) -> std::io::Result<Option<SeenContainer>> {
    // No specification: the agent died while it made this container. It never ran.
    let Some(spec) = spec::read::<Spec>(&files.spec())? else {
        return Ok(None);
    };
    let Ok((_, name, attempt)) = layout::parts(id) else {
        return Ok(None);
    };
    let started: Option<Started> = spec::read(&files.started())?;
    let boot = started
        .as_ref()
        .and_then(|s| s.running.as_ref())
        .map(|r| r.shim.boot.as_str());
    Ok(Some(SeenContainer {
        id: id.clone(),
        name: name.to_owned(),
        attempt,
        image: super::PROCESS.to_owned(),
        current: boot.is_none_or(|boot| boot == boot_id()),
        state: state(files, &spec, started)?,
        user: spec.user.map(|u| u.uid),
    }))
}

fn state(files: &Files, spec: &Spec, started: Option<Started>) -> std::io::Result<State> {
    let Some(Started {
        at,
        running: Some(running),
    }) = started
    else {
        return Ok(State::Created);
    };
    let ended = match spec::read::<Ended>(&files.ended())? {
        Some(ended) => ended,
        None if running.shim.is_alive() => return Ok(State::Running { started: at }),
        // Looked at again: it may have been written between the two looks.
        None => match spec::read::<Ended>(&files.ended())? {
            Some(ended) => ended,
            None => bury(files, spec, at, &running)?,
        },
    };
    Ok(State::Exited(Exit {
        started: ended.started,
        finished: ended.finished,
        code: ended.code,
        signal: ended.signal,
        reason: ended.reason,
        message: ended.message,
    }))
}

/// The shim is gone without a word: power loss, or somebody killed it. What is left of the container goes as well,
/// before anybody may start the next attempt.
fn bury(
    files: &Files,
    spec: &Spec,
    started: jiff::Timestamp,
    running: &Running,
) -> std::io::Result<Ended> {
    let _ = running.container.signal(Signal::SIGKILL);
    if running.shim.boot == boot_id() {
        spec.cgroups.kill();
    }
    spec.cgroups.remove();
    let ended = Ended {
        started,
        finished: clock::now(),
        code: UNKNOWN,
        signal: None,
        reason: Some("Unknown".into()),
        message: Some("the container was gone when it was looked for, with its shim".into()),
    };
    spec::write(&files.ended(), &ended)?;
    Ok(ended)
}
