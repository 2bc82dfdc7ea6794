//! A whole node with real processes, its tables in memory: from a pod to its status and back.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the lab is part of the tests"
)]

mod lab;
mod lifecycle;
mod restart;
mod server;

/// All of this once more as a user without rights, in a process of its own.
#[test]
fn a_user_without_rights_has_a_whole_node_as_well() {
    use std::os::unix::process::CommandExt as _;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let dir = std::env::temp_dir().join(format!("cedge-node-nobody-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::os::unix::fs::chown(&dir, Some(65534), Some(65534)).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .uid(65534)
        .gid(65534)
        .current_dir(&dir)
        .env("TMPDIR", &dir)
        .env("HOME", &dir)
        .args(["--test-threads", "4"])
        .output();
    std::fs::remove_dir_all(&dir).unwrap();
    let output = match output {
        // The way to this program leads through a directory that is closed to others: nothing to be learnt here.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
        output => output.unwrap(),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}
