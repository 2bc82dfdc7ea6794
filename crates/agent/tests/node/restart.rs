//! The agent goes and comes back; so does the power.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{Lab, alive, container, key, one, pod, shell};

#[tokio::test]
async fn pods_go_on_without_the_agent_and_are_adopted() {
    let mut lab = Lab::new();
    lab.pod(
        "web",
        one("echo $$$$; while [ ! -e stop ]; do sleep 0.05; done; exit 9"),
    );
    let mut quick = one("while [ ! -e go ]; do sleep 0.05; done; exit 4");
    quick["restartPolicy"] = json!("Never");
    lab.pod("quick", quick);
    let before = lab.ready("web").await;
    lab.ready("quick").await;
    lab.says("web", "a", "\n").await;
    let pid = lab.log("web", "a").await.trim().to_owned();
    lab.stop().await;
    std::fs::write(lab.work("quick").join("go"), "").unwrap();
    for _ in 0..500 {
        if cedge_runtime::belongings(&lab.config.data_dir)
            .unwrap()
            .len()
            == 1
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(alive(&pid));
    lab.start();
    let quick = lab.phase("quick", "Failed").await;
    assert_eq!(container(&quick, "a")["state"]["terminated"]["exitCode"], 4);
    assert_eq!(lab.ready("web").await, before, "nothing happened to it");
    assert_eq!(lab.log("web", "a").await.trim(), pid);
    std::fs::write(lab.work("web").join("stop"), "").unwrap();
    let again = |r: &Value| r["status"]["containerStatuses"][0]["restartCount"] == 1;
    let status = lab.until("web", "restarted", again).await;
    assert_eq!(
        container(&status, "a")["lastState"]["terminated"]["exitCode"],
        9
    );
}

#[tokio::test]
async fn a_cold_boot_brings_all_pods_back_but_not_those_that_were_done() {
    let mut lab = Lab::new();
    lab.pod("web", one("echo $$$$; sleep 300"));
    let mut job = one("true");
    job["restartPolicy"] = json!("Never");
    lab.pod("job", job);
    lab.ready("web").await;
    let done = lab.phase("job", "Succeeded").await;
    lab.stop().await;
    assert!(cedge_runtime::power_off(&lab.config.data_dir).unwrap() > 0);
    lab.start();
    let again = |r: &Value| {
        let a = &r["status"]["containerStatuses"][0];
        a["restartCount"] == 1 && a["ready"] == true
    };
    let status = lab.until("web", "back", again).await;
    assert_eq!(
        container(&status, "a")["lastState"]["terminated"]["reason"],
        "Unknown"
    );
    assert_eq!(lab.report("job")["status"], done);
}

#[tokio::test]
async fn a_table_that_was_lost_ends_nothing() {
    let mut lab = Lab::new();
    lab.pod("web", one("echo $$$$; sleep 300"));
    lab.ready("web").await;
    lab.says("web", "a", "\n").await;
    let pid = lab.log("web", "a").await.trim().to_owned();
    lab.stop().await;
    lab.pods.lose();
    lab.start();
    lab.pod("other", one("sleep 300"));
    lab.ready("other").await;
    assert!(alive(&pid));
    assert_eq!(
        lab.report("web")["status"]["phase"],
        "Running",
        "it is told of"
    );
    // Handed over again, it is the same pod.
    lab.pod("web", one("echo $$$$; sleep 300"));
    lab.pods.unset(&key("web"));
    lab.until("web", "gone", Value::is_null).await;
    assert!(!alive(&pid));
}

/// The agent as a process of its own, which can be killed for real.
struct Process {
    dir: PathBuf,
    child: Child,
}

impl Process {
    fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir.join("tables")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_cedge-node-lab"))
            .args([dir.join("data"), dir.join("tables")])
            .spawn()
            .unwrap();
        Self {
            dir: dir.to_owned(),
            child,
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn until(&self, name: &str, check: impl Fn(&Value) -> bool) -> Value {
        let path = self.dir.join("tables/podstatus").join(key(name));
        for _ in 0..1500 {
            let report = std::fs::read(&path)
                .ok()
                .and_then(|b| serde_json::from_slice(&b).ok());
            if let Some(report) = report.filter(|r: &Value| check(&r["status"])) {
                return report["status"].clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!(
            "{name} never came so far: {:?}",
            std::fs::read_to_string(path)
        );
    }
}

#[tokio::test]
async fn kill_9_of_the_agent_again_and_again_disturbs_no_pod() {
    let lab = Lab::stopped(|_| {});
    let dir = lab.dir.clone();
    let file = dir.join("tables/pods").join(key("web"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let spec = json!({"terminationGracePeriodSeconds": 0, "containers": [shell("echo begun; while :; do echo on; sleep 0.05; done")]});
    std::fs::write(file, pod("web", &spec).to_string()).unwrap();
    let running = |s: &Value| s["containerStatuses"][0]["state"]["running"].is_object();
    let mut first = None;
    for round in 0..6 {
        let process = Process::start(&dir);
        if round < 3 {
            // In the middle of whatever it is doing.
            tokio::time::sleep(Duration::from_millis(15 << (2 * round))).await;
        } else {
            let status = process.until("web", running).await;
            let seen = container(&status, "a")["state"]["running"]["startedAt"].clone();
            assert_eq!(*first.get_or_insert(seen.clone()), seen, "round {round}");
        }
        process.kill();
    }
    let all = cedge_runtime::belongings(&lab.config.data_dir).unwrap();
    assert_eq!(all.len(), 1, "one container, one parent: {all:?}");
    let process = Process::start(&dir);
    let _ = process.until("web", running).await;
    process.kill();
}
