//! The peer: the real Kubernetes 1.37 of the oracle (etcd, kube-apiserver, kube-controller-manager, kube-scheduler), as
//! quiet as its flags allow, with certificates made as `kubeadm` makes them.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use cedge_pki::{Authority, Credential, Key, Kubeconfig, Profile, Validity, kubeconfig};
use cedge_tasks::clock;
use http::Method;
use tokio::time::Instant;

use crate::api::Target;

/// The folder with the programs.
const PROGRAMS: &str = "KUBEBUILDER_ASSETS";
/// How long it may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(1);

/// A control plane; killed with its owner.
#[derive(Debug)]
pub struct Kubernetes {
    dir: PathBuf,
    programs: PathBuf,
    etcd: u16,
    peers: u16,
    api: u16,
    authority: Authority,
    running: Vec<(&'static str, Child)>,
}

impl Kubernetes {
    /// One below `folder`, not started yet; `None` if there are no programs on this machine.
    ///
    /// # Errors
    /// When its keys cannot be written.
    pub fn here(folder: &Path, name: &str) -> Result<Option<Self>> {
        let Some(programs) = std::env::var_os(PROGRAMS) else {
            return Ok(None);
        };
        let dir = folder.join(name);
        std::fs::create_dir_all(&dir)?;
        let listeners = [bound()?, bound()?, bound()?];
        let port = |i: usize| anyhow::Ok(listeners[i].local_addr()?.port());
        let this = Self {
            dir,
            programs: programs.into(),
            etcd: port(0)?,
            peers: port(1)?,
            api: port(2)?,
            authority: Authority::ephemeral(),
            running: Vec::new(),
        };
        this.credentials()?;
        Ok(Some(this))
    }

    fn credentials(&self) -> Result<()> {
        let authority = &self.authority;
        let ca = authority.certificate_pem();
        std::fs::write(self.dir.join("ca.crt"), &ca)?;
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let save = |credential: &Credential, name: &str| credential.save(&self.dir, name);
        save(&authority.server_credential(names, clock::now())?, "server")?;
        let user = |name: &str| {
            let profile = Profile::User {
                name: name.to_owned(),
                group: Some("system:masters".to_owned()),
            };
            let validity = Validity::from_now(clock::now());
            authority.issue(&profile, &Arc::new(Key::generate()), validity)
        };
        // The key of the service accounts, whose public half Kubernetes reads from a certificate.
        save(&user("accounts")?, "accounts")?;
        let url = self.url();
        let admin = kubeconfig::User::by_certificate(&user("admin")?);
        Kubeconfig::single("kubernetes", &url, &ca, admin).write(&self.kubeconfig())?;
        Ok(())
    }

    /// Starts every process.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn launch(&mut self) -> Result<()> {
        let beside = self.programs.join("etcd");
        let etcd = if beside.exists() {
            beside
        } else {
            "etcd".into()
        };
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let (client, peer) = (url(self.etcd), url(self.peers));
        self.spawn(
            "etcd",
            &etcd,
            &[
                format!("--data-dir={}", self.path("etcd")),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                "--logger=zap".to_owned(),
                "--log-level=error".to_owned(),
            ],
        )?;
        let file = |flag: &str, name: &str| format!("--{flag}={}", self.path(name));
        let apiserver = [
            format!("--etcd-servers={client}"),
            format!("--secure-port={}", self.api),
            "--bind-address=127.0.0.1".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            file("service-account-key-file", "accounts.crt"),
            file("service-account-signing-key-file", "accounts.key"),
            file("client-ca-file", "ca.crt"),
            file("tls-cert-file", "server.crt"),
            file("tls-private-key-file", "server.key"),
        ];
        let manager = [
            file("kubeconfig", "kubeconfig"),
            file("service-account-private-key-file", "accounts.key"),
            file("root-ca-file", "ca.crt"),
            "--secure-port=0".to_owned(),
        ];
        let scheduler = [
            file("kubeconfig", "kubeconfig"),
            "--secure-port=0".to_owned(),
        ];
        let named = |program: &str| self.programs.join(program);
        let [api, kcm, ks] = [
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
        ]
        .map(named);
        self.spawn("kube-apiserver", &api, &apiserver)?;
        self.spawn("kube-controller-manager", &kcm, &manager)?;
        self.spawn("kube-scheduler", &ks, &scheduler)
    }

    fn spawn(&mut self, name: &'static str, program: &Path, args: &[String]) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.join(format!("{name}.log")))?;
        let child = Command::new(program)
            .args(args)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        self.running.push((name, child));
        Ok(())
    }

    /// Starts every process; returns when the API server is ready.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub async fn start(&mut self) -> Result<()> {
        self.launch()?;
        self.ready().await
    }

    /// Returns when the API server says that it is ready.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn ready(&self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(mut api) = self.target()?.connect().await
                && let Ok((status, _)) = api.ask(Method::GET, "/readyz", Bytes::new()).await
                && status.is_success()
            {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!(
            "Kubernetes is not ready; its logs are in {}",
            self.dir.display()
        )
    }

    /// `kill -9` of every process.
    pub fn kill(&mut self) {
        for (_, child) in self.running.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.running.clear();
    }

    /// Its API.
    ///
    /// # Errors
    /// When its kubeconfig is gone.
    pub fn target(&self) -> Result<Target> {
        Target::of(&self.kubeconfig())
    }

    /// Where its API is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api)
    }

    /// Whom its clients trust, and who makes their certificates.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Its processes, by name.
    #[must_use]
    pub fn processes(&self) -> Vec<(&'static str, u32)> {
        self.running
            .iter()
            .map(|(name, child)| (*name, child.id()))
            .collect()
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        self.kill();
    }
}

fn bound() -> Result<TcpListener> {
    Ok(TcpListener::bind("127.0.0.1:0")?)
}
