//! A server says that it is ready when it is, and is gone soon after it was asked to stop.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cedge_e2e::manifest::{deployment, mission};
use cedge_e2e::{Folder, Site, enabled, eventually};
use serde_json::Value;

#[test]
fn a_ready_server_takes_missions_and_stops_within_seconds_under_watch() {
    if !enabled("a_ready_server_takes_missions_and_stops_within_seconds_under_watch") {
        return;
    }
    let folder = Folder::of("start-and-stop");
    let mut site = Site::new(&folder, "solo", &[]);
    site.start();
    // At once: kubectl validates it against OpenAPI.
    site.apply(&mission("early", &Value::Null, &[deployment("early", 1)]))
        .expect("a Mission at a ready server");
    eventually("its pod runs", 60, || {
        site.get(&["pods"]).and_then(one_runs)
    });
    let mut watch = Command::new("kubectl")
        .args(["get", "pods", "-A", "-w"])
        .env("KUBECONFIG", site.kubeconfig())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("kubectl");
    let log = Command::new("kubectl")
        .args(["logs", "-f", "deployment/early"])
        .env("KUBECONFIG", site.kubeconfig())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut log = log.expect("kubectl");
    std::thread::sleep(Duration::from_secs(1));
    let asked = Instant::now();
    site.stop();
    let took = asked.elapsed();
    for client in [&mut watch, &mut log] {
        let _ = client.kill();
        let _ = client.wait();
    }
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    site.start();
    site.apply(&mission("again", &Value::Null, &[]))
        .expect("a Mission at a server that was started again");
}

fn one_runs(pods: Value) -> Result<(), String> {
    let mut items = pods["items"].as_array().into_iter().flatten();
    if items.any(|pod| pod["status"]["phase"] == "Running") {
        Ok(())
    } else {
        Err(pods.to_string())
    }
}
