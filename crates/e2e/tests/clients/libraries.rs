//! The libraries that controllers are written with: client-go, controller-runtime, the Python client.

use std::process::Command;

use cedge_e2e::{Clients, Folder, Site, eventually};
use serde_json::Value;

fn is(line: &Value, event: &str, name: &str) -> bool {
    line["event"] == event && line["name"] == name
}

#[test]
fn a_shared_informer_hears_everything_once_and_in_order_across_a_restart() {
    let test = "a_shared_informer_hears_everything_once_and_in_order_across_a_restart";
    let Some(clients) = Clients::here(test) else {
        return;
    };
    let folder = Folder::of("informer");
    let mut site = Site::new(&folder, "solo", &["--without", "node"]);
    site.start();
    let informer = clients.start("clients", &site, &["informer", "default"]);
    informer.says("synced", |line| line["event"] == "synced");
    let create = ["create", "configmap", "a", "--from-literal=value=0"];
    site.kubectl(&create).expect("a ConfigMap");
    for value in 1..=20 {
        if value == 10 {
            site.kill_server();
            site.start();
        }
        let patch = format!(r#"{{"data":{{"value":"{value}"}}}}"#);
        site.kubectl(&["patch", "configmap", "a", "--type=merge", "-p", &patch])
            .expect("a change");
    }
    site.kubectl(&["delete", "configmap", "a"])
        .expect("it goes");
    informer.says("deleted", |line| is(line, "deleted", "a"));
    let said = informer.said();
    let of_a: Vec<&Value> = said.iter().filter(|line| line["name"] == "a").collect();
    let values: Vec<i64> = of_a
        .iter()
        .map(|line| line["value"].as_str().unwrap().parse().unwrap())
        .collect();
    // An informer that was away may miss what was replaced; it never hears something twice or backwards.
    assert!(values.windows(2).all(|w| w[0] <= w[1]), "{values:?}");
    let revisions: Vec<u64> = of_a
        .iter()
        .map(|l| l["resourceVersion"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(revisions.windows(2).all(|w| w[0] < w[1]), "{revisions:?}");
    assert_eq!((values.first(), values.last()), (Some(&0), Some(&20)));
    assert_eq!(
        of_a.iter().filter(|line| line["event"] == "added").count(),
        1
    );
}

#[test]
fn a_manager_leads_until_it_dies_then_another_does() {
    let Some(clients) = Clients::here("a_manager_leads_until_it_dies_then_another_does") else {
        return;
    };
    let folder = Folder::of("manager");
    let mut site = Site::new(&folder, "solo", &[]);
    site.start();
    let mut first = clients.start("clients", &site, &["manager", "default", "first"]);
    first.says("elected", |line| line["event"] == "elected");
    let second = clients.start("clients", &site, &["manager", "default", "second"]);
    second.says("started", |line| line["event"] == "started");
    site.kubectl(&["create", "configmap", "work"])
        .expect("a ConfigMap");
    site.kubectl(&["label", "configmap", "work", "replicas=2"])
        .expect("a label");
    let seen = |site: &Site, wanted: &str| {
        let object = site.get(&["configmap", "work"])?;
        let seen = object["metadata"]["annotations"]["seen"].as_str();
        (seen == Some(wanted))
            .then_some(())
            .ok_or_else(|| object.to_string())
    };
    eventually("the first has said what it saw", 60, || {
        seen(&site, "2 ready")
    });
    assert!(
        !second.said().iter().any(|line| line["event"] == "elected"),
        "two leaders"
    );
    first.kill();
    second.says("elected", |line| line["event"] == "elected");
    site.kubectl(&["label", "configmap", "work", "replicas=3", "--overwrite"])
        .expect("a label");
    eventually("the second has said what it saw", 60, || {
        seen(&site, "3 ready")
    });
    site.kubectl(&["delete", "configmap", "work", "--timeout=60s"])
        .expect("its finalizer falls");
    second.says("released", |line| is(line, "released", "work"));
    eventually("its Deployment is collected", 60, || {
        let pods = site.get(&["deployments,pods"])?;
        let left = pods["items"].as_array().map_or(0, Vec::len);
        if left == 0 {
            Ok(())
        } else {
            Err(pods.to_string())
        }
    });
}

#[test]
fn the_python_client_watches_executes_and_forwards() {
    let Some(clients) = Clients::here("the_python_client_watches_executes_and_forwards") else {
        return;
    };
    let folder = Folder::of("python");
    let mut site = Site::new(&folder, "solo", &[]);
    site.start();
    eventually("the node is ready", 60, || {
        let nodes = site.get(&["nodes"])?;
        let conditions = nodes["items"][0]["status"]["conditions"].to_string();
        if conditions.contains("KubeletReady") {
            Ok(())
        } else {
            Err(conditions)
        }
    });
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients/client.py");
    let ran = Command::new(clients.path("python/bin/python"))
        .arg(script)
        .env("KUBECONFIG", site.kubeconfig())
        .env("POD_PORT", port.to_string())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{out}{err}");
    for line in [
        "version 1",
        "logs hello",
        "exec from inside",
        "forwarded HTTP/1.0 200 OK",
        "nodes 1",
        "labels {'a': 'b'}",
        "missing 404 Not Found",
    ] {
        assert!(out.lines().any(|l| l == line), "{line}: {out}");
    }
}
