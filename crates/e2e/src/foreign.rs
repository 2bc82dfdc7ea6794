//! A cluster that others made: kube-apiserver over etcd, if asked their controller manager and scheduler, `cedge attach`
//! beside it, and a node of ours.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cedge_pki::{Authority, Credential, Key, Kubeconfig, Profile, Validity, kubeconfig};
use cedge_tasks::clock;

use crate::kubectl::{Ran, run};
use crate::site::{binary, log_to};
use crate::wait::eventually;

/// The folder with the program `kube-apiserver`, and `etcd` unless that is installed.
const PROGRAMS: &str = "KUBEBUILDER_ASSETS";

/// The cluster; everything ends with it.
#[derive(Debug)]
pub struct Foreign {
    dir: PathBuf,
    programs: PathBuf,
    hub: u16,
    processes: Vec<Child>,
}

impl Foreign {
    /// Starts API and hub, and waits until both serve.
    ///
    /// # Errors
    /// Why there is no such cluster on this machine.
    ///
    /// # Panics
    /// If there should be one, and it does not come up.
    pub fn start(folder: &Path) -> Result<Self, String> {
        // Nothing makes accounts here.
        Self::begin(folder, &["--disable-admission-plugins=ServiceAccount"])
    }

    /// Starts the same with their controllers and their scheduler, as people run it.
    ///
    /// # Errors
    /// Why there is no such cluster on this machine.
    ///
    /// # Panics
    /// If there should be one, and it does not come up.
    pub fn whole(folder: &Path) -> Result<Self, String> {
        let mut this = Self::begin(folder, &["--allow-privileged"])?;
        let programs = this.programs.clone();
        let kubeconfig = format!("--kubeconfig={}", this.kubeconfig().display());
        let file = |flag: &str, name: &str| format!("--{flag}={}", this.path(name));
        let controllers = [
            kubeconfig.clone(),
            file("service-account-private-key-file", "sa.key"),
            file("root-ca-file", "ca.crt"),
            file("cluster-signing-cert-file", "ca.crt"),
            file("cluster-signing-key-file", "ca.key"),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ];
        let program = programs.join("kube-controller-manager");
        this.spawn(&program, &controllers.each_ref().map(String::as_str))?;
        let scheduler = [&kubeconfig, "--leader-elect=false", "--secure-port=0"];
        this.spawn(&programs.join("kube-scheduler"), &scheduler)?;
        Ok(this)
    }

    fn begin(folder: &Path, more: &[&str]) -> Result<Self, String> {
        let programs = std::env::var_os(PROGRAMS).ok_or(format!("{PROGRAMS} is not set"))?;
        let programs = PathBuf::from(programs);
        let [etcd, peer, api, hub] = ports();
        let mut this = Self {
            dir: folder.to_owned(),
            programs,
            hub,
            processes: Vec::new(),
        };
        this.credentials(api);
        let own = this.programs.join("etcd");
        let program = if own.exists() { own } else { "etcd".into() };
        let (client, peer) = (
            format!("http://127.0.0.1:{etcd}"),
            format!("http://127.0.0.1:{peer}"),
        );
        this.spawn(
            &program,
            &[
                &format!("--data-dir={}", folder.join("etcd").display()),
                &format!("--listen-client-urls={client}"),
                &format!("--advertise-client-urls={client}"),
                &format!("--listen-peer-urls={peer}"),
                &format!("--initial-advertise-peer-urls={peer}"),
                &format!("--initial-cluster=default={peer}"),
            ],
        )?;
        this.api(&client, api, more)?;
        this.until_served("/readyz");
        let (hub, file) = (format!("127.0.0.1:{hub}"), this.kubeconfig());
        let (file, data) = (file.display().to_string(), this.path("attach"));
        let attach = ["attach", "--kubeconfig", &file, "--hub-listen", &hub];
        this.spawn(&binary(), &[&attach[..], &["--data-dir", &data]].concat())?;
        this.until_served("/apis/edge.centaurus.io/v1alpha1");
        Ok(this)
    }

    /// Keys and certificates: one authority for all, as `kubeadm` makes it.
    fn credentials(&self, api: u16) {
        let authority = Authority::load_or_create(&self.dir).expect("ca.crt and ca.key");
        let ca = authority.certificate_pem();
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let server = authority.server_credential(names, clock::now());
        let save = |credential: &Credential, name: &str| {
            credential.save(&self.dir, name).expect("two files");
        };
        save(&server.expect("names that fit"), "server");
        let user = |name: &str| {
            let profile = Profile::User {
                name: name.to_owned(),
                group: Some("system:masters".to_owned()),
            };
            let validity = Validity::from_now(clock::now());
            let issued = authority.issue(&profile, &Arc::new(Key::generate()), validity);
            issued.expect("a name that fits")
        };
        save(&user("kube-apiserver-kubelet-client"), "kubelet-client");
        // The key of the service accounts, whose public half Kubernetes reads from a certificate.
        save(&user("sa"), "sa");
        let url = format!("https://127.0.0.1:{api}");
        let admin = kubeconfig::User::by_certificate(&user("admin"));
        Kubeconfig::single("shop", &url, &ca, admin)
            .write(&self.kubeconfig())
            .expect("a file");
    }

    fn api(&mut self, etcd: &str, port: u16, more: &[&str]) -> Result<(), String> {
        let file = |flag: &str, name: &str| format!("--{flag}={}", self.path(name));
        let args = [
            format!("--etcd-servers={etcd}"),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            file("service-account-key-file", "sa.crt"),
            file("service-account-signing-key-file", "sa.key"),
            file("client-ca-file", "ca.crt"),
            file("tls-cert-file", "server.crt"),
            file("tls-private-key-file", "server.key"),
            file("kubelet-client-certificate", "kubelet-client.crt"),
            file("kubelet-client-key", "kubelet-client.key"),
        ];
        let args = args.iter().map(String::as_str);
        let args: Vec<&str> = args.chain(more.iter().copied()).collect();
        self.spawn(&self.programs.join("kube-apiserver"), &args)
    }

    /// Starts a node of ours on the hub beside the API.
    ///
    /// # Panics
    /// If the binary cannot be started.
    pub fn node(&mut self, name: &str) {
        let hub = format!("127.0.0.1:{}", self.hub);
        let token = eventually("a token", 30, || {
            match self.cedge(&["token", "create", "--address", &hub]) {
                ran if ran.ok => Ok(ran.out.trim().to_owned()),
                ran => Err(ran.err),
            }
        });
        let data = self.path("node");
        let args = ["agent", "--name", name, "--join", &token];
        self.spawn(&binary(), &[&args[..], &["--data-dir", &data]].concat())
            .expect("the binary starts");
    }

    fn spawn(&mut self, program: &Path, args: &[&str]) -> Result<(), String> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let log = format!("{name}-{}.log", self.processes.len());
        let (out, err) = log_to(&self.dir.join(log));
        let child = Command::new(program)
            .args(args)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn();
        let child = child.map_err(|e| format!("{} does not start: {e}", program.display()))?;
        self.processes.push(child);
        Ok(())
    }

    fn until_served(&self, path: &str) {
        eventually(&format!("the API serves {path}"), 120, || {
            match self.kubectl(&["get", "--raw", path]) {
                ran if ran.ok => Ok(()),
                ran => Err(ran.err),
            }
        });
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// The file that speaks to it as an administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// kubectl, at this cluster.
    #[must_use]
    pub fn kubectl(&self, args: &[&str]) -> Ran {
        run(Path::new("kubectl"), Some(&self.kubeconfig()), args, None)
    }

    /// `kubectl create -f -`.
    #[must_use]
    pub fn create(&self, manifest: &str) -> Ran {
        let args = ["create", "-f", "-"];
        let file = self.kubeconfig();
        run(Path::new("kubectl"), Some(&file), &args, Some(manifest))
    }

    /// cedge, at this cluster.
    #[must_use]
    pub fn cedge(&self, args: &[&str]) -> Ran {
        run(&binary(), Some(&self.kubeconfig()), args, None)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        for child in self.processes.iter_mut().rev() {
            // What has ended by itself is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = run(&binary(), None, &["__power-off", &self.path("node")], None);
    }
}

fn ports() -> [u16; 4] {
    let listeners = [0; 4].map(|_: u8| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|l| {
        l.local_addr()
            .expect("a bound socket has an address")
            .port()
    })
}
