//! The API of a descendant, through the links.

use std::path::{Path, PathBuf};

use cedge_e2e::manifest::{deployment, mission};
use cedge_e2e::{Chain, Folder, enabled, eventually, kubectl};
use serde_json::Value;

#[test]
fn plain_kubectl_speaks_to_a_cluster_three_links_away() {
    if !enabled("plain_kubectl_speaks_to_a_cluster_three_links_away") {
        return;
    }
    let folder = Folder::of("reach");
    let tree = Chain::grow(&folder, &["a", "b", "c", "d"], &["--without", "node"]);
    let (a, d) = (tree.a(), tree.d());
    d.apply(&mission("work", &Value::Null, &[deployment("work", 1)]))
        .expect("a Mission at d");
    let pod = &d.running("work", 1)[0].name;
    a.until_tree("a:Healthy b:Healthy c:Healthy d:Healthy");
    for path in ["b", "b/c", "b/c/d"] {
        let file = kubeconfig(&tree, &folder, path);
        let nodes = kubectl(&file, &["get", "nodes", "-o", "name"]);
        let leaf = path.rsplit('/').next().unwrap_or(path);
        let nodes = nodes.expect("nodes of a descendant");
        assert_eq!(
            nodes.trim(),
            format!("node/{leaf}"),
            "each answers for itself"
        );
    }
    let file = kubeconfig(&tree, &folder, "b/c/d");
    eventually("the log is there", 20, || {
        let log = kubectl(&file, &["logs", pod]);
        if log.ok && log.out.trim() == "up" {
            Ok(())
        } else {
            Err(log)
        }
    });
    let said = kubectl(
        &file,
        &["exec", pod, "--", "/bin/sh", "-c", "echo from $((40 + 2))"],
    );
    assert_eq!(said.expect("exec").trim(), "from 42");
    let failed = kubectl(&file, &["exec", pod, "--", "/bin/sh", "-c", "exit 3"]);
    assert!(
        !failed.ok && failed.err.contains("exit code 3"),
        "{failed:?}"
    );
    let waited = kubectl(
        &file,
        &[
            "wait",
            "--for=condition=Available",
            "deployment/work",
            "--timeout=20s",
        ],
    );
    waited.expect("a watch through three links");
    kubectl(&file, &["create", "configmap", "from-afar"]).expect("a write");
    let _ = d.get(&["configmap", "from-afar"]).expect("it is there");
    let other = kubectl(&file, &["get", "nodes", "--as=nobody"]);
    assert!(!other.ok && other.err.contains("impersonated"), "{other:?}");
}

fn kubeconfig(tree: &Chain, folder: &Path, path: &str) -> PathBuf {
    let text = tree.a().cedge(&["kubeconfig", path]).expect("a kubeconfig");
    let file = folder.join(format!("{}.yaml", path.replace('/', "-")));
    std::fs::write(&file, text).expect("a file in the test's folder");
    file
}
