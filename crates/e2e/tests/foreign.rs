//! `cedge attach` beside a cluster that others made: a real kube-apiserver. It is skipped where there is none
//! (`KUBEBUILDER_ASSETS` names the folder with the program).

use cedge_e2e::manifest::mission;
use cedge_e2e::{Folder, Foreign, enabled, eventually, number, text};
use serde_json::{Value, json};

#[test]
fn a_node_of_ours_serves_a_real_kubernetes_through_the_hub() {
    if !enabled("a_node_of_ours_serves_a_real_kubernetes_through_the_hub") {
        return;
    }
    let folder = Folder::of("foreign");
    let mut shop = match Foreign::start(&folder) {
        Ok(shop) => shop,
        Err(why) => {
            eprintln!("a_node_of_ours_serves_a_real_kubernetes_through_the_hub skipped: {why}");
            return;
        }
    };
    shop.node("cam");
    let get = |args: &[&str]| {
        shop.kubectl(&[&["get", "-o", "json"], args].concat())
            .json()
    };
    eventually("the node is ready", 60, || {
        let node = get(&["node", "cam"])?;
        let all = node.pointer("/status/conditions").and_then(Value::as_array);
        let ready = |c: &Value| text(c, "/type") == "Ready" && text(c, "/status") == "True";
        match all.is_some_and(|all| all.iter().any(ready)) {
            true if number(&node, "/status/daemonEndpoints/kubeletEndpoint/Port") > 0 => Ok(()),
            _ => Err(node.to_string()),
        }
    });
    // There is no scheduler: the pod says where it runs.
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "work" },
        "spec": {
            "nodeName": "cam", "runtimeClassName": "process",
            "tolerations": [{ "operator": "Exists" }],
            "containers": [{
                "name": "main", "image": "process",
                "command": ["/bin/sh", "-c", "echo up; exec sleep 100000"],
            }],
        },
    });
    shop.create(&mission("work", &Value::Null, &[pod]))
        .expect("a Mission");
    eventually("the Mission is healthy", 60, || {
        let mission = get(&["mission", "work"])?;
        match number(&mission, "/status/subtree/states/Healthy") {
            1 => Ok(()),
            _ => Err(mission["status"].to_string()),
        }
    });
    let log = eventually("the log is there", 20, || {
        match shop.kubectl(&["logs", "work"]) {
            log if log.ok && !log.out.is_empty() => Ok(log.out),
            log => Err(log),
        }
    });
    assert_eq!(log.trim(), "up");
    let exec = |script: &str| shop.kubectl(&["exec", "work", "--", "/bin/sh", "-c", script]);
    assert_eq!(
        exec("echo from $((40 + 2))").expect("exec").trim(),
        "from 42"
    );
    let failed = exec("exit 3");
    assert!(
        !failed.ok && failed.err.contains("exit code 3"),
        "{failed:?}"
    );
    let tree = shop.cedge(&["tree", "-o", "json"]).json();
    let tree = tree.expect("the tree, asked with the cluster's own certificate");
    assert_eq!(text(&tree, "/flavor"), "k8s");
    shop.kubectl(&["delete", "mission", "work", "--timeout=60s"])
        .expect("deletion");
    let gone = shop.kubectl(&["get", "pod", "work", "--ignore-not-found", "-o", "name"]);
    assert_eq!(gone.expect("pods").trim(), "");
}
