//! What an `EdgeCluster` asks of its child: how often it speaks, and what it gives back when it leaves.

use cedge_e2e::manifest::{deployment, mission};
use cedge_e2e::{Chain, Folder, Site, enabled, eventually};
use serde_json::{Value, json};

fn ask(parent: &Site, spec: &Value) {
    let patch = json!({ "spec": spec }).to_string();
    let ran = parent.kubectl(&["patch", "edgecluster", "b", "--type=merge", "-p", &patch]);
    ran.expect("a patch of the child's EdgeCluster");
}

#[test]
fn a_child_that_leaves_gives_back_its_missions_where_that_is_asked() {
    if !enabled("a_child_that_leaves_gives_back_its_missions_where_that_is_asked") {
        return;
    }
    let folder = Folder::of("leaving");
    let tree = Chain::grow(&folder, &["a", "b"], &["--without", "node"]);
    let (a, b) = (tree.a(), tree.b());
    let text = mission(
        "work",
        &json!({ "scope": "Descendants" }),
        &[deployment("work", 1)],
    );
    a.apply(&text).expect("a Mission");
    let _ = b.running("work", 1);
    let refused = a.kubectl(&[
        "patch",
        "edgecluster",
        "b",
        "--type=merge",
        "-p",
        r#"{"spec":{"heartbeatSeconds":1}}"#,
    ]);
    assert!(!refused.ok, "a second is too often: {}", refused.out);
    ask(a, &json!({ "heartbeatSeconds": 600, "reportSeconds": 1 }));
    a.until_healthy("work", 1);
    ask(a, &json!({ "deletionPolicy": "Withdraw" }));
    a.cedge(&["cluster", "detach", "b"]).expect("a detachment");
    eventually("what was handed over is given back", 60, || {
        let pods = b.pods("work")?;
        let missions = b.get(&["missions"])?;
        match (pods.len(), missions["items"].as_array().map(Vec::len)) {
            (0, Some(0)) => Ok(()),
            left => Err(format!("{left:?}")),
        }
    });
    eventually("the child has left", 60, || {
        let ran = a.kubectl(&["get", "edgecluster", "b"]);
        if ran.ok { Err(ran.out) } else { Ok(()) }
    });
}
