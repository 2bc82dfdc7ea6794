//! One `cedge server`, in a folder of its own.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::kubectl::{Ran, run};
use crate::wait::{ends_within, eventually};

/// A cluster as a process.
#[derive(Debug)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub dir: PathBuf,
    api: SocketAddr,
    hub: SocketAddr,
    args: Vec<String>,
    /// The user that runs it, if that is not the one that runs the test.
    user: Option<u32>,
    /// Its folder, and what runs there, is another's.
    is_twin: bool,
    process: Option<Child>,
}

/// The binary that this test was built with.
pub(crate) fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows itself");
    let found = test.ancestors().nth(2).map(|dir| dir.join("cedge"));
    found
        .filter(|p| p.exists())
        .expect("build the binary first: cargo build -p cedge")
}

/// Standard output and error of a process, into one file.
pub(crate) fn log_to(path: &Path) -> (File, File) {
    let log = File::options().create(true).append(true).open(path);
    let log = log.expect("a log");
    (log.try_clone().expect("a log"), log)
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
}

impl Site {
    /// A site below `folder`, not started yet.
    #[must_use]
    pub fn new(folder: &Path, name: &str, args: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            dir: folder.join(name),
            api: free(),
            hub: free(),
            args: args.iter().map(ToString::to_string).collect(),
            user: None,
            is_twin: false,
            process: None,
        }
    }

    /// To be run by this user and group, without any other group: the test runs as root.
    #[must_use]
    pub fn run_by(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    /// Another server with the same folder and ports of its own.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self {
            name: self.name.clone(),
            dir: self.dir.clone(),
            api: free(),
            hub: free(),
            args: self.args.clone(),
            user: self.user,
            is_twin: true,
            process: None,
        }
    }

    /// Takes the ports of another.
    pub fn listen_where(&mut self, other: &Self) {
        (self.api, self.hub) = (other.api, other.hub);
    }

    /// Where its hub listens.
    #[must_use]
    pub fn hub(&self) -> SocketAddr {
        self.hub
    }

    /// Where its API listens.
    #[must_use]
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// The file that speaks to it.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// Starts it, and waits until its API is ready and knows what a Mission is.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start(&mut self) {
        self.launch();
        eventually(&format!("{} is ready", self.name), 60, || {
            let ran = self.kubectl(&["get", "--raw", "/readyz"]);
            if ran.ok {
                Ok(())
            } else {
                Err(self.last_words())
            }
        });
    }

    /// Starts it.
    ///
    /// # Panics
    /// If the binary cannot be started.
    pub fn launch(&mut self) {
        std::fs::create_dir_all(&self.dir).expect("a folder for the site");
        let (out, err) = log_to(&self.log());
        let mut command = self.command();
        let child = command.stdout(out).stderr(err).spawn();
        self.process = Some(child.expect("the binary starts"));
    }

    /// Starts it, expects that it ends by itself, and answers what it said.
    ///
    /// # Panics
    /// If it goes on.
    #[must_use]
    pub fn start_in_vain(&self) -> Ran {
        std::fs::create_dir_all(&self.dir).expect("a folder for the site");
        let mut command = self.command();
        let (out, err) = (Stdio::piped(), Stdio::piped());
        let child = command.stdout(out).stderr(err).spawn();
        let mut child = child.expect("the binary starts");
        let ended = ends_within(&mut child, 60);
        if !ended {
            child.kill().expect("our own child");
        }
        let said = child.wait_with_output().expect("our own child");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&said.stdout), text(&said.stderr));
        assert!(ended, "it goes on: {out}{err}");
        Ran {
            ok: said.status.success(),
            out,
            err,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
            .args(["server", "--name", &self.name])
            .args([
                "--listen",
                &self.api.to_string(),
                "--hub-listen",
                &self.hub.to_string(),
            ])
            .arg("--data-dir")
            .arg(&self.dir)
            .args(&self.args)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null());
        command
    }

    /// The process that was started last.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Whether the process that was started last still runs.
    ///
    /// # Panics
    /// If that cannot be found out.
    pub fn is_alive(&mut self) -> bool {
        let ended = self.process.as_mut().map(Child::try_wait);
        ended.is_some_and(|ended| ended.expect("our own child").is_none())
    }

    /// Starts it as a child of `parent`, dialled at `address`.
    ///
    /// # Panics
    /// If the parent gives no token, or the child does not come up.
    pub fn start_below(&mut self, parent: &Self, address: &str) {
        self.args
            .extend(["--join".to_owned(), parent.token(address)]);
        self.start();
    }

    /// The token that it was started with.
    #[must_use]
    pub fn joined_with(&self) -> Option<String> {
        let flag = self.args.iter().position(|arg| arg == "--join")?;
        self.args.get(flag + 1).cloned()
    }

    /// A token of this site.
    ///
    /// # Panics
    /// If there is none within half a minute.
    #[must_use]
    pub fn token(&self, address: &str) -> String {
        eventually("a token", 30, || {
            let ran = self.cedge(&["token", "create", "--address", address]);
            if ran.ok {
                Ok(ran.out.trim().to_owned())
            } else {
                Err(ran.err)
            }
        })
    }

    /// Power loss: the server and every process of its pods.
    ///
    /// # Panics
    /// If a process cannot be killed.
    pub fn kill(&mut self) {
        self.kill_server();
        let ran = run(
            &binary(),
            None,
            &["__power-off", &self.dir.join("node").display().to_string()],
            None,
        );
        assert!(ran.ok, "power off: {}", ran.err);
    }

    /// `kill -9` of the server alone; its pods go on.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill_server(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill().expect("our own child");
            child.wait().expect("our own child");
        }
    }

    /// Stops the server politely.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let pid = i32::try_from(child.id()).expect("a process id");
            kill(Pid::from_raw(pid), Signal::SIGTERM).expect("our own child");
            child.wait().expect("our own child");
        }
    }

    /// kubectl, at this site.
    #[must_use]
    pub fn kubectl(&self, args: &[&str]) -> Ran {
        run(Path::new("kubectl"), Some(&self.kubeconfig()), args, None)
    }

    /// `kubectl apply -f -`.
    #[must_use]
    pub fn apply(&self, manifest: &str) -> Ran {
        run(
            Path::new("kubectl"),
            Some(&self.kubeconfig()),
            &["apply", "-f", "-"],
            Some(manifest),
        )
    }

    /// `kubectl create -f -`: unlike `apply`, it adds nothing to what is sent.
    #[must_use]
    pub fn create(&self, manifest: &str) -> Ran {
        run(
            Path::new("kubectl"),
            Some(&self.kubeconfig()),
            &["create", "--validate=false", "-f", "-"],
            Some(manifest),
        )
    }

    /// An object, or what kubectl says instead.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn get(&self, args: &[&str]) -> Result<Value, String> {
        let mut all = vec!["get", "-o", "json"];
        all.extend(args);
        self.kubectl(&all).json()
    }

    /// cedge, at this site.
    #[must_use]
    pub fn cedge(&self, args: &[&str]) -> Ran {
        run(&binary(), Some(&self.kubeconfig()), args, None)
    }

    fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// The end of its log.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !self.is_twin {
            self.kill();
        }
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let refused = log
            .lines()
            .find(|l| l.contains("a controller lacks a right"));
        // A test that fails anyway says why itself.
        if !std::thread::panicking() {
            assert_eq!(refused, None, "{}", self.name);
        }
    }
}
