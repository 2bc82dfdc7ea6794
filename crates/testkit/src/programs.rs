//! Programs that are gone with this process, however it ends.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Skipped;

/// Runs a program until our end of its standard input closes: also when this process is killed. A signal to the whole
/// process group must not end the leash before the program.
const LEASH: &str = r#"trap : TERM INT HUP
log=$1; dir=$2; shift 2
"$@" >"$log" 2>&1 & pid=$!
cat >/dev/null
kill "$pid" 2>/dev/null; sleep 1; kill -9 "$pid" 2>/dev/null
[ -z "$dir" ] || rm -rf "$dir""#;

/// A real program of `KUBEBUILDER_ASSETS`.
pub(crate) fn find(name: &str) -> Result<PathBuf, Skipped> {
    let programs = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let program = programs.ok_or("KUBEBUILDER_ASSETS is not set")?.join(name);
    if program.exists() {
        Ok(program)
    } else {
        Err(format!("{} does not exist", program.display()))
    }
}

/// Starts a program; its output goes to `log`. `remove` is a folder that ends with it.
pub(crate) fn start<A: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = A>,
    log: &Path,
    remove: Option<&Path>,
) -> Result<Child, Skipped> {
    let started = Command::new("sh")
        .args(["-c", LEASH, "leash"])
        .arg(log)
        .arg(remove.map_or("".as_ref(), Path::as_os_str))
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.map_err(|e| format!("{} does not start: {e}", program.display()))
}
