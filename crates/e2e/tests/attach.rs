//! Modules as processes of their own: a cluster whose tree lives beside it.

use cedge_e2e::manifest::{deployment, job, mission};
use cedge_e2e::{
    Attached, Chain, Folder, condition, enabled, eventually, holds_for, kubectl, number, text,
};
use serde_json::{Value, json};

#[test]
fn a_cluster_in_two_processes_is_what_one_is_and_its_lost_api_is_told() {
    if !enabled("a_cluster_in_two_processes_is_what_one_is_and_its_lost_api_is_told") {
        return;
    }
    let folder = Folder::of("attach");
    let tree = Chain::grow(&folder, &["a", "b", "c"], &["--without", "node"]);
    let (a, c) = (tree.a(), tree.c());
    let mut d = Attached::start_below(&folder, "d", c);
    a.until_tree("a:Healthy b:Healthy c:Healthy d:Healthy");

    let at_d = json!({ "clusters": ["d"] });
    a.apply(&mission(
        "work",
        &at_d,
        &[deployment("work", 1), job("once")],
    ))
    .expect("a Mission at a");
    a.until_healthy("work", 1);
    a.apply(&mission(
        "work",
        &at_d,
        &[deployment("work", 2), job("once")],
    ))
    .expect("a changed Mission");
    a.until_healthy("work", 1);
    let pods = d.server.running("work", 2);
    logs_and_commands_reach_the_node(&d, &pods[0].name);
    only_users_of_the_cluster_are_let_in(&tree, &d);
    a_token_of_the_cluster_is_good_at_its_hub(&folder, &d);

    d.server.kill_server();
    a.until_tree("a:Healthy b:Healthy c:Healthy d:Unhealthy");
    let seen = c.until("d is unhealthy", &["edgecluster", "d"], |d| {
        text(d, "/status/state") == "Unhealthy"
    });
    let (healthy, why) = condition(&seen, "Healthy");
    assert_eq!(healthy, "False");
    assert!(why.contains("its API does not answer"), "{why}");
    assert_eq!(condition(&seen, "Connected").0, "True");
    let shown = a.cedge(&["tree", "-o", "json"]).json().expect("the tree");
    let why = text(&shown, "/children/0/children/0/children/0/reason");
    assert!(why.contains("its API does not answer"), "{shown}");

    d.server.launch();
    a.until_tree("a:Healthy b:Healthy c:Healthy d:Healthy");
    assert_eq!(d.server.running("work", 2), pods, "nothing was restarted");

    d.kill_attach();
    a.until_tree("a:Healthy b:Healthy c:Healthy d:Unreachable?");
    d.attach();
    a.until_tree("a:Healthy b:Healthy c:Healthy d:Healthy");
    a.until_healthy("work", 1);
    assert_eq!(d.server.running("work", 2), pods, "nothing was restarted");
    eventually("the node has its port again", 40, || {
        match d.server.kubectl(&["logs", &pods[0].name]) {
            log if log.ok => Ok(()),
            log => Err(log),
        }
    });
    a.kubectl(&["delete", "mission", "work"]).expect("deletion");
    d.server.until_gone("deployment", "work");
    a.until_gone("mission", "work");
}

fn logs_and_commands_reach_the_node(d: &Attached, pod: &str) {
    let site = &d.server;
    let log = eventually("the log is there", 20, || {
        match site.kubectl(&["logs", pod]) {
            log if log.ok && !log.out.is_empty() => Ok(log.out),
            log => Err(log),
        }
    });
    assert_eq!(log.trim(), "up");
    let speaker = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "speaker" },
        "spec": {
            "runtimeClassName": "process", "restartPolicy": "Never",
            "containers": [{
                "name": "main", "image": "process",
                "command": ["/bin/sh", "-c", "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.5; done"],
            }],
        },
    });
    site.create(&speaker.to_string()).expect("a pod");
    let _ = site.until("the speaker runs", &["pod", "speaker"], |p| {
        text(p, "/status/phase") != "Pending"
    });
    let followed = site.kubectl(&["logs", "-f", "speaker"]);
    let lines = followed.expect("logs -f");
    assert_eq!(lines.lines().last(), Some("line 6"), "{lines}");
    let said = site.kubectl(&["exec", pod, "--", "/bin/sh", "-c", "echo from $((40 + 2))"]);
    assert_eq!(said.expect("exec").trim(), "from 42");
    let failed = site.kubectl(&["exec", pod, "--", "/bin/sh", "-c", "exit 3"]);
    assert!(
        !failed.ok && failed.err.contains("exit code 3"),
        "{failed:?}"
    );
}

fn only_users_of_the_cluster_are_let_in(tree: &Chain, d: &Attached) {
    let node = d.server.get(&["node", "d"]).expect("the Node");
    let port = number(&node, "/status/daemonEndpoints/kubeletEndpoint/Port");
    let host = text(&node, "/status/addresses/0/address");
    let url = format!("--server=https://{host}:{port}");
    let ask = ["get", "--raw", "/pods", "--insecure-skip-tls-verify", &url];
    d.server.kubectl(&ask).expect("its own administrator");
    let stranger = tree.c().kubectl(&ask);
    assert!(!stranger.ok, "of another cluster: {stranger:?}");
    let nobody = kubectl(&tree.c().dir.join("nobody"), &ask);
    assert!(!nobody.ok, "without a certificate: {nobody:?}");
}

fn a_token_of_the_cluster_is_good_at_its_hub(folder: &Folder, d: &Attached) {
    let site = &d.server;
    site.kubectl(&["create", "serviceaccount", "jo"])
        .expect("an account");
    let token = site.kubectl(&["create", "token", "jo"]).expect("a token");
    let ask = |token: &str| {
        let flag = format!("--token={}", token.trim());
        let url = format!("--server=https://{}", site.hub());
        let args = [
            "get",
            "--raw",
            "/tree",
            "--insecure-skip-tls-verify",
            &flag,
            &url,
        ];
        kubectl(&folder.join("nobody"), &args)
    };
    let refused = ask(&token);
    assert!(refused.err.contains("cannot list"), "no right: {refused:?}");
    site.kubectl(&[
        "create",
        "clusterrolebinding",
        "jo",
        "--clusterrole=cluster-admin",
        "--serviceaccount=default:jo",
    ])
    .expect("a binding");
    let shown = eventually("the right is there", 20, || ask(&token).json());
    assert_eq!(text(&shown, "/name"), "d");
    let forged = ask("not.a.token");
    assert!(
        !forged.ok && !forged.err.contains("cannot list"),
        "{forged:?}"
    );
}

#[test]
fn a_detached_cluster_is_told_and_keeps_what_runs() {
    if !enabled("a_detached_cluster_is_told_and_keeps_what_runs") {
        return;
    }
    let folder = Folder::of("detach");
    let mut tree = Chain::grow(&folder, &["a", "b"], &["--without", "node"]);
    let at_b = json!({ "clusters": ["b"] });
    let work = mission("work", &at_b, &[deployment("work", 1)]);
    tree.a().apply(&work).expect("a Mission at a");
    let pods = tree.b().running("work", 1);
    tree.a().until_tree("a:Healthy b:Healthy");

    let detached = tree.a().cedge(&["cluster", "detach", "b"]);
    detached.expect("detach");
    let is_told = |tree: &Chain| {
        tree.b()
            .until("it says so", &["edgeuplink", "parent"], |u| {
                let all = u.pointer("/status/conditions").and_then(Value::as_array);
                let told =
                    |c: &Value| text(c, "/type") == "Connected" && text(c, "/reason") == "Detached";
                all.is_some_and(|all| all.iter().any(told))
            })
    };
    let uplink = is_told(&tree);
    assert!(
        condition(&uplink, "Connected")
            .1
            .contains("detached from a")
    );
    tree.a().until_tree("a:Healthy");
    tree.sites[1].kill_server();
    tree.sites[1].start();
    let _ = is_told(&tree);
    holds_for("b stays away, and keeps its pod", 3, || {
        match (tree.a().tree()?.as_str(), tree.b().pods("work")?) {
            ("a:Healthy", now) if now == pods => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });

    let token = tree.a().token(&tree.wire.address());
    let dir = tree.b().dir.display().to_string();
    let joined = tree.b().cedge(&["join", "--data-dir", &dir, &token]);
    joined.expect("it joins again");
    tree.a().until_tree("a:Healthy b:Healthy");
    tree.a().until_healthy("work", 1);
    assert_eq!(tree.b().running("work", 1), pods, "nothing was restarted");
}
