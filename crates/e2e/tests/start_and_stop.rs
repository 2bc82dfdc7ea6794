//! A server says that it is ready when it is, and is gone soon after it was asked to stop.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use cedge_e2e::manifest::{deployment, mission};
use cedge_e2e::{Folder, Site, Watch, enabled, eventually};
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
    eventually("its pod runs", 60, || one_runs(&site));
    let clients = [
        listening(&site, &["get", "pods", "-A", "-w"]),
        listening(&site, &["logs", "-f", "deployment/early"]),
    ];
    let asked = Watch::start();
    site.stop();
    let took = asked.seconds();
    for mut client in clients {
        let _ = client.kill();
        let _ = client.wait();
    }
    assert!(took < 4.0, "it took {took} s");
    site.start();
    site.apply(&mission("again", &Value::Null, &[]))
        .expect("a Mission at a server that was started again");
}

/// kubectl, once it has heard its first line.
fn listening(site: &Site, args: &[&str]) -> Child {
    let mut client = Command::new("kubectl")
        .args(args)
        .env("KUBECONFIG", site.kubeconfig())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("kubectl");
    let out = client.stdout.as_mut().expect("it is piped");
    let mut line = String::new();
    let heard = BufReader::new(out).read_line(&mut line);
    assert!(heard.is_ok_and(|bytes| bytes > 0), "{args:?} says nothing");
    client
}

fn one_runs(site: &Site) -> Result<(), String> {
    let pods = site.get(&["pods"])?;
    let mut items = pods["items"].as_array().into_iter().flatten();
    if items.any(|pod| pod["status"]["phase"] == "Running") {
        Ok(())
    } else {
        Err(pods.to_string())
    }
}
