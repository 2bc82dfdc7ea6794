//! What nodes, pods and services serve, asked through the API: of a cluster, and of its parent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cedge_e2e::{Chain, Folder, enabled, eventually, kubectl};

const WEB: &str = "
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: process
    command: [sh, -c, 'echo \"<a href=/x>\" > index.html; exec python3 -m http.server PORT']
    ports: [{ containerPort: PORT }]
    readinessProbe: { tcpSocket: { port: PORT }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: PORT }]
";

#[test]
fn what_pods_serve_is_asked_through_the_api_and_from_the_parent() {
    if !enabled("what_pods_serve_is_asked_through_the_api_and_from_the_parent") {
        return;
    }
    let folder = Folder::of("proxied");
    let tree = Chain::grow(&folder, &["a", "b"], &["--without", "node"]);
    let (a, b) = (tree.a(), tree.b());
    let port = free().to_string();
    b.apply(&WEB.replace("PORT", &port)).expect("a pod");
    b.kubectl(&["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"])
        .expect("it runs");
    a.until_tree("a:Healthy b:Healthy");
    let from_parent = folder.join("b-from-a.yaml");
    let text = a.cedge(&["kubeconfig", "b"]).expect("a kubeconfig");
    std::fs::write(&from_parent, text).expect("a file in the test's folder");
    // kubectl takes a raw path from the root of the server: the way to the child is part of it.
    for (config, way) in [(b.kubeconfig(), ""), (from_parent, "/clusters/b")] {
        answers(&config, way, &port);
        proxies(&config, &port);
    }
}

/// Pod, service and node, by their paths.
fn answers(config: &Path, way: &str, port: &str) {
    let namespace = format!("{way}/api/v1/namespaces/default");
    for place in [
        format!("pods/web:{port}"),
        "pods/web".to_owned(),
        "services/web:80".to_owned(),
        "services/http:web:http".to_owned(),
    ] {
        let path = format!("{namespace}/{place}/proxy/");
        eventually("the page is there", 20, || {
            let page = kubectl(config, &["get", "--raw", &path]);
            let link = format!("<a href=\"/api/v1/namespaces/default/{place}/proxy/x\">");
            if page.out.trim() == link {
                Ok(())
            } else {
                Err(format!("{path}: {page:?}"))
            }
        });
    }
    let node = format!("{way}/api/v1/nodes/b/proxy/healthz");
    let healthy = kubectl(config, &["get", "--raw", &node]);
    assert_eq!(healthy.expect("the node's own server"), "ok");
    let missing = kubectl(
        config,
        &["get", "--raw", &format!("{namespace}/pods/web:1/proxy/x")],
    );
    assert!(
        !missing.ok && missing.err.contains("connection refused"),
        "{missing:?}"
    );
}

/// `kubectl proxy`, which is how a browser gets there.
fn proxies(config: &Path, port: &str) {
    let child = Command::new("kubectl")
        .args(["proxy", "--port=0", "--append-server-path"])
        .env("KUBECONFIG", config)
        .stdout(Stdio::piped())
        .spawn();
    let mut proxy = Ends(child.expect("kubectl starts"));
    let mut said = String::new();
    let output = proxy.0.stdout.take().expect("a pipe");
    BufReader::new(output)
        .read_line(&mut said)
        .expect("it says where it listens");
    let at = said
        .trim()
        .rsplit(' ')
        .next()
        .expect("an address")
        .to_owned();
    let path = format!("/api/v1/namespaces/default/pods/web:{port}/proxy/");
    let page = fetch(&at, &path).expect("a page");
    assert!(page.contains("proxy/x\">"), "{page}");
    let moved = fetch(&at, path.trim_end_matches('/')).expect("a redirect");
    assert!(moved.starts_with("HTTP/1.1 301"), "{moved}");
    let list = fetch(&at, "/api/v1/namespaces/default/pods").expect("a list");
    assert!(list.contains("\"kind\":\"PodList\""), "{list}");
}

/// A process that ends with this.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn fetch(at: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(at)?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
