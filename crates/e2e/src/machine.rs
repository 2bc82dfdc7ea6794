//! A second machine of a cluster: one `cedge agent`, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::kubectl::run;
use crate::site::{Site, binary, log_to};

/// A node as a process.
#[derive(Debug)]
pub struct Machine {
    /// Its name.
    pub name: String,
    dir: PathBuf,
    token: String,
    process: Option<Child>,
}

impl Machine {
    /// A node of `site`, reached at `address`; not started yet.
    ///
    /// # Panics
    /// If the site gives no token.
    #[must_use]
    pub fn of(site: &Site, folder: &Path, name: &str, address: &str) -> Self {
        Self {
            name: name.to_owned(),
            dir: folder.join(name),
            token: site.token(address),
            process: None,
        }
    }

    /// Starts it.
    ///
    /// # Panics
    /// If the binary cannot be started.
    pub fn start(&mut self) {
        self.kill();
        std::fs::create_dir_all(&self.dir).expect("a folder for the machine");
        let (out, err) = log_to(&self.dir.join("agent.log"));
        let child = Command::new(binary())
            .args(["agent", "--name", &self.name, "--join", &self.token])
            .args(["--node-ip", "127.0.0.1", "--data-dir"])
            .arg(&self.dir)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("the binary starts");
        self.process = Some(child);
    }

    /// Power loss as the hub sees it: from now on nothing comes, not even the end of a connection, and no process of a pod
    /// runs. The agent itself is only halted, so that its machine does not close its connections; it does nothing more
    /// before it is killed by the next start.
    ///
    /// # Panics
    /// If a process cannot be halted or killed.
    pub fn vanish(&mut self) {
        if let Some(child) = &self.process {
            let pid = i32::try_from(child.id()).expect("a process id");
            signal::kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("our own child");
        }
        self.kill_pods();
    }

    /// `kill -9` of the agent and of every process of its pods.
    ///
    /// # Panics
    /// If a process cannot be killed.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill().expect("our own child");
            child.wait().expect("our own child");
        }
        self.kill_pods();
    }

    fn kill_pods(&self) {
        let dir = self.dir.display().to_string();
        let ran = run(&binary(), None, &["__power-off", &dir], None);
        assert!(ran.ok, "power off: {}", ran.err);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}
