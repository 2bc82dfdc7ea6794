//! An API server, and which programs run beside it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cedge_pki::Authority;
use cedge_rbac::Grant;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::{Objects, ours, programs, theirs as real};

const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// Why there is no server, or no program.
pub type Skipped = String;

/// Whether a variable asks for the real program in place of ours.
#[must_use]
pub fn theirs(variable: &str) -> bool {
    match env::var(variable).as_deref() {
        Ok("theirs" | "real") => true,
        Ok("ours") | Err(_) => false,
        Ok(other) => panic!("{variable} is {other:?}, neither `ours` nor `theirs`"),
    }
}

/// A server without controllers and scheduler, and room for programs beside it. Everything ends with it.
#[derive(Debug)]
pub struct Lab {
    /// How to speak to it as an administrator.
    pub config: Config,
    /// The same as a file.
    pub kubeconfig: PathBuf,
    /// Whether it is the real API server.
    pub is_real: bool,
    /// A certificate that controllers tell every namespace to trust.
    pub root_ca: String,
    /// Where logs and keys are.
    pub dir: PathBuf,
    /// Their standard inputs hold the leashes.
    leashes: Mutex<Vec<Child>>,
}

// === impl Lab ===

impl Lab {
    /// Starts what `CEDGE_TEST_API` asks for, in a folder with this name.
    ///
    /// # Errors
    /// It is not here.
    pub async fn start(name: &str) -> Result<Self, Skipped> {
        let dir = env::temp_dir().join(format!("cedge-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
        if let Some(file) = env::var_os("CEDGE_TEST_KUBECONFIG") {
            return Self::of(dir, Path::new(&file), Vec::new(), false).await;
        }
        let is_real = env::var("CEDGE_TEST_API").as_deref() != Ok("ours");
        let leashes = if is_real {
            real::start(&dir)?
        } else {
            ours::start(&dir).await.map_err(|e| e.to_string())?;
            // Removes the folder when this process has ended.
            let idle = ["-f", "/dev/null"];
            let tail = Path::new("tail");
            vec![programs::start(
                tail,
                idle,
                &dir.join("idle.log"),
                Some(&dir),
            )?]
        };
        let kubeconfig = dir.join("kubeconfig");
        let lab = Self::of(dir, &kubeconfig, leashes, is_real).await?;
        lab.await_ready().await;
        Ok(lab)
    }

    async fn of(
        dir: PathBuf,
        kubeconfig: &Path,
        leashes: Vec<Child>,
        is_real: bool,
    ) -> Result<Self, Skipped> {
        let file = Kubeconfig::read_from(kubeconfig).map_err(|e| e.to_string())?;
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(file, &options).await;
        Ok(Self {
            config: config.map_err(|e| e.to_string())?,
            kubeconfig: kubeconfig.to_owned(),
            is_real,
            root_ca: Authority::ephemeral().certificate_pem(),
            dir,
            leashes: Mutex::new(leashes),
        })
    }

    #[must_use]
    pub fn client(&self) -> Client {
        Client::try_from(self.config.clone()).unwrap()
    }

    /// A client that speaks for a user, with the rights of that user and no more.
    #[must_use]
    pub fn client_of(&self, user: &str) -> Client {
        self.clients()(user)
    }

    /// As [`Self::client_of`], for whom will be said later.
    pub fn clients(&self) -> impl Fn(&str) -> Client + Send + Sync + use<> {
        let config = self.config.clone();
        move |user| {
            let mut config = config.clone();
            config.auth_info.impersonate = Some(user.to_owned());
            Client::try_from(config).unwrap()
        }
    }

    /// Stores rights that no bootstrap role gives, each as a role and its binding.
    pub async fn grant(&self, grants: &[Grant]) {
        for (i, grant) in grants.iter().enumerate() {
            for object in grant.objects(&format!("granted-{i}")) {
                let kind = object["kind"].as_str().unwrap_or_default().to_owned();
                let plural = format!("{}s", kind.to_lowercase());
                let objects = self.objects(RBAC, &kind, &plural, &grant.namespace);
                objects.create(object).await;
            }
        }
    }

    /// Objects of a kind as JSON; of all namespaces if `namespace` is empty.
    #[must_use]
    pub fn objects(&self, api_version: &str, kind: &str, plural: &str, namespace: &str) -> Objects {
        Objects::new(self.client(), api_version, kind, plural, namespace)
    }

    /// Starts a real program beside the server, with its kubeconfig, and, as ours speaks JSON, told to speak it.
    ///
    /// # Errors
    /// It is not here.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<(), Skipped> {
        let path = programs::find(program)?;
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig.display());
        let mut all = vec![kubeconfig.as_str()];
        if !self.is_real {
            all.push("--kube-api-content-type=application/json");
        }
        all.extend(arguments);
        let log = self.dir.join(format!("{program}.log"));
        let child = programs::start(&path, all, &log, None)?;
        let mut leashes = self.leashes.lock().unwrap_or_else(PoisonError::into_inner);
        leashes.push(child);
        Ok(())
    }

    /// Starts the real scheduler.
    ///
    /// # Errors
    /// It is not here.
    pub fn run_scheduler(&self) -> Result<(), Skipped> {
        self.run(
            "kube-scheduler",
            &["--secure-port=0", "--leader-elect=true"],
        )
    }

    /// Starts the real controller manager, as hasty about nodes as our controllers are in tests.
    ///
    /// # Errors
    /// It is not here.
    pub fn run_controllers(&self) -> Result<(), Skipped> {
        let mut arguments = vec![
            "--secure-port=0".to_owned(),
            "--leader-elect=true".to_owned(),
            "--node-monitor-grace-period=6s".to_owned(),
            "--node-startup-grace-period=6s".to_owned(),
            "--node-monitor-period=2s".to_owned(),
        ];
        let ca = self.dir.join("root-ca.crt");
        fs::write(&ca, &self.root_ca).map_err(|e| e.to_string())?;
        arguments.push(format!("--root-ca-file={}", ca.display()));
        if self.is_real {
            let key = self.dir.join("sa.key");
            arguments.push(format!(
                "--service-account-private-key-file={}",
                key.display()
            ));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.run("kube-controller-manager", &arguments)
    }

    async fn await_ready(&self) {
        let client = self.client();
        for _ in 0..900 {
            let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
            if client.request_text(request).await.is_ok_and(|t| t == "ok") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = fs::read_to_string(self.dir.join("apiserver.log")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(20).collect();
        panic!("the API server is not ready: {tail:#?}");
    }
}
