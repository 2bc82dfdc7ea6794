//! etcd and kube-apiserver on loopback, gone with this process.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

/// Runs a program until our end of its standard input closes: also when this process is killed. A signal to the whole
/// process group must not end the leash before the program.
const LEASH: &str = r#"trap : TERM INT HUP
log=$1; dir=$2; shift 2
"$@" >"$log" 2>&1 & pid=$!
cat >/dev/null
kill "$pid" 2>/dev/null; sleep 1; kill -9 "$pid" 2>/dev/null
[ -z "$dir" ] || rm -rf "$dir""#;

pub(crate) struct Server {
    pub(crate) config: Config,
    /// Whether Kubernetes' own controllers run on it, as `CEDGE_TEST_CONTROLLERS=theirs` asks: the tests then say of
    /// themselves whether they expect what Kubernetes does.
    pub(crate) theirs: bool,
    /// Their standard inputs hold the leashes.
    _leashes: Vec<Child>,
}

/// Why there is no server.
pub(crate) type Skipped = String;

pub(crate) async fn start() -> Result<Server, Skipped> {
    if let Some(file) = env::var_os("CEDGE_TEST_KUBECONFIG") {
        return running(Path::new(&file)).await;
    }
    let programs = env::var_os("KUBEBUILDER_ASSETS")
        .map(PathBuf::from)
        .ok_or("KUBEBUILDER_ASSETS is not set")?;
    let apiserver = programs.join("kube-apiserver");
    if !apiserver.exists() {
        return Err(format!("{} does not exist", apiserver.display()));
    }
    let own_etcd = programs.join("etcd");
    let etcd = if own_etcd.exists() {
        own_etcd
    } else {
        "etcd".into()
    };

    let dir = env::temp_dir().join(format!("cedge-oracle-{}", std::process::id()));
    fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let [client, peer, api] = ports();
    let mut leashes = vec![
        run_etcd(&etcd, &dir, client, peer)?,
        run_apiserver(&apiserver, &dir, client, api)?,
    ];
    let config = config(api);
    await_ready(&config, &dir).await;
    let theirs = env::var("CEDGE_TEST_CONTROLLERS").is_ok_and(|w| w == "theirs");
    if theirs {
        leashes.push(run_controllers(&programs, &dir, api)?);
    }
    Ok(Server {
        config,
        theirs,
        _leashes: leashes,
    })
}

/// A server that is there: any flavor, as long as no other controllers run on it.
async fn running(kubeconfig: &Path) -> Result<Server, Skipped> {
    let file = Kubeconfig::read_from(kubeconfig).map_err(|e| e.to_string())?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options);
    Ok(Server {
        config: config.await.map_err(|e| e.to_string())?,
        theirs: false,
        _leashes: Vec::new(),
    })
}

fn run_etcd(program: &Path, dir: &Path, client: u16, peer: u16) -> Result<Child, Skipped> {
    let (client, peer) = (
        format!("http://127.0.0.1:{client}"),
        format!("http://127.0.0.1:{peer}"),
    );
    let mut command = leash(program, &dir.join("etcd.log"), Some(dir));
    command
        .arg(format!("--data-dir={}", dir.join("etcd").display()))
        .args([
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
        ]);
    command
        .spawn()
        .map_err(|e| format!("etcd does not start: {e}"))
}

fn run_apiserver(program: &Path, dir: &Path, etcd: u16, port: u16) -> Result<Child, Skipped> {
    let file = |name: &str| dir.join(name).display().to_string();
    let key = rcgen::KeyPair::generate().map_err(|e| e.to_string())?;
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).map_err(|e| e.to_string());
    write("sa.key", &key.serialize_pem())?;
    write("sa.pub", &key.public_key_pem())?;
    write("tokens.csv", "token,admin,admin,\"system:masters\"\n")?;
    let mut command = leash(program, &dir.join("apiserver.log"), None);
    command.args([
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--cert-dir={}", file("certs")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        "--watch-cache=true".to_owned(),
    ]);
    command
        .spawn()
        .map_err(|e| format!("kube-apiserver does not start: {e}"))
}

fn run_controllers(programs: &Path, dir: &Path, port: u16) -> Result<Child, Skipped> {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": format!("https://127.0.0.1:{port}"), "insecure-skip-tls-verify": true}}],
        "users": [{"name": "it", "user": {"token": "token"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    });
    let file = |name: &str| dir.join(name).display().to_string();
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).map_err(|e| e.to_string());
    write("controllers.yaml", &kubeconfig.to_string())?;
    let program = programs.join("kube-controller-manager");
    let mut command = leash(&program, &dir.join("controllers.log"), None);
    command.args([
        format!("--kubeconfig={}", file("controllers.yaml")),
        format!("--service-account-private-key-file={}", file("sa.key")),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--node-monitor-grace-period=6s".to_owned(),
        "--node-startup-grace-period=6s".to_owned(),
        "--node-monitor-period=2s".to_owned(),
    ]);
    command
        .spawn()
        .map_err(|e| format!("kube-controller-manager does not start: {e}"))
}

fn leash(program: &Path, log: &Path, remove: Option<&Path>) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", LEASH, "leash"])
        .arg(log)
        .arg(remove.map_or("".as_ref(), Path::as_os_str))
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn ports() -> [u16; 3] {
    let listeners = [0; 3].map(|_: u8| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|l| l.local_addr().unwrap().port())
}

fn config(port: u16) -> Config {
    let mut config = Config::new(format!("https://127.0.0.1:{port}").parse().unwrap());
    config.accept_invalid_certs = true;
    config.auth_info.token = Some("token".to_owned().into());
    config
}

async fn await_ready(config: &Config, dir: &Path) {
    for _ in 0..600 {
        let client = Client::try_from(config.clone()).unwrap();
        let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
        if client.request_text(request).await.is_ok_and(|t| t == "ok") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = fs::read_to_string(dir.join("apiserver.log")).unwrap_or_default();
    let tail: Vec<&str> = log.lines().rev().take(20).collect();
    panic!("kube-apiserver is not ready: {tail:#?}");
}
