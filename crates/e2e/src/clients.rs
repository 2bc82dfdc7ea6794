//! Programs that others wrote against Kubernetes: `cargo xtask clients` builds them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::kubectl::{Ran, run};
use crate::site::{Site, log_to};
use crate::{skipped, wait};

/// The folder with the programs.
const PROGRAMS: &str = "CEDGE_TEST_CLIENTS";

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Clients(PathBuf);

/// One that says what it sees, a line of JSON each. It ends with this.
#[derive(Debug)]
pub struct Talking {
    process: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Clients {
    /// The programs, if they are here; else says why `test` is skipped.
    ///
    /// # Panics
    /// If the folder is named and is not there.
    #[must_use]
    pub fn here(test: &str) -> Option<Self> {
        if !crate::enabled(test) {
            return None;
        }
        let Some(folder) = std::env::var_os(PROGRAMS) else {
            skipped(
                test,
                &format!("{PROGRAMS} is not set; cargo xtask clients builds them"),
            );
            return None;
        };
        let folder = PathBuf::from(folder);
        assert!(
            folder.exists(),
            "{} is not there: cargo xtask clients",
            folder.display()
        );
        Some(Self(folder))
    }

    /// Where one of them is.
    #[must_use]
    pub fn path(&self, program: &str) -> PathBuf {
        self.0.join(program)
    }

    /// Runs one to its end, at this site.
    #[must_use]
    pub fn run(&self, program: &str, site: &Site, args: &[&str]) -> Ran {
        run(&self.path(program), Some(&site.kubeconfig()), args, None)
    }

    /// Starts one; what it says on standard error goes into a file of the site's folder.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(&self, program: &str, site: &Site, args: &[&str]) -> Talking {
        let name = format!("{program}-{}.log", args.join("-").replace('/', "_"));
        let (log, _) = log_to(&site.dir.join(name));
        let mut process = Command::new(self.path(program))
            .args(args)
            .env("KUBECONFIG", site.kubeconfig())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (said, to) = (process.stdout.take(), Arc::clone(&lines));
        std::thread::spawn(move || {
            let said = BufReader::new(said.expect("standard output is a pipe"));
            for line in said.lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line) {
                    to.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(value);
                }
            }
        });
        Talking { process, lines }
    }
}

impl Talking {
    /// What it has said until now.
    #[must_use]
    pub fn said(&self) -> Vec<Value> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until it has said something like this.
    ///
    /// # Panics
    /// If it does not within a minute.
    pub fn says(&self, what: &str, is: impl Fn(&Value) -> bool) {
        wait::eventually(what, 60, || {
            let said = self.said();
            said.iter()
                .any(&is)
                .then_some(())
                .ok_or_else(|| format!("{said:#?}"))
        });
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill(&mut self) {
        self.process.kill().expect("our own child");
        self.process.wait().expect("our own child");
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A file in a folder of the test.
///
/// # Panics
/// If it cannot be written.
pub fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}
