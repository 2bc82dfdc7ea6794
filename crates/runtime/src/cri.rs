//! What the agent asks of a runtime: the CRI's own division into sandbox, image and container.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use cedge_pod_lifecycle::{ContainerId, Seen};
use futures::future::BoxFuture;

use crate::cgroup::{Limits, Usage};
use crate::spec::User;

/// Why the runtime did not do it. Each says what to show as the container's waiting reason.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Terminal until the pod changes: this runtime does not run that.
    #[error("{0}")]
    Image(String),
    /// The configuration cannot be honoured. Retried, as the node may change.
    #[error("{0}")]
    Configuration(String),
    /// The container cannot be made.
    #[error("{0}")]
    Create(String),
    /// Its first process does not start.
    #[error("{0}")]
    Start(String),
    /// There is no such sandbox or container, or it does not run.
    #[error("{0} not found")]
    NotFound(String),
    /// The disk or the kernel refused.
    #[error("could not {what}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        cause: std::io::Error,
    },
}

/// A pod as the runtime sees it.
#[derive(Debug, Clone, Default)]
pub struct SandboxConfig {
    /// The pod's identity: names the sandbox.
    pub uid: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// What its processes see as the machine's name, where that can be changed.
    pub hostname: String,
    /// The user that the pod asks for; else it gets one of its own, where that can be done.
    pub user: Option<u32>,
    /// The group that the pod asks for.
    pub group: Option<u32>,
    /// Further groups: fsGroup first.
    pub groups: Vec<u32>,
}

/// A sandbox that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// The pod's identity.
    pub uid: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// Whom its processes run as and who owns its volumes; `None`: as the agent itself.
    pub user: Option<User>,
}

/// A container to be made.
#[derive(Debug, Clone, Default)]
pub struct ContainerConfig {
    /// Its name in the pod.
    pub name: String,
    /// Which attempt.
    pub attempt: u32,
    /// The image as the pod names it.
    pub image: String,
    /// Command and arguments.
    pub argv: Vec<String>,
    /// The environment, whole.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub working_dir: Option<String>,
    /// Its volumes.
    pub mounts: Vec<VolumeMount>,
    /// The user that it asks for itself.
    pub user: Option<u32>,
    /// The group that it asks for itself.
    pub group: Option<u32>,
    /// Refuse it if it would run as root.
    pub non_root: bool,
    /// What it may use.
    pub limits: Limits,
    /// Keep its standard input open for `attach`.
    pub stdin: bool,
    /// Where it may leave a last word.
    pub termination_path: Option<String>,
    /// Take the end of its log for that if it fails without one.
    pub termination_from_log: bool,
}

/// One volume in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    /// The volume's name in the pod.
    pub volume: String,
    /// Where its content is on the host.
    pub source: PathBuf,
    /// The part of it that is wanted; walked without following links.
    pub sub_path: Option<PathBuf>,
    /// Where the container wants it.
    pub target: PathBuf,
    /// Whether it may only be read.
    pub read_only: bool,
}

/// A process that runs beside a container's own.
pub struct Exec {
    /// To its standard input.
    pub stdin: Option<Box<dyn tokio::io::AsyncWrite + Send + Unpin>>,
    /// From its standard output; with a terminal, all that it says.
    pub stdout: Option<Box<dyn tokio::io::AsyncRead + Send + Unpin>>,
    /// From its standard error.
    pub stderr: Option<Box<dyn tokio::io::AsyncRead + Send + Unpin>>,
    /// Its terminal.
    pub terminal: Option<crate::Terminal>,
    /// Its end. Dropping it kills the process and all in its session.
    pub process: crate::ExecProcess,
}

/// What is wanted of [`Runtime::exec`].
#[derive(Debug, Clone, Default)]
pub struct ExecConfig {
    /// Command and arguments. Never given to a shell.
    pub argv: Vec<String>,
    /// Whether there is a standard input.
    pub stdin: bool,
    /// Whether it gets a terminal.
    pub tty: bool,
}

/// How containers really run. All calls may be repeated.
pub trait Runtime: fmt::Debug + Send + Sync {
    /// Its name, as in `process://ID`.
    fn name(&self) -> &'static str;

    /// Its version.
    fn version(&self) -> String;

    /// Whether it takes a pod that names this runtime class.
    fn serves_class(&self, class: Option<&str>) -> bool;

    /// Makes the sandbox of a pod, or finds it.
    fn run_sandbox(&self, config: SandboxConfig) -> BoxFuture<'_, Result<Sandbox, Error>>;

    /// Removes a sandbox with all its containers, none of which runs any more.
    fn remove_sandbox<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), Error>>;

    /// Every sandbox, also of pods that nobody wants any more.
    fn sandboxes(&self) -> BoxFuture<'_, Result<Vec<Sandbox>, Error>>;

    /// Gets an image ready.
    fn pull_image<'a>(
        &'a self,
        image: &'a str,
        class: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Makes a container.
    fn create_container<'a>(
        &'a self,
        uid: &'a str,
        config: ContainerConfig,
    ) -> BoxFuture<'a, Result<ContainerId, Error>>;

    /// Starts a container; returns when its program runs, or cannot.
    fn start_container<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<(), Error>>;

    /// Asks a container to end, and ends it after `grace`; returns when it has.
    ///
    /// *Cancel safety*: dropped in the grace, it is not killed; call again.
    fn stop_container<'a>(
        &'a self,
        id: &'a ContainerId,
        grace: Duration,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// What there is of a pod.
    fn seen<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<Seen, Error>>;

    /// Completes when a container does not run any more.
    fn wait<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, ()>;

    /// Runs a command in a container.
    fn exec<'a>(
        &'a self,
        id: &'a ContainerId,
        config: ExecConfig,
    ) -> BoxFuture<'a, Result<Exec, Error>>;

    /// Where a container's log is, in the CRI's format; older parts lie beside it.
    fn log_path(&self, id: &ContainerId) -> Result<PathBuf, Error>;

    /// Where to write what goes to a container's standard input.
    fn stdin_path(&self, id: &ContainerId) -> Result<PathBuf, Error>;

    /// The directory in which a pod's volumes are to be made: its processes can reach it.
    fn volumes_dir(&self, uid: &str) -> PathBuf;

    /// What a container uses.
    fn usage<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<Usage, Error>>;

    /// Every process of a pod.
    fn processes<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<Vec<i32>, Error>>;

    /// Where a volume is that cannot be at its place: `None` if it is at its place.
    fn misplaced(&self, id: &ContainerId, target: &std::path::Path) -> Option<PathBuf>;
}

// === impl Error ===

impl Error {
    /// The CamelCase word for `state.waiting.reason` and for events.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Image(_) => "ErrImagePull",
            Self::Configuration(_) => "CreateContainerConfigError",
            Self::Create(_) | Self::NotFound(_) | Self::System { .. } => "CreateContainerError",
            Self::Start(_) => "RunContainerError",
        }
    }

    /// The message with its causes.
    #[must_use]
    pub fn explain(&self) -> String {
        match self {
            Self::System { what, cause } => format!("could not {what}: {cause}"),
            other => other.to_string(),
        }
    }

    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |cause| Self::System { what, cause }
    }
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec").finish_non_exhaustive()
    }
}
