//! Where things are kept when nobody says.

use std::path::PathBuf;

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn home() -> PathBuf {
    let data = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute());
    let home = || std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".local/share"));
    data.or_else(home)
        .unwrap_or_else(|| PathBuf::from("/tmp"))
        .join("cedge")
}

/// A server's data.
pub(crate) fn server() -> PathBuf {
    if is_root() {
        "/var/lib/cedge".into()
    } else {
        home().join("server")
    }
}

/// An agent's data.
pub(crate) fn agent() -> PathBuf {
    if is_root() {
        "/var/lib/cedge-agent".into()
    } else {
        home().join("agent")
    }
}

/// The data of a tree beside a foreign cluster.
pub(crate) fn attach() -> PathBuf {
    if is_root() {
        "/var/lib/cedge-attach".into()
    } else {
        home().join("attach")
    }
}

/// The demo's data.
pub(crate) fn demo() -> PathBuf {
    home().join("demo")
}

/// This machine's name as a DNS label.
pub(crate) fn host_name() -> String {
    let name = nix::unistd::gethostname()
        .ok()
        .and_then(|n| n.into_string().ok())
        .unwrap_or_default();
    let label: String = name
        .to_lowercase()
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(63)
        .collect();
    let label = label.trim_matches('-');
    if label.is_empty() {
        "cedge".to_owned()
    } else {
        label.to_owned()
    }
}
