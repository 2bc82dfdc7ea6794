//! Real processes: a `cedge server` in a folder of its own, a `cedge agent` below it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tokio::time::Instant;

use crate::api::{Connection, Target};

/// How long anything may take before a bench gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(1);
/// The kind that is installed last: when it is served, the whole start is over.
const LAST: &str = "/openapi/v3/apis/edge.centaurus.io/v1alpha1";

/// A cluster as a process.
#[derive(Debug)]
pub struct Site {
    /// Its name, and that of its node.
    pub name: String,
    dir: PathBuf,
    api: SocketAddr,
    hub: SocketAddr,
    args: Vec<String>,
    running: Option<Running>,
}

/// A process of ours, with its pods; killed with its owner.
#[derive(Debug)]
pub struct Running {
    child: Child,
    node: PathBuf,
}

/// The binary that is measured: `CEDGE_BIN`, or the one built beside the bench.
///
/// # Errors
/// When there is none.
pub fn binary() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("CEDGE_BIN") {
        return Ok(given.into());
    }
    let bench = std::env::current_exe()?;
    let beside = bench.ancestors().nth(2).map(|dir| dir.join("cedge"));
    let built = beside.filter(|p| p.exists());
    built.context("build what is measured first: cargo build --release -p cedge")
}

fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

// === impl Running ===

impl Running {
    fn start(args: &[String], log: &Path, node: PathBuf) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let child = Command::new(binary()?)
            .args(args)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self { child, node })
    }

    /// A node of the hub that gave the token, with its data in `dir`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn agent(dir: &Path, name: &str, token: &str) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut args = words(&["agent", "--name", name, "--join", token, "--data-dir"]);
        args.push(dir.display().to_string());
        Self::start(&args, &dir.join("agent.log"), dir.to_owned())
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    /// Loss of power: the process and its pods.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Ok(binary) = binary() {
            let _ = Command::new(binary)
                .arg("__power-off")
                .arg(&self.node)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
    }
}

// === impl Site ===

impl Site {
    /// A site below `folder`, not started yet.
    ///
    /// # Errors
    /// When there is no free port, or no folder.
    pub fn new(folder: &Path, name: &str, args: &[&str]) -> Result<Self> {
        let dir = folder.join(name);
        std::fs::create_dir_all(&dir)?;
        Ok(Self {
            name: name.to_owned(),
            dir,
            api: free()?,
            hub: free()?,
            args: words(args),
            running: None,
        })
    }

    /// Starts it below a parent that is dialled at `address`; returns when it is ready.
    ///
    /// # Errors
    /// When the parent gives no token, or the site does not come up.
    pub async fn start_below(&mut self, parent: &Self, address: SocketAddr) -> Result<()> {
        let token = parent.token(address).await?;
        self.args.extend(words(&["--join", &token]));
        self.start().await
    }

    /// Starts it; returns when its API is ready and knows what a Mission is.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(&mut self) -> Result<()> {
        self.launch()?;
        for path in ["/readyz", LAST] {
            self.until(path, |answer| answer.is_some()).await?;
        }
        Ok(())
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the binary cannot be started.
    pub fn launch(&mut self) -> Result<()> {
        let (api, hub) = (self.api.to_string(), self.hub.to_string());
        let mut args = words(&["server", "--name", &self.name]);
        args.extend(words(&["--listen", &api, "--hub-listen", &hub]));
        args.extend(["--data-dir".to_owned(), self.dir.display().to_string()]);
        args.extend_from_slice(&self.args);
        let node = self.dir.join("node");
        self.running = Some(Running::start(&args, &self.dir.join("server.log"), node)?);
        Ok(())
    }

    /// `kill -9` of the process and its pods.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Where its hub listens.
    #[must_use]
    pub fn hub(&self) -> SocketAddr {
        self.hub
    }

    /// Its process id, while it runs.
    ///
    /// # Errors
    /// When it does not run.
    pub fn id(&self) -> Result<u32> {
        let running = self.running.as_ref().context("the site does not run")?;
        Ok(running.id())
    }

    /// Its API, as its kubeconfig names it now.
    ///
    /// # Errors
    /// When there is none yet.
    pub fn target(&self) -> Result<Target> {
        Target::of(&self.kubeconfig())
    }

    /// A connection to its API, as soon as there is one.
    ///
    /// # Errors
    /// When there is none for too long.
    pub async fn connect(&self) -> Result<Connection> {
        let begun = Instant::now();
        loop {
            // The file is replaced as a whole at every start, and the keys in it may be those of the last one.
            let tried = match Target::of(&self.kubeconfig()) {
                Ok(target) => target.connect().await,
                Err(error) => Err(error),
            };
            match tried {
                Ok(connection) => return Ok(connection),
                Err(error) => self.give_up(begun, &error)?,
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks again and again, until the answer is one.
    ///
    /// # Errors
    /// When it is not for too long.
    pub async fn until(&self, path: &str, is: impl Fn(Option<&Value>) -> bool) -> Result<()> {
        let mut connection = self.connect().await?;
        let begun = Instant::now();
        loop {
            let answer = match connection.ask(Method::GET, path, Bytes::new()).await {
                Ok((status, body)) if status.is_success() => {
                    Some(serde_json::from_slice(&body).unwrap_or(Value::Null))
                }
                Ok(_) => None,
                Err(error) => {
                    self.give_up(begun, &error)?;
                    connection = self.connect().await?;
                    None
                }
            };
            if is(answer.as_ref()) {
                return Ok(());
            }
            let seen = answer.unwrap_or_default().to_string();
            let seen: String = seen.chars().take(600).collect();
            self.give_up(begun, &anyhow::anyhow!("{path} is not so: {seen}"))?;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A token of this site, with which children dial `address`.
    ///
    /// # Errors
    /// When it gives none.
    pub async fn token(&self, address: SocketAddr) -> Result<String> {
        let begun = Instant::now();
        loop {
            let made = Command::new(binary()?)
                .args(["token", "create", "--address", &address.to_string()])
                .env("KUBECONFIG", self.kubeconfig())
                .output()?;
            if made.status.success() {
                return Ok(String::from_utf8(made.stdout)?.trim().to_owned());
            }
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            self.give_up(begun, &anyhow::Error::msg(said))?;
            tokio::time::sleep(LOOK * 100).await;
        }
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    fn give_up(&self, begun: Instant, error: &anyhow::Error) -> Result<()> {
        if begun.elapsed() < PATIENCE {
            return Ok(());
        }
        let log = std::fs::read_to_string(self.dir.join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(12)..].join("\n");
        bail!("{}: {error:#}\n{last}", self.name)
    }
}

/// What `cedge version` says of the binary that is measured.
///
/// # Errors
/// When it does not run.
pub fn version() -> Result<String> {
    let said = Command::new(binary()?).arg("version").output()?;
    ensure!(said.status.success(), "cedge version fails");
    let said = String::from_utf8(said.stdout)?;
    Ok(said.lines().next().unwrap_or_default().trim().to_owned())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}
