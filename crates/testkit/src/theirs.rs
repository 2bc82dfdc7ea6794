//! etcd and a real kube-apiserver.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Child;

use serde_json::json;

use crate::{Skipped, programs};

/// Starts both below `dir`; `dir/kubeconfig` speaks to the server as an administrator.
pub(crate) fn start(dir: &Path) -> Result<Vec<Child>, Skipped> {
    let apiserver = programs::find("kube-apiserver")?;
    let etcd = programs::find("etcd").unwrap_or_else(|_| "etcd".into());
    let [client, peer, api] = ports();
    let client = format!("http://127.0.0.1:{client}");
    let started = vec![
        start_etcd(&etcd, dir, &client, peer)?,
        start_apiserver(&apiserver, dir, &client, api)?,
    ];
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "admin" } }],
        "clusters": [{ "name": "it", "cluster": {
            "server": format!("https://127.0.0.1:{api}"), "insecure-skip-tls-verify": true,
        } }],
        "users": [{ "name": "admin", "user": { "token": "token" } }],
    });
    write(dir, "kubeconfig", &kubeconfig.to_string())?;
    Ok(started)
}

fn start_etcd(program: &Path, dir: &Path, client: &str, peer: u16) -> Result<Child, Skipped> {
    let peer = format!("http://127.0.0.1:{peer}");
    let arguments = [
        format!("--data-dir={}", dir.join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ];
    programs::start(program, arguments, &dir.join("etcd.log"), Some(dir))
}

fn start_apiserver(program: &Path, dir: &Path, etcd: &str, port: u16) -> Result<Child, Skipped> {
    let file = |name: &str| dir.join(name).display().to_string();
    let key = rcgen::KeyPair::generate().map_err(|e| e.to_string())?;
    write(dir, "sa.key", &key.serialize_pem())?;
    write(dir, "sa.pub", &key.public_key_pem())?;
    write(dir, "tokens.csv", "token,admin,admin,\"system:masters\"\n")?;
    let arguments = [
        format!("--etcd-servers={etcd}"),
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
    ];
    programs::start(program, arguments, &dir.join("apiserver.log"), None)
}

fn write(dir: &Path, name: &str, text: &str) -> Result<(), Skipped> {
    fs::write(dir.join(name), text).map_err(|e| e.to_string())
}

fn ports() -> [u16; 3] {
    let listeners = [0; 3].map(|_: u8| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|l| l.local_addr().unwrap().port())
}
