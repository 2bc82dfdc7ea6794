//! The real kubelet, with containerd, as a node of our API. It needs root, `KUBEBUILDER_ASSETS` with a kubelet, and
//! containerd, runc, CNI plugins and busybox as Debian packs them; else it is skipped.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use cedge_e2e::kubelet::{IMAGE, Kubelet};
use cedge_e2e::{Folder, Site, condition, enabled, eventually, kubectl, text};
use serde_json::json;

const TEST: &str = "a_real_kubelet_runs_pods_on_our_api";

#[test]
fn a_real_kubelet_runs_pods_on_our_api() {
    if !enabled(TEST) {
        return;
    }
    let folder = Folder::of("kubelet");
    let mut kubelet = match Kubelet::machine(&folder) {
        Ok(kubelet) => kubelet,
        Err(why) => return cedge_e2e::skipped(TEST, &why),
    };
    let mut site = Site::new(&folder, "site", &["--without", "node"]);
    site.start();
    kubelet.start(&site, "real");
    let get = |args: &[&str]| {
        site.kubectl(&[&["get", "-o", "json"], args].concat())
            .json()
    };
    eventually("the node is ready", 60, || {
        let node = get(&["node", "real"]).map_err(|e| format!("{e} {}", kubelet.last_words()))?;
        match condition(&node, "Ready").0.as_str() {
            "True" => Ok(()),
            _ => Err(node["status"]["conditions"].to_string()),
        }
    });
    runs_a_pod(&site, &kubelet);
    streams(&site);
    forwards_a_port(&site);
    has_no_more_rights_than_it_needs(&site, &kubelet);
    site.kubectl(&["delete", "pod", "work", "--timeout=60s"])
        .expect("the pod ends");
}

/// One that needs a ConfigMap, a Secret, and its service account's token.
fn runs_a_pod(site: &Site, kubelet: &Kubelet) {
    site.kubectl(&["create", "configmap", "words", "--from-literal=word=hello"])
        .expect("a ConfigMap");
    site.kubectl(&[
        "create",
        "secret",
        "generic",
        "mine",
        "--from-literal=key=s3cret",
    ])
    .expect("a Secret");
    site.kubectl(&[
        "create",
        "secret",
        "generic",
        "other",
        "--from-literal=key=x",
    ])
    .expect("a Secret");
    let script = "echo $WORD from $KEY; test -s /identity/token && echo token; \
                  mkdir -p /www; echo page > /www/index.html; httpd -p 8080 -h /www; \
                  while read line; do echo got $line; done; sleep 100000";
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "work" },
        "spec": { "terminationGracePeriodSeconds": 1, "containers": [{
            "name": "main", "image": IMAGE, "imagePullPolicy": "Never", "stdin": true,
            "command": ["sh", "-c", script],
            "volumeMounts": [{ "name": "identity", "mountPath": "/identity" }],
            "env": [
                { "name": "WORD", "valueFrom": { "configMapKeyRef": { "name": "words", "key": "word" } } },
                { "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "mine", "key": "key" } } },
            ],
        }], "volumes": [{ "name": "identity", "projected": { "sources": [
            { "serviceAccountToken": { "path": "token", "expirationSeconds": 3600 } },
        ] } }] },
    });
    site.create(&pod.to_string()).expect("a Pod");
    eventually("the pod runs", 60, || {
        let pod = site.kubectl(&["get", "pod", "work", "-o", "json"]).json()?;
        match condition(&pod, "Ready").0.as_str() {
            "True" => Ok(()),
            _ => Err(format!("{} {}", pod["status"], kubelet.last_words())),
        }
    });
}

fn streams(site: &Site) {
    let log = eventually("the log is there", 20, || {
        let log = site.kubectl(&["logs", "work"]);
        match log.ok && log.out.contains("token") {
            true => Ok(log.out),
            false => Err(log),
        }
    });
    assert_eq!(log, "hello from s3cret\ntoken\n");
    let said = site.kubectl(&["exec", "work", "--", "sh", "-c", "echo out; exit 3"]);
    assert!(!said.ok && said.out == "out\n", "{said:?}");
    assert!(said.err.contains("exit code 3"), "{said:?}");
    let mut attached = client(site)
        .args(["attach", "-i", "work"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("kubectl starts");
    let mut input = attached.stdin.take().expect("a pipe");
    let output = attached.stdout.take().expect("a pipe");
    input.write_all(b"this\n").expect("it is read");
    let heard = BufReader::new(output).lines().map_while(Result::ok);
    let heard = heard.into_iter().find(|line| line.starts_with("got"));
    assert_eq!(heard.as_deref(), Some("got this"));
    attached.kill().expect("our own child");
    attached.wait().expect("our own child");
}

fn forwards_a_port(site: &Site) {
    let mut forward = client(site)
        .args(["port-forward", "pod/work", ":8080"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("kubectl starts");
    let output = forward.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(output).lines();
    let line = lines.next().expect("a line").expect("text");
    let port = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("127.0.0.1:"))
        .unwrap_or_else(|| panic!("{line}"));
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("a port");
    stream
        .write_all(b"GET /index.html HTTP/1.0\r\n\r\n")
        .expect("it is read");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("an answer");
    assert!(page.ends_with("page\n"), "{page}");
    forward.kill().expect("our own child");
    forward.wait().expect("our own child");
}

fn has_no_more_rights_than_it_needs(site: &Site, kubelet: &Kubelet) {
    let file = kubelet.kubeconfig();
    let ask = |args: &[&str]| kubectl(&file, args);
    ask(&["get", "secret", "mine"]).expect("a pod on it needs this one");
    ask(&["get", "node", "real"]).expect("it is itself");
    let refused = |args: &[&str], why: &str| {
        let said = ask(args);
        assert!(!said.ok && said.err.contains(why), "{args:?}: {said:?}");
    };
    refused(
        &["get", "secret", "other"],
        "no relationship found between node 'real'",
    );
    refused(&["get", "secrets"], "forbidden");
    refused(&["get", "pods", "-A"], "forbidden");
    refused(&["get", "namespaces"], "forbidden");
    refused(&["create", "token", "default"], "not bound to a pod");
    refused(
        &["run", "mine", "--image", IMAGE],
        "can only create mirror pods",
    );
    refused(
        &[
            "label",
            "node",
            "real",
            "node-restriction.kubernetes.io/x=y",
        ],
        "not allowed to modify labels",
    );
    refused(
        &["taint", "node", "real", "a=b:NoSchedule"],
        "not allowed to modify taints",
    );
    // Written when the kubelet has seen its own Node, and looked at every ten seconds.
    eventually("it renews its lease", 30, || {
        let lease = [
            "get",
            "lease",
            "real",
            "-n",
            "kube-node-lease",
            "-o",
            "json",
        ];
        let lease = site.kubectl(&lease).json()?;
        match text(&lease, "/spec/holderIdentity").as_str() {
            "real" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
}

fn client(site: &Site) -> Command {
    let mut command = Command::new("kubectl");
    command.env("KUBECONFIG", site.kubeconfig());
    command
}
