//! How containers end, and who learns of it.

use cedge_pod_lifecycle::State;
use cedge_runtime::{ProcessRuntime, Runtime as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lab::{Lab, alive, shell};

#[tokio::test]
async fn another_runtime_adopts_what_runs_and_learns_how_it_ends() {
    let mut lab = Lab::new().await;
    let id = lab
        .start("echo one; while [ ! -e stop ]; do sleep 0.05; done; echo two; exit 7")
        .await;
    lab.says(&id, "one").await;
    let before = lab.state(&id).await;
    // All that the agent knew is lost.
    lab.runtime = ProcessRuntime::open(lab.options.clone()).await.unwrap();
    assert_eq!(lab.state(&id).await, before);
    assert!(matches!(before, State::Running { .. }));
    lab.sandbox().await;
    assert!(lab.runtime.seen("u1").await.unwrap().sandbox);
    assert_eq!(lab.exec(&id, &["touch", "stop"]).await, (0, String::new()));
    assert_eq!(lab.end(&id).await.code, 7);
    assert_eq!(lab.log(&id).await, "one\ntwo\n");
}

#[tokio::test]
async fn an_attempt_that_was_given_up_can_not_start_any_more() {
    let lab = Lab::new().await;
    let first = lab.create(shell("sleep 60")).await;
    let mut config = shell("sleep 60");
    config.attempt = 1;
    let second = lab.create(config).await;
    let late = lab.runtime.start_container(&first).await.unwrap_err();
    assert!(late.to_string().contains("given this attempt up"), "{late}");
    lab.runtime.start_container(&second).await.unwrap();
    assert_eq!(lab.state(&first).await, State::Created);
    assert!(matches!(lab.state(&second).await, State::Running { .. }));
}

#[tokio::test]
async fn stopping_asks_first_and_kills_after_the_grace() {
    let lab = Lab::new().await;
    let polite = lab
        .start("trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done")
        .await;
    lab.says(&polite, "up").await;
    lab.runtime
        .stop_container(&polite, Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(lab.end(&polite).await.code, 5);
    let mut config = shell("trap '' TERM; echo up; while :; do sleep 0.05; done");
    config.attempt = 1;
    let stubborn = lab.create(config).await;
    lab.runtime.start_container(&stubborn).await.unwrap();
    lab.says(&stubborn, "up").await;
    lab.runtime
        .stop_container(&stubborn, Duration::from_millis(200))
        .await
        .unwrap();
    let exit = lab.end(&stubborn).await;
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
}

#[tokio::test]
async fn offspring_that_detached_itself_ends_with_its_container() {
    let lab = Lab::new().await;
    let id = lab
        .start("setsid sh -c 'setsid sleep 300 & echo $!' ; sleep 0.2")
        .await;
    let exit = lab.end(&id).await;
    let pid: i32 = lab.log(&id).await.trim().parse().unwrap();
    assert_eq!(exit.code, 0);
    assert!(!alive(pid), "{pid} outlived its container");
}

#[tokio::test]
async fn a_container_dies_with_its_shim_and_its_end_is_unknown() {
    let lab = Lab::new().await;
    let id = lab.start("echo $$; sleep 300").await;
    lab.says(&id, "\n").await;
    let pid: i32 = lab.log(&id).await.trim().parse().unwrap();
    let all = cedge_runtime::belongings(&lab.options.data_dir).unwrap();
    assert_eq!(all.len(), 1);
    assert!(all[0].processes.contains(&pid), "{all:?}");
    let shim = nix::unistd::Pid::from_raw(all[0].shim.pid);
    nix::sys::signal::kill(shim, nix::sys::signal::Signal::SIGKILL).unwrap();
    let exit = lab.end(&id).await;
    assert_eq!((exit.code, exit.reason.as_deref()), (255, Some("Unknown")));
    for _ in 0..100 {
        if !alive(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{pid} outlived its shim");
}

/// The name of the group that belongs to the whole agent, where groups can be made.
fn group_of(pid: i32) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mut names = groups.split(['/', '\n']);
    names.find(|n| n.starts_with("cedge-")).map(str::to_owned)
}

fn groups_named(name: Option<&str>) -> Vec<PathBuf> {
    let Some(name) = name else { return Vec::new() };
    let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap();
    let below = hierarchies.map(|h| h.unwrap().path().join(name));
    let all = below.chain([Path::new("/sys/fs/cgroup").join(name)]);
    all.filter(|dir| dir.is_dir()).collect()
}

#[tokio::test]
async fn power_loss_leaves_nothing_and_nobody_who_could_tell() {
    let lab = Lab::new().await;
    let id = lab.start("setsid sleep 300 & echo $!; sleep 300").await;
    lab.says(&id, "\n").await;
    let detached: i32 = lab.log(&id).await.trim().parse().unwrap();
    let group = group_of(detached);
    assert!(cedge_runtime::power_off(&lab.options.data_dir).unwrap() >= 3);
    assert!(!alive(detached));
    assert_eq!(groups_named(group.as_deref()), Vec::<PathBuf>::new());
    let exit = lab.end(&id).await;
    assert_eq!(exit.reason.as_deref(), Some("Unknown"));
    assert!(
        cedge_runtime::belongings(&lab.options.data_dir)
            .unwrap()
            .is_empty()
    );
}
