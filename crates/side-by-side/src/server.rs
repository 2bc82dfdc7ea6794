//! The two servers: the real kube-apiserver with its etcd, and ours.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use cedge_e2e::Site;
use kube::Client;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use serde_json::json;

/// How long a server may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Something that answers as Kubernetes does.
pub trait Server: Sync {
    /// Speaks to it as an administrator.
    fn client(&self) -> &Client;
    /// Speaks to it as nobody.
    fn stranger(&self) -> &Client;
    /// The file by which kubectl speaks to it as an administrator.
    fn kubeconfig(&self) -> &Path;
}

/// A real kube-apiserver, without controllers.
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct Real {
    client: Client,
    stranger: Client,
    kubeconfig: PathBuf,
    processes: Vec<Child>,
}

/// An embedded cluster's API server, without controllers, scheduler, node and tree.
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct Ours {
    client: Client,
    stranger: Client,
    kubeconfig: PathBuf,
    _site: Site,
}

/// Where the real programs are, if they are here.
#[must_use]
pub fn assets() -> Option<PathBuf> {
    let dir = PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS")?);
    dir.join("kube-apiserver").exists().then_some(dir)
}

impl Real {
    /// Starts it below `folder`.
    ///
    /// # Errors
    /// It does not start, or is not ready in time.
    pub async fn start(assets: &Path, folder: &Path) -> anyhow::Result<Self> {
        let dir = folder.join("real");
        std::fs::create_dir_all(&dir)?;
        let (client_port, peer_port, api_port) = (free()?, free()?, free()?);
        let etcd_url = format!("http://127.0.0.1:{client_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let beside = assets.join("etcd");
        let etcd = if beside.exists() {
            beside
        } else {
            PathBuf::from("etcd")
        };
        let mut command = Command::new(etcd);
        command
            .arg("--data-dir")
            .arg(dir.join("etcd"))
            .args(["--listen-client-urls", &etcd_url])
            .args(["--advertise-client-urls", &etcd_url])
            .args(["--listen-peer-urls", &peer_url])
            .args(["--initial-advertise-peer-urls", &peer_url])
            .args(["--initial-cluster", &format!("default={peer_url}")]);
        let mut processes = vec![spawn(command, &dir.join("etcd.log"))?];

        let accounts = dir.join("service-accounts");
        cedge_pki::Authority::load_or_create(&accounts)?;
        let tokens = dir.join("tokens.csv");
        std::fs::write(&tokens, "side-by-side,admin,1,\"system:masters\"\n")?;
        let mut command = Command::new(assets.join("kube-apiserver"));
        command
            .args(["--etcd-servers", &etcd_url])
            .args(["--secure-port", &api_port.to_string()])
            .args(["--bind-address", "127.0.0.1"])
            .arg("--cert-dir")
            .arg(dir.join("certificates"))
            .args([
                "--service-account-issuer",
                "https://kubernetes.default.svc.cluster.local",
            ])
            .arg("--service-account-key-file")
            .arg(accounts.join("ca.crt"))
            .arg("--service-account-signing-key-file")
            .arg(accounts.join("ca.key"))
            .arg("--token-auth-file")
            .arg(&tokens)
            .args(["--authorization-mode", "Node,RBAC"])
            // As ours, which has no flag for it.
            .arg("--allow-privileged")
            .args(["--service-cluster-ip-range", "10.96.0.0/16"]);
        processes.push(spawn(command, &dir.join("api.log"))?);
        let config = json!({
            "current-context": "real",
            "contexts": [{ "name": "real", "context": { "cluster": "real", "user": "admin" } }],
            "clusters": [{ "name": "real", "cluster": {
                "server": format!("https://127.0.0.1:{api_port}"), "insecure-skip-tls-verify": true,
            } }],
            "users": [{ "name": "admin", "user": { "token": "side-by-side" } }],
        });
        let kubeconfig = dir.join("kubeconfig");
        std::fs::write(&kubeconfig, config.to_string())?;
        let config: Kubeconfig = serde_json::from_value(config)?;
        let real = Self {
            stranger: connect(nobody(config.clone())).await?,
            client: connect(config).await?,
            kubeconfig,
            processes,
        };
        ready(&real.client)
            .await
            .with_context(|| format!("the real API server; see {}", dir.display()))?;
        Ok(real)
    }
}

impl Server for Real {
    fn client(&self) -> &Client {
        &self.client
    }

    fn stranger(&self) -> &Client {
        &self.stranger
    }

    fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Ours {
    /// Starts it below `folder`.
    ///
    /// # Errors
    /// It does not start, or is not ready in time.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let alone = ["--without", "controllers,scheduler,node,tree"];
        let mut site = Site::new(folder, "ours", &alone);
        site.launch();
        let file = site.kubeconfig();
        let begun = tokio::time::Instant::now();
        while !file.exists() {
            if begun.elapsed() > READY_WITHIN {
                bail!("{}", site.last_words());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let config = Kubeconfig::read_from(&file)?;
        let client = connect(config.clone()).await?;
        ready(&client).await.context("our API server")?;
        Ok(Self {
            client,
            stranger: connect(nobody(config)).await?,
            kubeconfig: file,
            _site: site,
        })
    }
}

impl Server for Ours {
    fn client(&self) -> &Client {
        &self.client
    }

    fn stranger(&self) -> &Client {
        &self.stranger
    }

    fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

/// The same servers, without credentials.
fn nobody(mut config: Kubeconfig) -> Kubeconfig {
    for user in &mut config.auth_infos {
        user.auth_info = Some(AuthInfo::default());
    }
    config
}

async fn connect(config: Kubeconfig) -> anyhow::Result<Client> {
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(config, &options).await?;
    // What is compared is the first answer.
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

async fn ready(client: &Client) -> anyhow::Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let request = http::Request::get("/readyz").body(Vec::new())?;
        match client.request_text(request).await {
            Ok(_) => return Ok(()),
            Err(error) if begun.elapsed() > READY_WITHIN => return Err(error.into()),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

fn free() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn spawn(mut command: Command, log: &Path) -> anyhow::Result<Child> {
    let file = File::create(log)?;
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    command.spawn().with_context(|| format!("{command:?}"))
}
