//! Containers as native processes: only for pods that say so.

mod container;
mod end;
mod exec;
pub(crate) mod layout;
mod sandbox;
mod seen;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cedge_pod_lifecycle::{ContainerId, Seen};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::process::Command;

use crate::cgroup::{Cgroups, Usage};
use crate::cri::{ContainerConfig, Error, Exec, ExecConfig, Runtime, Sandbox, SandboxConfig};
use crate::shim::SUBCOMMAND;
use crate::spec::{Isolation, Mounts};
use layout::Layout;

/// The image, and the runtime class, that means: a native process.
const PROCESS: &str = "process";

/// How a [`ProcessRuntime`] is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it keeps everything; made with mode 0700.
    pub data_dir: PathBuf,
    /// The program whose first act is [`crate::shim::intercept`]. By default this one.
    pub shim: PathBuf,
    /// Further directories that no container may see: keys, stores.
    pub masks: Vec<PathBuf>,
    /// What to make of this machine; found out if not given.
    pub isolation: Option<Isolation>,
    /// Whether control groups are used where they can be.
    pub cgroups: bool,
    /// A container's log is begun anew at this size; four older parts are kept.
    pub log_bytes_max: u64,
}

/// See the module.
pub struct ProcessRuntime {
    options: Options,
    layout: Layout,
    isolation: Isolation,
    cgroups: Cgroups,
    shim_groups: Vec<PathBuf>,
}

// === impl Options ===

impl Options {
    /// As documented on the fields.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            shim: PathBuf::from("/proc/self/exe"),
            masks: Vec::new(),
            isolation: None,
            cgroups: true,
            // As the kubelet: 10 MiB.
            log_bytes_max: 10 << 20,
        }
    }
}

// === impl ProcessRuntime ===

impl ProcessRuntime {
    /// Finds out what this machine permits, and what still runs.
    ///
    /// # Errors
    /// The data directory cannot be made, or the shim cannot be run.
    pub async fn open(mut options: Options) -> Result<Self, Error> {
        let private = layout::make_private(&options.data_dir);
        private.map_err(Error::system("make the data directory"))?;
        let canonical = options.data_dir.canonicalize();
        options.data_dir = canonical.map_err(Error::system("find the data directory"))?;
        let isolation = match options.isolation {
            Some(isolation) => isolation,
            None => probe(&options).await?,
        };
        let mut layout = Layout::new(&options.data_dir);
        if isolation.users && isolation.mounts == Mounts::None {
            layout = layout.with_open_dirs();
        }
        layout
            .make()
            .map_err(Error::system("make the pods' directory"))?;
        let cgroups = if options.cgroups {
            Cgroups::detect(&layout.tag())
        } else {
            Cgroups::none()
        };
        let shim_groups = cgroups.shims();
        tracing::info!(
            users = isolation.users,
            mounts = ?isolation.mounts,
            cgroups = cgroups.describe(),
            "process runtime"
        );
        Ok(Self {
            options,
            layout,
            isolation,
            cgroups,
            shim_groups,
        })
    }

    /// How much containers are kept apart here.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    fn shim(&self, word: &str, dir: &Path) -> Command {
        let mut command = Command::new(&self.options.shim);
        command.arg(SUBCOMMAND).arg(word).arg(dir).env_clear();
        command
    }
}

async fn probe(options: &Options) -> Result<Isolation, Error> {
    let dir = options.data_dir.join("probe");
    std::fs::create_dir_all(&dir).map_err(Error::system("make a directory"))?;
    let mut command = Command::new(&options.shim);
    command
        .arg(SUBCOMMAND)
        .arg("probe")
        .arg(&dir)
        .env_clear()
        .stdin(Stdio::null());
    let run = tokio::time::timeout(Duration::from_secs(20), command.kill_on_drop(true).output());
    let output = run
        .await
        .map_err(|_| io::ErrorKind::TimedOut.into())
        .flatten();
    let output = output.map_err(Error::system("run the shim"))?;
    let parsed = serde_json::from_slice(&output.stdout).map_err(io::Error::from);
    parsed.map_err(Error::system(
        "read what the shim says this machine permits",
    ))
}

impl Runtime for ProcessRuntime {
    fn name(&self) -> &'static str {
        PROCESS
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn serves_class(&self, class: Option<&str>) -> bool {
        matches!(class, None | Some(PROCESS))
    }

    fn run_sandbox(&self, config: SandboxConfig) -> BoxFuture<'_, Result<Sandbox, Error>> {
        async move { self.make_sandbox(&config) }.boxed()
    }

    fn remove_sandbox<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async move { self.delete_sandbox(uid) }.boxed()
    }

    fn sandboxes(&self) -> BoxFuture<'_, Result<Vec<Sandbox>, Error>> {
        async move { self.list_sandboxes() }.boxed()
    }

    fn pull_image<'a>(
        &'a self,
        image: &'a str,
        class: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let native = image == PROCESS || class == Some(PROCESS);
        let refusal = Error::Image(format!(
            "image {image:?} cannot be run: this node has no container runtime, only native processes \
             (runtimeClassName: process, or an image named exactly \"process\")"
        ));
        async move { if native { Ok(()) } else { Err(refusal) } }.boxed()
    }

    fn create_container<'a>(
        &'a self,
        uid: &'a str,
        config: ContainerConfig,
    ) -> BoxFuture<'a, Result<ContainerId, Error>> {
        async move { self.make_container(uid, config) }.boxed()
    }

    fn start_container<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<(), Error>> {
        self.start(id).boxed()
    }

    fn stop_container<'a>(
        &'a self,
        id: &'a ContainerId,
        grace: Duration,
    ) -> BoxFuture<'a, Result<(), Error>> {
        self.stop(id, grace).boxed()
    }

    fn seen<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<Seen, Error>> {
        async move { self.look(uid) }.boxed()
    }

    fn wait<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, ()> {
        self.until_ended(id).boxed()
    }

    fn exec<'a>(
        &'a self,
        id: &'a ContainerId,
        config: ExecConfig,
    ) -> BoxFuture<'a, Result<Exec, Error>> {
        async move { self.execute(id, &config) }.boxed()
    }

    fn log_path(&self, id: &ContainerId) -> Result<PathBuf, Error> {
        Ok(self.files(id)?.log())
    }

    fn stdin_path(&self, id: &ContainerId) -> Result<PathBuf, Error> {
        Ok(self.files(id)?.stdin())
    }

    fn volumes_dir(&self, uid: &str) -> PathBuf {
        self.layout.open_pod(uid).join("volumes")
    }

    fn usage<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<Usage, Error>> {
        async move { self.measure(id) }.boxed()
    }

    fn processes<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<Vec<i32>, Error>> {
        async move { self.all_processes(uid) }.boxed()
    }

    fn misplaced(&self, id: &ContainerId, target: &Path) -> Option<PathBuf> {
        (self.isolation.mounts == Mounts::None)
            .then(|| self.layout.work(id).ok())
            .flatten()
            .map(|work| container::below(&work, target))
    }
}

impl fmt::Debug for ProcessRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessRuntime")
            .field("data_dir", &self.options.data_dir)
            .field("isolation", &self.isolation)
            .finish_non_exhaustive()
    }
}
