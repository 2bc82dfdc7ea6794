//! A cluster in two processes: `cedge server --without tree`, and `cedge attach` beside it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::site::{Site, binary};
use crate::wait::eventually;

/// The cluster. Its API, nodes and pods are those of `server`; its hub and uplink are in the other process.
#[derive(Debug)]
pub struct Attached {
    /// The process with the API.
    pub server: Site,
    dir: PathBuf,
    join: String,
    attach: Option<Child>,
}

impl Attached {
    /// Starts both processes below `parent`; returns when the tree is in the API.
    ///
    /// # Panics
    /// If one does not come up.
    #[must_use]
    pub fn start_below(folder: &Path, name: &str, parent: &Site) -> Self {
        let mut this = Self {
            server: Site::new(folder, name, &["--without", "tree"]),
            dir: folder.join(format!("{name}-attach")),
            join: parent.token(&parent.hub().to_string()),
            attach: None,
        };
        this.server.launch();
        this.until_served("/readyz");
        this.attach();
        this.until_served("/openapi/v3/apis/edge.centaurus.io/v1alpha1");
        this
    }

    /// Starts the process beside the API.
    ///
    /// # Panics
    /// If the binary cannot be started.
    pub fn attach(&mut self) {
        std::fs::create_dir_all(&self.dir).expect("a folder for the tree");
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.expect("a log");
        let child = Command::new(binary())
            .arg("attach")
            .arg("--kubeconfig")
            .arg(self.server.kubeconfig())
            .args(["--hub-listen", &self.server.hub().to_string()])
            .args(["--join", &self.join])
            .arg("--data-dir")
            .arg(&self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        self.attach = Some(child);
    }

    /// `kill -9` of the process beside the API.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill_attach(&mut self) {
        if let Some(mut child) = self.attach.take() {
            child.kill().expect("our own child");
            child.wait().expect("our own child");
        }
    }

    /// Waits until the API answers here.
    ///
    /// # Panics
    /// If it does not.
    pub fn until_served(&self, path: &str) {
        eventually(
            &format!("{} serves {path}", self.server.name),
            60,
            || match self.server.kubectl(&["get", "--raw", path]) {
                ran if ran.ok => Ok(()),
                ran => Err(format!(
                    "{}\n{}\n{}",
                    ran.err,
                    self.server.last_words(),
                    std::fs::read_to_string(self.log()).unwrap_or_default()
                )),
            },
        );
    }

    fn log(&self) -> PathBuf {
        self.dir.join("attach.log")
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.kill_attach();
    }
}
