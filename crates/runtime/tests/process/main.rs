//! The process runtime with real processes: run, log, end, adopt, stop, kill, exec, keep apart.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the lab is part of the tests"
)]

mod apart;
mod end;
mod exec;
mod lab;
mod life;

use std::fs;

use lab::is_root;

/// All of the modules once more as a user without rights, in a process of its own.
#[test]
fn a_user_without_rights_gets_the_same_as_far_as_it_goes() {
    use std::os::unix::process::CommandExt as _;
    if !is_root() || std::env::var_os("CEDGE_TEST_INNER").is_some() {
        return;
    }
    let dir = std::env::temp_dir().join(format!("cedge-nobody-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    std::os::unix::fs::chown(&dir, Some(65534), Some(65534)).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .uid(65534)
        .gid(65534)
        .current_dir(&dir)
        .env("TMPDIR", &dir)
        .env("HOME", &dir)
        .env("CEDGE_TEST_INNER", "1")
        .args(["--test-threads", "4"])
        .output();
    fs::remove_dir_all(&dir).unwrap();
    let output = match output {
        // The way to this program leads through a directory that is closed to others: nothing to be learnt here.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
        output => output.unwrap(),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}
