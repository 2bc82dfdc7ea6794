//! The same by kubectl, over TLS. Skipped where there is no kubectl.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use cedge_pki::{Authority, Key, Kubeconfig, LiveCredential, Profile, Validity, kubeconfig};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::{Server, start_with};

struct Kubectl {
    config: PathBuf,
    server: Server,
    _dir: tempfile::TempDir,
}

/// A server on a port, and kubectl that speaks to it as an administrator. `None` without kubectl.
async fn kubectl() -> Option<Kubectl> {
    let found = Command::new("kubectl")
        .args(["version", "--client"])
        .output()
        .await;
    if !found.is_ok_and(|out| out.status.success()) {
        println!("skipped: kubectl is not on the PATH");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::ephemeral();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = start_with(|config| config.advertised = Some(address)).await;
    let now = cedge_tasks::clock::now();
    let names = vec!["127.0.0.1".to_owned()];
    let credential = authority.server_credential(names, now).unwrap();
    let tls = cedge_pki::tls::api_server(LiveCredential::new(&credential), &authority);
    let api = server.api.clone();
    cedge_tasks::spawn("test/serve", async move { api.serve(listener, tls).await });
    let admin = Profile::User {
        name: "admin".into(),
        group: Some("system:masters".into()),
    };
    let admin = authority
        .issue(&admin, &Arc::new(Key::generate()), Validity::from_now(now))
        .unwrap();
    let user = kubeconfig::User::by_certificate(&admin);
    let url = format!("https://{address}");
    let config = dir.path().join("kubeconfig");
    Kubeconfig::single("test", &url, &authority.certificate_pem(), user)
        .write(&config)
        .unwrap();
    Some(Kubectl {
        config,
        server,
        _dir: dir,
    })
}

// === impl Kubectl ===

impl Kubectl {
    async fn run(&self, command: &str, input: &str) -> (bool, String) {
        run(
            &self.config,
            &command.split_whitespace().collect::<Vec<_>>(),
            input,
        )
        .await
    }

    /// Runs a command that must succeed.
    async fn ok(&self, command: &str, input: &str) -> String {
        let (success, text) = self.run(command, input).await;
        assert!(success, "kubectl {command}: {text}");
        text
    }
}

async fn run(config: &Path, arguments: &[&str], input: &str) -> (bool, String) {
    let home = config.parent().unwrap();
    let mut child = Command::new("kubectl")
        .args(arguments)
        .env("KUBECONFIG", config)
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .await
        .unwrap();
    let wait = std::time::Duration::from_secs(60);
    let out = tokio::time::timeout(wait, child.wait_with_output())
        .await
        .expect("kubectl ended")
        .unwrap();
    let text = [out.stdout, out.stderr].concat();
    (out.status.success(), String::from_utf8(text).unwrap())
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: process, command: ['sleep', '60']}]
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_works_with_built_in_kinds() {
    let Some(k) = kubectl().await else { return };
    assert_eq!(
        k.ok("apply -f -", DEPLOYMENT).await,
        "deployment.apps/web created\n"
    );
    assert_eq!(
        k.ok("apply -f -", DEPLOYMENT).await,
        "deployment.apps/web unchanged\n"
    );
    let changed = DEPLOYMENT.replace("replicas: 2", "replicas: 3");
    assert_eq!(
        k.ok("apply -f -", &changed).await,
        "deployment.apps/web configured\n"
    );
    let table = k.ok("get deployments", "").await;
    assert!(
        table.starts_with("NAME   READY   UP-TO-DATE   AVAILABLE   AGE\nweb    0/3"),
        "{table}"
    );
    assert_eq!(
        k.ok("get deploy web -o jsonpath={.spec.replicas}", "")
            .await,
        "3"
    );
    assert_eq!(
        k.ok("scale deploy web --replicas=5", "").await,
        "deployment.apps/web scaled\n"
    );
    assert_eq!(
        k.ok("label deploy web tier=line", "").await,
        "deployment.apps/web labeled\n"
    );
    assert_eq!(
        k.ok("get deploy -l tier=line -o name", "").await,
        "deployment.apps/web\n"
    );
    let described = k.ok("describe deployment web", "").await;
    assert!(
        described.contains("Replicas:               5 desired"),
        "{described}"
    );
    assert_eq!(
        k.ok("apply --server-side --force-conflicts -f -", &changed)
            .await,
        "deployment.apps/web serverside-applied\n"
    );
    assert!(
        k.ok("explain deployment.spec.replicas", "")
            .await
            .contains("replicas <integer>")
    );
    assert!(k.ok("api-resources", "").await.contains("deployments"));
    assert!(k.ok("api-versions", "").await.contains("apps/v1"));
    assert_eq!(k.ok("auth can-i create pods", "").await.trim(), "yes");
    assert_eq!(
        k.run("auth can-i create pods --as jane", "").await.1.trim(),
        "no"
    );
    assert!(k.ok("get all", "").await.contains("service/kubernetes"));
    // These send protobuf.
    assert_eq!(
        k.ok("create configmap made --from-literal=a=b", "").await,
        "configmap/made created\n"
    );
    assert_eq!(
        k.ok("get configmap made -o jsonpath={.data.a}", "").await,
        "b"
    );
    assert_eq!(
        k.ok("create deployment second --image=process --replicas=2", "")
            .await,
        "deployment.apps/second created\n"
    );
    assert_eq!(
        k.ok("create serviceaccount robot", "").await,
        "serviceaccount/robot created\n"
    );
    assert!(k.ok("create token robot", "").await.starts_with("ey"));
    assert!(k.ok("auth whoami", "").await.contains("system:masters"));
    let (failed, wrong) = k
        .run("apply -f -", &DEPLOYMENT.replace("replicas:", "replica:"))
        .await;
    assert!(!failed);
    assert!(wrong.contains("unknown field \"spec.replica\""), "{wrong}");
    let deleted = k.ok("delete deployment web", "").await;
    assert!(
        deleted.starts_with("deployment.apps \"web\" deleted"),
        "{deleted}"
    );
    let (found, missing) = k.run("get deployment web", "").await;
    assert!(!found);
    assert_eq!(
        missing,
        "Error from server (NotFound): deployments.apps \"web\" not found\n"
    );
    drop(k.server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_works_with_custom_kinds() {
    let Some(k) = kubectl().await else { return };
    let definition = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer, description: How large.}}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
";
    k.ok("apply -f -", definition).await;
    k.ok(
        "wait --for=condition=Established crd/widgets.example.com --timeout=20s",
        "",
    )
    .await;
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: 4}\n";
    assert_eq!(
        k.ok("apply -f -", widget).await,
        "widget.example.com/a created\n"
    );
    assert_eq!(k.ok("get wd", "").await, "NAME   SIZE\na      4\n");
    assert!(
        k.ok("explain widget.spec.size", "")
            .await
            .contains("How large.")
    );
    k.ok("delete crd widgets.example.com --timeout=20s", "")
        .await;
}
