//! A real kubelet with containerd on a machine of its own: a network and mounts that only this thread and what it starts
//! see. Everything ends with it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cedge_pki::{Authority, Credential, Key, Kubeconfig, Profile, Validity, kubeconfig};
use cedge_tasks::clock;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::Site;
use crate::site::log_to;
use crate::wait::{ends_within, eventually};

/// The image of its pods, made on the spot: nothing is pulled.
pub const IMAGE: &str = "localhost/busybox:1";
const ADDRESS: &str = "10.77.0.2";
/// Where Debian puts the programs that plug pods into a network.
const CNI: &str = "/usr/lib/cni";
/// Makes an image of busybox: the name, and the file to write.
const MAKE_IMAGE: &str = include_str!("kubelet/image.sh");

/// The API that a kubelet speaks to.
#[derive(Debug, Clone, Copy)]
pub struct Home<'a> {
    /// Whom it trusts.
    pub authority: &'a Authority,
    /// `https://` and the address.
    pub server: &'a str,
    /// The media type of what it sends.
    pub content_type: &'a str,
}

/// The kubelet and its containerd.
#[derive(Debug)]
pub struct Kubelet {
    dir: PathBuf,
    program: PathBuf,
    containerd: Option<Child>,
    kubelet: Option<Child>,
}

// === impl Kubelet ===

impl Kubelet {
    /// Makes the machine; sites that are started after this run on it.
    ///
    /// # Errors
    /// Why there is none here.
    ///
    /// # Panics
    /// If there should be one, and it cannot be made.
    pub fn machine(folder: &Path) -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("it needs root".to_owned());
        }
        let programs = std::env::var_os("KUBEBUILDER_ASSETS");
        let programs = programs.ok_or("KUBEBUILDER_ASSETS is not set")?;
        let program = PathBuf::from(programs).join("kubelet");
        let needed = ["/usr/bin/containerd", "/usr/bin/ctr", "/bin/busybox", CNI];
        for file in [program.as_path()].into_iter().chain(needed.map(Path::new)) {
            if !file.exists() {
                return Err(format!("{} does not exist", file.display()));
            }
        }
        own_machine();
        let dir = folder.join("kubelet");
        for part in ["images", "state", "cni", "root", "logs"] {
            std::fs::create_dir_all(dir.join(part)).expect("a folder");
        }
        Ok(Self {
            dir,
            program,
            containerd: None,
            kubelet: None,
        })
    }

    /// Starts containerd, then a kubelet called `name` that knows only its own credential. It speaks to `site`.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start(&mut self, site: &Site, name: &str) {
        let identity = site.dir.join("identity");
        let authority = Authority::load_or_create(&identity).expect("the site's authority");
        let home = Home {
            authority: &authority,
            server: &format!("https://{}", site.api()),
            // Our API writes no protobuf.
            content_type: "application/json",
        };
        self.start_at(home, name);
    }

    /// Starts both for whatever API there is.
    ///
    /// # Panics
    /// If they do not come up.
    pub fn start_at(&mut self, home: Home<'_>, name: &str) {
        self.write("containerd.toml", &self.containerd_settings());
        self.write("cni/10-pods.conflist", &self.network());
        let settings = self.path("containerd.toml");
        let containerd = self.spawn("/usr/bin/containerd".as_ref(), &["--config", &settings]);
        self.containerd = Some(containerd);
        let (script, image) = (self.path("image.sh"), self.path("image.tar"));
        self.write("image.sh", MAKE_IMAGE);
        command("sh", &[&script, IMAGE, &image]);
        eventually("the image is there", 30, || {
            self.ctr(&["image", "import", &image])
        });
        self.credentials(home, name);
        self.write("kubelet.yaml", &self.kubelet_settings(home.content_type));
        let (kubeconfig, config, root) = (
            self.path("kubeconfig"),
            self.path("kubelet.yaml"),
            self.path("root"),
        );
        let arguments = [
            "--kubeconfig",
            &kubeconfig,
            "--config",
            &config,
            "--root-dir",
            &root,
            "--hostname-override",
            name,
            "--node-ip",
            ADDRESS,
        ];
        self.kubelet = Some(self.spawn(&self.program.clone(), &arguments));
    }

    /// The file with which it speaks to the API.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// What runs, by name and process id.
    #[must_use]
    pub fn processes(&self) -> Vec<(&'static str, u32)> {
        let named = |name, child: &Option<Child>| child.as_ref().map(|c| (name, c.id()));
        let all = [
            named("kubelet", &self.kubelet),
            named("containerd", &self.containerd),
        ];
        all.into_iter().flatten().collect()
    }

    /// The end of what it logged.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.dir.join("kubelet.log")).unwrap_or_default();
        let errors = log.lines().filter(|line| line.starts_with(['E', 'F']));
        let last: Vec<&str> = errors.rev().take(10).collect();
        last.join("\n")
    }

    /// What an administrator gives a kubelet: a certificate of its node, one for its own port, and the cluster's
    /// authority.
    fn credentials(&self, home: Home<'_>, name: &str) {
        let authority = home.authority;
        let ca = authority.certificate_pem();
        self.write("ca.crt", &ca);
        let node = Profile::User {
            name: format!("system:node:{name}"),
            group: Some("system:nodes".to_owned()),
        };
        let port = Profile::Server {
            names: vec![ADDRESS.to_owned(), name.to_owned()],
        };
        let issue = |profile: &Profile| -> Credential {
            let key = Arc::new(Key::generate());
            let validity = Validity::from_now(clock::now());
            let issued = authority.issue(profile, &key, validity);
            issued.expect("a certificate")
        };
        let user = kubeconfig::User::by_certificate(&issue(&node));
        let file = Kubeconfig::single("site", home.server, &ca, user);
        file.write(&self.kubeconfig()).expect("a file");
        issue(&port).save(&self.dir, "port").expect("two files");
    }

    fn containerd_settings(&self) -> String {
        format!(
            r#"version = 2
root = "{images}"
state = "{state}"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{IMAGE}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI}"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
"#,
            images = self.path("images"),
            state = self.path("state"),
            socket = self.path("containerd.sock"),
            cni = self.path("cni"),
        )
    }

    fn network(&self) -> String {
        let data = self.path("addresses");
        format!(
            r#"{{"cniVersion": "0.4.0", "name": "pods", "plugins": [
{{"type": "bridge", "bridge": "pods0", "isGateway": true, "ipam": {{"type": "host-local", "dataDir": "{data}",
  "ranges": [[{{"subnet": "10.88.7.0/24"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}}}]}}"#
        )
    }

    /// What the machine of a test cannot do is switched off.
    fn kubelet_settings(&self, content_type: &str) -> String {
        format!(
            "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: false}}, x509: {{clientCAFile: {ca}}}}}
authorization: {{mode: Webhook}}
contentType: {content_type}
containerRuntimeEndpoint: unix://{socket}
tlsCertFile: {certificate}
tlsPrivateKeyFile: {key}
podLogsDir: {logs}
readOnlyPort: 0
healthzPort: 0
resolvConf: \"\"
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
localStorageCapacityIsolation: false
evictionHard: {{memory.available: 1Mi}}
syncFrequency: 10s
",
            ca = self.path("ca.crt"),
            socket = self.path("containerd.sock"),
            certificate = self.path("port.crt"),
            key = self.path("port.key"),
            logs = self.path("logs"),
        )
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.join(name), text).expect("a file");
    }

    fn spawn(&self, program: &Path, arguments: &[&str]) -> Child {
        let name = program.file_name().expect("a program has a name");
        let log = self.dir.join(name).with_extension("log");
        let (out, err) = log_to(&log);
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        let child = command.stdout(out).stderr(err).spawn();
        child.expect("the program starts")
    }

    fn ctr(&self, arguments: &[&str]) -> Result<String, String> {
        let socket = self.path("containerd.sock");
        let output = Command::new("/usr/bin/ctr")
            .args(["--address", &socket, "--namespace", "k8s.io"])
            .args(arguments)
            .output()
            .map_err(|e| e.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        if let Some(mut kubelet) = self.kubelet.take() {
            let _ = kubelet.kill();
            let _ = kubelet.wait();
        }
        let Some(mut containerd) = self.containerd.take() else {
            return;
        };
        // Containers are nobody's children: each is ended by name.
        for task in self
            .ctr(&["task", "list", "-q"])
            .unwrap_or_default()
            .lines()
        {
            let _ = self.ctr(&["task", "kill", "--signal", "SIGKILL", task]);
            let _ = self.ctr(&["task", "delete", "--force", task]);
        }
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(i32::try_from(containerd.id()).unwrap_or(i32::MAX)),
            nix::sys::signal::Signal::SIGTERM,
        );
        if !ends_within(&mut containerd, 10) {
            let _ = containerd.kill();
            let _ = containerd.wait();
        }
    }
}

/// From here on this thread, and what it starts, has a network and mounts of its own, with an address that is not
/// loopback: a kubelet takes no other.
fn own_machine() {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("a machine of its own");
    let nothing = None::<&str>;
    let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
    mount(nothing, "/", nothing, private, nothing).expect("mounts that nobody else sees");
    // Where containerd keeps what it shares with others of its kind.
    for shared in ["/run/netns", "/run/containerd"] {
        std::fs::create_dir_all(shared).expect("a folder");
        mount(
            Some("none"),
            shared,
            Some("tmpfs"),
            MsFlags::empty(),
            nothing,
        )
        .expect("a mount");
    }
    command("ip", &["link", "set", "lo", "up"]);
    command("ip", &["link", "add", "machine0", "type", "bridge"]);
    let address = format!("{ADDRESS}/24");
    command("ip", &["address", "add", &address, "dev", "machine0"]);
    command("ip", &["link", "set", "machine0", "up"]);
    command("ip", &["route", "add", "default", "via", "10.77.0.1"]);
}

fn command(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}
