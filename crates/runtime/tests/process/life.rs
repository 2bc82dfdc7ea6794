//! From start to removal: what a container says, and what it uses.

use cedge_runtime::Runtime as _;
use std::fs;
use std::time::Duration;

use crate::lab::{Lab, shell};

#[tokio::test]
async fn a_container_runs_says_something_and_ends() {
    let lab = Lab::new().await;
    let id = lab.start("echo $GREETING; echo bad >&2; exit 3").await;
    let exit = lab.end(&id).await;
    assert_eq!((exit.code, exit.signal, exit.reason), (3, None, None));
    assert_eq!(lab.log(&id).await, "hello\nbad\n");
    let raw = fs::read_to_string(lab.runtime.log_path(&id).unwrap()).unwrap();
    let words: Vec<&str> = raw.lines().next().unwrap().split(' ').collect();
    assert_eq!(words[1..], ["stdout", "F", "hello"]);
    assert_eq!(words[0].len(), "2026-01-01T00:00:00.000000000Z".len());
}

#[tokio::test]
async fn the_environment_is_cleared() {
    let lab = Lab::new().await;
    let mut names: Vec<String> = lab
        .run("cat /proc/self/environ | tr '\\0' '\\n'")
        .await
        .lines()
        .filter_map(|l| Some(l.split_once('=')?.0.to_owned()))
        .collect();
    names.sort();
    let shells_own = ["OLDPWD", "PWD", "SHLVL", "_"];
    names.retain(|n| !shells_own.contains(&n.as_str()));
    assert_eq!(
        names,
        [
            "CEDGE_TERMINATION_LOG",
            "GREETING",
            "HOME",
            "HOSTNAME",
            "PATH"
        ]
    );
}

#[tokio::test]
async fn no_descriptor_of_ours_leaks_into_a_container() {
    let lab = Lab::new().await;
    let mut config = shell("");
    config.argv = vec!["sleep".into(), "300".into()];
    let id = lab.create(config).await;
    lab.runtime.start_container(&id).await.unwrap();
    let pid = cedge_runtime::belongings(&lab.options.data_dir).unwrap()[0].processes[0];
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut open: Vec<_> = open.map(|e| e.unwrap().file_name()).collect();
    open.sort();
    assert_eq!(open, ["0", "1", "2"]);
}

#[tokio::test]
async fn a_program_that_is_missing_is_a_start_error_with_code_128() {
    let lab = Lab::new().await;
    let mut config = shell("");
    config.argv = vec!["no-such-program".into()];
    let id = lab.create(config).await;
    let error = lab.runtime.start_container(&id).await.unwrap_err();
    assert_eq!(error.reason(), "RunContainerError");
    assert_eq!(
        error.to_string(),
        "exec: \"no-such-program\": executable file not found in $PATH"
    );
    let exit = lab.end(&id).await;
    assert_eq!(
        (exit.code, exit.reason.as_deref()),
        (128, Some("StartError"))
    );
}

#[tokio::test]
async fn other_images_and_containers_without_a_command_are_refused() {
    let lab = Lab::new().await;
    let error = lab
        .runtime
        .pull_image("nginx:1.27", None)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "ErrImagePull");
    assert!(error.to_string().contains("nginx:1.27"), "{error}");
    assert!(lab.runtime.pull_image("process", None).await.is_ok());
    assert!(lab.runtime.pull_image("process:1", None).await.is_err());
    assert!(
        lab.runtime
            .pull_image("nginx", Some("process"))
            .await
            .is_ok()
    );
    lab.sandbox().await;
    let mut config = shell("");
    config.argv.clear();
    let error = lab
        .runtime
        .create_container("u1", config)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "CreateContainerError");
}

#[tokio::test]
async fn a_termination_message_comes_from_its_file_or_from_the_log() {
    let lab = Lab::new().await;
    let mut config = shell("echo -n last words > $CEDGE_TERMINATION_LOG");
    config.termination_from_log = true;
    let id = lab.create(config).await;
    lab.runtime.start_container(&id).await.unwrap();
    assert_eq!(lab.end(&id).await.message.as_deref(), Some("last words"));
    let mut config = shell("echo it broke; exit 1");
    config.termination_from_log = true;
    config.attempt = 1;
    let id = lab.create(config).await;
    lab.runtime.start_container(&id).await.unwrap();
    assert_eq!(lab.end(&id).await.message.as_deref(), Some("it broke\n"));
}

#[tokio::test]
async fn a_long_log_is_begun_anew_and_old_parts_are_dropped() {
    let lab = Lab::with(|o| o.log_bytes_max = 20_000).await;
    let id = lab
        .start("i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done")
        .await;
    lab.end(&id).await;
    let log = lab.log(&id).await;
    assert!(log.ends_with("line 4999\n"));
    assert!(log.len() < 100_000 && !log.contains("line 0\n"));
    let parts = fs::read_dir(lab.runtime.log_path(&id).unwrap().parent().unwrap()).unwrap();
    let parts = parts.filter(|e| {
        e.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("log")
    });
    assert_eq!(parts.count(), 5);
}

#[tokio::test]
async fn what_a_container_uses_is_counted() {
    let lab = Lab::new().await;
    let id = lab
        .start("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo up; sleep 300")
        .await;
    lab.says(&id, "up").await;
    let usage = lab.runtime.usage(&id).await.unwrap();
    assert!(
        usage.memory > 50_000 && usage.cpu > Duration::ZERO,
        "{usage:?}"
    );
}

#[tokio::test]
async fn a_removed_sandbox_leaves_nothing_behind() {
    let lab = Lab::new().await;
    let id = lab.start("sleep 300").await;
    assert!(
        lab.runtime.remove_sandbox("u1").await.is_err(),
        "it still runs"
    );
    lab.runtime
        .stop_container(&id, Duration::ZERO)
        .await
        .unwrap();
    lab.runtime.remove_sandbox("u1").await.unwrap();
    assert!(lab.runtime.sandboxes().await.unwrap().is_empty());
    assert!(!lab.options.data_dir.join("pods/u1").exists());
}
