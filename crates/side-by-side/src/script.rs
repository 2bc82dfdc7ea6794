//! Scripts of kubectl commands.
//!
//! A script is a file in a folder of `corpus/scripts`; a line of it is a command, a line that ends in `<<END` goes on to
//! `END`. `# alone` on the first line says that nothing else may run beside it. Each script has a namespace and a folder
//! of its own, both called as it is; `$PORT` is a port that nobody else listens on.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::alike;

const COMMAND_WITHIN: Duration = Duration::from_secs(60);

/// A script, read.
#[derive(Debug, Clone)]
pub struct Script {
    /// The file's name without its extension.
    pub name: String,
    /// Whether nothing else may run beside it.
    pub alone: bool,
    /// What is run, one after another.
    pub commands: Vec<String>,
}

/// Where commands run.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// The programs of the oracle.
    pub assets: &'a Path,
    /// The file that speaks to the server.
    pub kubeconfig: &'a Path,
    /// Where scripts have their folders.
    pub folder: PathBuf,
}

/// All scripts in a folder of the corpus.
///
/// # Panics
/// If one cannot be read.
#[must_use]
pub fn all(folder: &str) -> Vec<Script> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus/scripts")
        .join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of scripts")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "sh"))
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let text = std::fs::read_to_string(path).expect("a script");
        Script {
            name: name.expect("a name").to_owned(),
            alone: text.starts_with("# alone"),
            commands: commands(&text),
        }
    };
    files.iter().map(read).collect()
}

fn commands(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut command = line.to_owned();
        if line.contains("<<END") {
            for more in lines.by_ref() {
                command.push('\n');
                command.push_str(more);
                if more == "END" {
                    break;
                }
            }
        }
        all.push(command);
    }
    all
}

// === impl Script ===

impl Script {
    /// What each command prints there, and how it ends, with what must differ replaced.
    ///
    /// # Panics
    /// If the script gets no folder.
    pub async fn run(&self, place: &Place<'_>) -> Vec<String> {
        let folder = place.folder.join(&self.name);
        std::fs::create_dir_all(&folder).expect("a folder for the script");
        std::fs::copy(place.kubeconfig, folder.join("config")).expect("a configuration");
        let port = free_port().to_string();
        let name = &self.name;
        let begin = format!(
            "kubectl create namespace {name} && kubectl config set-context --current --namespace={name} && \
             (kubectl create serviceaccount default || kubectl wait --for=create sa/default)"
        );
        run(&begin, place.assets, &folder, &port).await;
        let mut said = Vec::new();
        for command in &self.commands {
            let text = run(command, place.assets, &folder, &port).await;
            said.push(alike::printed(&text.replace(&port, "PORT")));
        }
        said
    }
}

async fn run(command: &str, assets: &Path, folder: &Path, port: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", assets.display()))
        .env("KUBECONFIG", folder.join("config"))
        // What kubectl remembers of discovery.
        .env("HOME", folder)
        .env("PORT", port)
        .env("TZ", "UTC")
        // A program that ends at once need not tidy up: a third of its time.
        .env("GOGC", "400")
        .kill_on_drop(true)
        .stdin(Stdio::null());
    match tokio::time::timeout(COMMAND_WITHIN, shell.output()).await {
        Ok(Ok(output)) => format!(
            "{}\n{}ends with {}\n",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            output.status.code().unwrap_or(-1)
        ),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "does not end\n".to_owned(),
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr();
    address.expect("a bound socket has an address").port()
}
