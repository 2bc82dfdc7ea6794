//! One cluster of the demo: a process, its folder, and the wire to its parent.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use cedge_tasks::Group;
use jiff::SignedDuration;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::Told;
use super::plan::Planned;
use super::relay::Relay;
use crate::connect;

/// How long a cluster may take until it serves, on a slow machine.
const READY_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(50);

/// One cluster.
pub(super) struct Site {
    planned: Planned,
    dir: PathBuf,
    relay: OnceLock<Relay>,
    process: Mutex<Option<Child>>,
}

/// Finds a cluster by path or by name.
pub(super) fn find<'a>(sites: &'a [Site], wanted: &str) -> anyhow::Result<&'a Site> {
    let found = sites
        .iter()
        .find(|s| s.path() == wanted || s.planned.name == wanted);
    found.with_context(|| {
        let all: Vec<&str> = sites.iter().map(Site::path).collect();
        format!(
            "the demo has no cluster {wanted:?}; it has {}",
            all.join(", ")
        )
    })
}

impl Site {
    pub(super) fn new(dir: &Path, planned: Planned) -> Self {
        let dir = dir.join(&planned.name);
        Self {
            planned,
            dir,
            relay: OnceLock::new(),
            process: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &str {
        if self.planned.parent.is_none() {
            "root"
        } else {
            &self.planned.path
        }
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// Opens the wire to the parent.
    pub(super) async fn open_relay(&self, sites: &[Site], tasks: &Group) -> anyhow::Result<()> {
        let Some(parent) = self.parent(sites) else {
            return Ok(());
        };
        let listen = loopback(self.planned.relay_port);
        let cut = self.dir.join("cut").exists();
        let relay = Relay::open(listen, loopback(parent.planned.hub_port), cut, tasks).await?;
        let _ = self.relay.set(relay);
        Ok(())
    }

    fn parent<'a>(&self, sites: &'a [Site]) -> Option<&'a Site> {
        let parent = self.planned.parent.as_deref()?;
        sites.iter().find(|s| s.planned.path == parent)
    }

    /// Whether it has to join its parent first.
    pub(super) fn needs_token(&self) -> bool {
        self.planned.parent.is_some() && !self.dir.join("tree/uplink.json").exists()
    }

    /// A token of the parent whose address is the relay's.
    pub(super) async fn token_of_parent(&self, sites: &[Site]) -> anyhow::Result<String> {
        let parent = self.parent(sites).context("the root has no parent")?;
        parent.until_ready().await?;
        let client = connect::client(&parent.kubeconfig()).await?;
        let hub = until(READY_LIMIT, || async { connect::hub(&client).await.ok() }).await;
        let hub = hub.with_context(|| {
            format!(
                "the hub of {} does not come up; see {}",
                parent.path(),
                parent.log().display()
            )
        })?;
        let grant = cedge_tree::token::Grant {
            addresses: vec![loopback(self.planned.relay_port).to_string()],
            uses: 1,
            lifetime: SignedDuration::from_hours(1),
            approve: true,
            labels: std::collections::BTreeMap::new(),
            description: format!("demo cluster {}", self.path()),
        };
        let pin = crate::commands::pin_of(&hub.ca)?;
        Ok(cedge_tree::token::create(&client, pin, &grant)
            .await?
            .to_string())
    }

    /// Starts the process, unless it runs.
    pub(super) fn start(&self, token: Option<&str>) -> anyhow::Result<()> {
        if self.is_running() {
            return Ok(());
        }
        cedge_pki::files::private_dir(&self.dir)?;
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())?;
        let labels: Vec<String> = self
            .planned
            .labels
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args([
                "server",
                "--name",
                &self.planned.name,
                "--labels",
                &labels.join(","),
            ])
            .args(["--listen", &loopback(self.planned.api_port).to_string()])
            .args(["--hub-listen", &loopback(self.planned.hub_port).to_string()])
            .arg("--data-dir")
            .arg(&self.dir)
            .env_remove("KUBECONFIG")
            .env_remove("CEDGE_JOIN")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        if let Some(token) = token {
            // In the environment, where other users do not see it.
            command.env("CEDGE_JOIN", token);
        }
        let child = command.spawn().context("could not start a server")?;
        *self.lock() = Some(child);
        Ok(())
    }

    /// Waits until the API answers.
    pub(super) async fn until_ready(&self) -> anyhow::Result<()> {
        let ready = until(READY_LIMIT, || async {
            if let Some(status) = self.ended() {
                return Some(Err(anyhow::anyhow!("{} ended ({status})", self.path())));
            }
            if !self.kubeconfig().exists() {
                return None;
            }
            let client = connect::client(&self.kubeconfig()).await.ok()?;
            let request = http::Request::get("/readyz").body(Vec::new()).ok()?;
            client.request_text(request).await.ok().map(|_| Ok(()))
        });
        let log = self.log();
        match ready.await {
            Some(result) => {
                result.with_context(|| format!("its last words are in {}", log.display()))
            }
            None => anyhow::bail!("{} does not come up; see {}", self.path(), log.display()),
        }
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    fn ended(&self) -> Option<std::process::ExitStatus> {
        self.lock()
            .as_mut()
            .and_then(|child| child.try_wait().ok().flatten())
    }

    pub(super) fn is_running(&self) -> bool {
        self.lock()
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Cuts or heals the wire to the parent; a cut outlives the demo's restart.
    pub(super) fn cut(&self, cut: bool) -> anyhow::Result<String> {
        let relay = self
            .relay
            .get()
            .context("the root has no parent: there is nothing to cut")?;
        let mark = self.dir.join("cut");
        if cut {
            std::fs::write(&mark, b"")?;
        } else if mark.exists() {
            std::fs::remove_file(&mark)?;
        }
        relay.set_cut(cut);
        let what = if cut { "cut" } else { "healed" };
        Ok(format!(
            "the link of {} to its parent is {what}",
            self.path()
        ))
    }

    /// Power loss: the server first, so that nobody restarts its pods, then every process of its pods.
    pub(super) async fn kill(&self) -> anyhow::Result<String> {
        let child = self.lock().take();
        if let Some(mut child) = child {
            child.kill().await?;
        }
        let pods = cedge_runtime::power_off(&self.dir.join("node"))?;
        Ok(format!(
            "{} is dead, and {pods} processes of its pods",
            self.path()
        ))
    }

    /// Stops politely, and leaves nothing running.
    pub(super) async fn stop(&self) {
        let child = self.lock().take();
        if let Some(mut child) = child {
            if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
                // Fails if it is gone already, and that is what is wanted.
                let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
            }
            if tokio::time::timeout(STOP_LIMIT, child.wait())
                .await
                .is_err()
            {
                let _ = child.kill().await;
            }
        }
        // It looks at every process of the machine: all clusters at the same time, and not on this thread.
        let node = self.dir.join("node");
        let stopped = tokio::task::spawn_blocking(move || cedge_runtime::power_off(&node)).await;
        if let Ok(Err(error)) = stopped {
            tracing::debug!(%error, "no pods to stop");
        }
    }

    pub(super) fn told(&self) -> Told {
        let cut = self.relay.get().is_some_and(Relay::is_cut);
        let state = match (self.is_running(), cut) {
            (false, _) => "Killed",
            (true, true) => "Cut",
            (true, false) => "Running",
        };
        Told {
            name: self.planned.name.clone(),
            path: if self.planned.parent.is_none() {
                ".".to_owned()
            } else {
                self.planned.path.clone()
            },
            state: state.to_owned(),
            kubeconfig: self.kubeconfig(),
            api: format!("https://{}", loopback(self.planned.api_port)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.process
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Looks again until there is an answer, for `limit` at most: another process has no watch to offer before it is up.
async fn until<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    mut look: impl FnMut() -> F,
) -> Option<T> {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(limit, looking).await.ok()
}
