//! kubectl's streams, in both of its ways: WebSockets (with SPDY inside for ports), and SPDY as older minors speak it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use cedge_e2e::{Folder, Site, enabled, eventually};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: process
    command: [sh, -c, 'exec python3 -m http.server PORT --bind 127.0.0.1']
    readinessProbe: { httpGet: { host: 127.0.0.1, port: PORT }, periodSeconds: 1 }
";

#[test]
fn kubectl_executes_and_forwards_over_websockets_and_spdy() {
    let test = "kubectl_executes_and_forwards_over_websockets_and_spdy";
    if !enabled(test) {
        return;
    }
    let folder = Folder::of("forward");
    let mut site = Site::new(&folder, "solo", &[]);
    site.start();
    let port = free();
    site.apply(&POD.replace("PORT", &port.to_string()))
        .expect("a pod");
    site.kubectl(&["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"])
        .expect("it runs");
    for kubectl in kubectls() {
        for websockets in ["true", "false"] {
            let kubectl = Kubectl {
                program: kubectl.clone(),
                site: &site,
                websockets,
            };
            kubectl.executes();
            kubectl.forwards(port);
        }
    }
}

/// The one that is installed, and that of the oracle, if it is here.
fn kubectls() -> Vec<PathBuf> {
    let oracle =
        std::env::var_os("KUBEBUILDER_ASSETS").map(|dir| PathBuf::from(dir).join("kubectl"));
    let both = [
        Some(PathBuf::from("kubectl")),
        oracle.filter(|p| p.exists()),
    ];
    both.into_iter().flatten().collect()
}

struct Kubectl<'a> {
    program: PathBuf,
    site: &'a Site,
    websockets: &'static str,
}

impl Kubectl<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .env("KUBECONFIG", self.site.kubeconfig())
            .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", self.websockets)
            .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", self.websockets)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn executes(&self) {
        let script = "cat | wc -c; echo wrong >&2; exit 3";
        let mut child = self
            .command(&["exec", "-i", "web", "--", "sh", "-c", script])
            .spawn()
            .unwrap();
        let input = vec![b'x'; 300_000];
        child.stdin.take().unwrap().write_all(&input).unwrap();
        let ran = child.wait_with_output().unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr),
        );
        assert_eq!(out.trim(), "300000", "{err}");
        assert_eq!(ran.status.code(), Some(3), "{err}");
        assert!(err.starts_with("wrong"), "{err}");
    }

    fn forwards(&self, port: u16) {
        let local = free();
        let pairs = format!("{local}:{port}");
        let child = self
            .command(&["port-forward", "web", &pairs])
            .spawn()
            .unwrap();
        let mut child = Ends(child);
        let mut said = BufReader::new(child.0.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.starts_with("Forwarding from"), "{line}");
        // Several connections through one kubectl, the first until the web server listens.
        eventually("the first answer", 30, || fetch(local));
        for _ in 0..5 {
            fetch(local).unwrap();
        }
    }
}

/// A process that ends with this.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn fetch(port: u16) -> Result<(), String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string())?;
    stream
        .write_all(b"GET / HTTP/1.0\r\n\r\n")
        .map_err(|e| e.to_string())?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .map_err(|e| e.to_string())?;
    answer
        .starts_with("HTTP/1.0 200")
        .then_some(())
        .ok_or(answer)
}

fn free() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
