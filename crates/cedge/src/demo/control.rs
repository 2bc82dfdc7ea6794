//! How a second terminal speaks to the running demo: one JSON line each way over a socket in its folder.

use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cedge_tasks::Group;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::Site;
use super::site;

/// A request is one short line.
const LINE_MAX: u64 = 4096;
/// Starting a cluster takes seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);

/// The socket; removed when dropped.
pub(super) struct Control {
    listener: Arc<UnixListener>,
    path: PathBuf,
}

fn path(dir: &Path) -> PathBuf {
    dir.join("control.sock")
}

/// Whether a demo runs in this folder.
pub(super) fn is_up(dir: &Path) -> bool {
    StdStream::connect(path(dir)).is_ok()
}

/// Asks the running demo.
pub(super) async fn ask(dir: &Path, verb: &str, cluster: &str) -> anyhow::Result<Value> {
    let connect = UnixStream::connect(path(dir)).await;
    let mut stream = connect.with_context(|| {
        format!(
            "no demo runs in {}; start one with `cedge demo`",
            dir.display()
        )
    })?;
    let line = format!("{}\n", json!({ "verb": verb, "cluster": cluster }));
    stream.write_all(line.as_bytes()).await?;
    let mut answer = String::new();
    tokio::time::timeout(ANSWER_LIMIT, stream.read_to_string(&mut answer))
        .await
        .context("the demo does not answer")??;
    let answer: Value =
        serde_json::from_str(&answer).context("the demo's answer cannot be read")?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => anyhow::bail!("{error}"),
        None => Ok(answer.get("ok").cloned().unwrap_or_default()),
    }
}

impl Control {
    /// Takes the folder for this demo.
    pub(super) fn bind(dir: &Path) -> anyhow::Result<Self> {
        anyhow::ensure!(
            !is_up(dir),
            "a demo already runs in {}; `cedge demo status` shows it",
            dir.display()
        );
        let path = path(dir);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
        let listener =
            UnixListener::bind(&path).with_context(|| format!("socket {}", path.display()))?;
        Ok(Self {
            listener: Arc::new(listener),
            path,
        })
    }

    /// Answers until the demo is told to stop. The socket stays until this is dropped: so long the folder is taken.
    pub(super) fn serve(&self, sites: Arc<Vec<Site>>, tasks: &Group) {
        let listener = self.listener.clone();
        let group = tasks.clone();
        tasks.spawn("demo/control", async move {
            let shutdown = group.shutdown().clone();
            while let Some(accepted) = shutdown.or(listener.accept()).await {
                if let Ok((stream, _)) = accepted {
                    let (sites, stop) = (sites.clone(), group.shutdown().clone());
                    group.spawn("demo/request", async move {
                        if let Some(Err(error)) = stop.or(answer(stream, &sites)).await {
                            tracing::debug!(%error, "a request to the demo broke off");
                        }
                    });
                }
            }
        });
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn answer(mut stream: UnixStream, sites: &[Site]) -> anyhow::Result<()> {
    let mut line = String::new();
    BufReader::new((&mut stream).take(LINE_MAX))
        .read_line(&mut line)
        .await?;
    let request: Value = serde_json::from_str(&line)?;
    let text = |key: &str| {
        request
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let answer = match act(sites, &text("verb"), &text("cluster")).await {
        Ok(ok) => json!({ "ok": ok }),
        Err(error) => json!({ "error": format!("{error:#}") }),
    };
    stream.write_all(answer.to_string().as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}

async fn act(sites: &[Site], verb: &str, cluster: &str) -> anyhow::Result<Value> {
    if verb == "status" {
        let told: Vec<super::Told> = sites.iter().map(Site::told).collect();
        return Ok(serde_json::to_value(told)?);
    }
    let site = site::find(sites, cluster)?;
    let said = match verb {
        "cut" => site.cut(true)?,
        "heal" => site.cut(false)?,
        "kill" => site.kill().await?,
        "start" => {
            site.start(None)?;
            site.until_ready().await?;
            format!("{} is up again", site.path())
        }
        other => anyhow::bail!("the demo does not know {other:?}"),
    };
    Ok(Value::String(said))
}
