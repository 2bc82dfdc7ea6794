//! Where a process of a pod says that it runs: one connection over loopback, at the moment of its first instruction.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, timeout};

/// A name is short.
const NAME_MAX: u64 = 256;

/// Hears of processes that begin to run.
#[derive(Debug)]
pub struct Beacon {
    address: SocketAddr,
    heard: mpsc::Receiver<(String, Instant)>,
}

impl Beacon {
    /// Listens on a port of its own.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn listen() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (tell, heard) = mpsc::channel(64);
        cedge_tasks::spawn("bench/beacon", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let at = Instant::now();
                let mut name = String::new();
                if stream
                    .take(NAME_MAX)
                    .read_to_string(&mut name)
                    .await
                    .is_ok()
                {
                    let _ = tell.send((name, at)).await;
                }
            }
        });
        Ok(Self { address, heard })
    }

    /// When the process of this name began to run, from now on; what others say is dropped.
    ///
    /// # Errors
    /// When it does not within the limit.
    pub async fn hear(&mut self, name: &str, limit: Duration) -> Result<Instant> {
        let heard = async {
            while let Some((who, at)) = self.heard.recv().await {
                if who == name {
                    return Ok(at);
                }
            }
            anyhow::bail!("the beacon is gone")
        };
        let heard = timeout(limit, heard).await;
        heard.with_context(|| format!("{name} does not run"))?
    }

    /// A Deployment of one process that says so. It needs bash, for a connection without another program.
    #[must_use]
    pub fn deployment(&self, name: &str) -> Value {
        let port = self.address.port();
        let script = format!("echo -n {name} > /dev/tcp/127.0.0.1/{port}; exec sleep 1000000");
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": name, "namespace": "default" },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": { "app": name } },
                "template": {
                    "metadata": { "labels": { "app": name } },
                    "spec": {
                        "runtimeClassName": "process", "terminationGracePeriodSeconds": 0,
                        "containers": [{ "name": "main", "image": "process", "command": ["bash", "-c", script] }],
                    },
                },
            },
        })
    }
}
