//! kubectl and cedge, as a person calls them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a command said.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Whether it ended well.
    pub ok: bool,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// The output, if it ended well.
    ///
    /// # Panics
    /// If it did not.
    #[expect(
        clippy::must_use_candidate,
        reason = "often only that it ended well matters"
    )]
    pub fn expect(self, what: &str) -> String {
        assert!(self.ok, "{what}: {}{}", self.out, self.err);
        self.out
    }

    /// The output as JSON, if it ended well.
    ///
    /// # Errors
    /// What it said instead.
    pub fn json(&self) -> Result<Value, String> {
        if !self.ok {
            return Err(self.err.clone());
        }
        serde_json::from_str(&self.out).map_err(|e| format!("{e}: {}", self.out))
    }
}

/// kubectl with this kubeconfig.
#[must_use]
pub fn kubectl(kubeconfig: &Path, args: &[&str]) -> Ran {
    run(Path::new("kubectl"), Some(kubeconfig), args, None)
}

pub(crate) fn run(
    program: &Path,
    kubeconfig: Option<&Path>,
    args: &[&str],
    input: Option<&str>,
) -> Ran {
    let mut command = Command::new(program);
    command
        .args(args)
        .env_remove("KUBECONFIG")
        .env("HOME", "/nonexistent");
    if let Some(kubeconfig) = kubeconfig {
        // Beside it, so that it goes with the test's folder and knows nothing of another test's ports.
        command
            .env("KUBECONFIG", kubeconfig)
            .env("KUBECACHEDIR", kubeconfig.with_extension("cache"));
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    if let Some(input) = input {
        // A program that does not read says why by itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    Ran {
        ok: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
