//! Asking a container how it is: one probe, once.

use std::time::Duration;

use cedge_pod_lifecycle::{ContainerId, Verdict};
use cedge_runtime::{ExecConfig, Runtime};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Longer answers are not shown.
const SHOWN: usize = 1024;

/// Asks; a failure comes with its words.
pub(crate) async fn ask(
    probe: &Probe,
    container: &Container,
    id: &ContainerId,
    runtime: &dyn Runtime,
    address: &str,
) -> (Verdict, String) {
    let secs = probe
        .timeout_seconds
        .and_then(|s| u64::try_from(s).ok())
        .unwrap_or(1);
    let limit = Duration::from_secs(secs.max(1));
    let asked = tokio::time::timeout(limit, once(probe, container, id, runtime, address)).await;
    match asked {
        Ok(Ok(())) => (Verdict::Success, String::new()),
        Ok(Err(words)) => (Verdict::Failure, words),
        Err(_) => (Verdict::Failure, format!("no answer within {secs}s")),
    }
}

async fn once(
    probe: &Probe,
    container: &Container,
    id: &ContainerId,
    runtime: &dyn Runtime,
    address: &str,
) -> Result<(), String> {
    if let Some(exec) = &probe.exec {
        let argv = exec.command.clone().unwrap_or_default();
        return command(runtime, id, argv).await;
    }
    if let Some(get) = &probe.http_get {
        return http(get, container, address).await;
    }
    if let Some(tcp) = &probe.tcp_socket {
        let port = port(&tcp.port, container)?;
        let host = tcp
            .host
            .as_deref()
            .filter(|h| !h.is_empty())
            .unwrap_or(address);
        let opened = TcpStream::connect((host, port)).await;
        return opened
            .map(drop)
            .map_err(|e| format!("dial tcp {host}:{port}: {e}"));
    }
    Err("this kind of probe is not supported: use exec, httpGet or tcpSocket".into())
}

/// Runs a command in the container; it has to end with 0. Dropped, the command is killed.
pub(crate) async fn command(
    runtime: &dyn Runtime,
    id: &ContainerId,
    argv: Vec<String>,
) -> Result<(), String> {
    let config = ExecConfig {
        argv,
        stdin: false,
        tty: false,
    };
    let mut exec = runtime.exec(id, config).await.map_err(|e| e.explain())?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let stdout = exec.stdout.take();
    let stderr = exec.stderr.take();
    let read = async {
        tokio::join!(collect(stdout, &mut out), collect(stderr, &mut err));
    };
    let ((), code) = tokio::join!(read, exec.process.wait());
    match code {
        Ok(0) => Ok(()),
        Ok(code) => {
            let said = String::from_utf8_lossy(&[out, err].concat())
                .trim()
                .to_owned();
            Err(if said.is_empty() {
                format!("command ended with exit code {code}")
            } else {
                said
            })
        }
        Err(error) => Err(error.to_string()),
    }
}

async fn collect(from: Option<Box<dyn tokio::io::AsyncRead + Send + Unpin>>, into: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; 4096];
    // To the end, so that the command is not held up by a full pipe; but not all of it is kept.
    while let Ok(n) = from.read(&mut buffer).await {
        if n == 0 {
            return;
        }
        let room = SHOWN.saturating_sub(into.len()).min(n);
        into.extend_from_slice(&buffer[..room]);
    }
}

/// One GET; anything from 200 to 399 will do.
pub(crate) async fn http(
    get: &HTTPGetAction,
    container: &Container,
    address: &str,
) -> Result<(), String> {
    if get
        .scheme
        .as_deref()
        .is_some_and(|s| s.eq_ignore_ascii_case("https"))
    {
        return Err("scheme HTTPS is not supported in probes and hooks: use exec".into());
    }
    let port = port(&get.port, container)?;
    let host = get
        .host
        .as_deref()
        .filter(|h| !h.is_empty())
        .unwrap_or(address);
    let path = get.path.as_deref().unwrap_or("/");
    let slash = if path.starts_with('/') { "" } else { "/" };
    let shown = format!("Get \"http://{host}:{port}{slash}{path}\"");
    let failed = |e: &dyn std::fmt::Display| format!("{shown}: {e}");

    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|e| failed(&e))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|e| failed(&e))?;
    let request = request(get, &format!("{slash}{path}"), &format!("{host}:{port}"));
    let answer = async {
        let response = sender.send_request(request.map_err(|e| failed(&e))?).await;
        let response = response.map_err(|e| failed(&e))?;
        let status = response.status();
        if status.is_success() || status.is_redirection() {
            return Ok(());
        }
        // Read, so that the server sees a client that listens; the words are the status's.
        let _ = http_body_util::Limited::new(response.into_body(), 10 << 10)
            .collect()
            .await;
        Err(format!(
            "HTTP probe failed with statuscode: {}",
            status.as_u16()
        ))
    };
    tokio::select! {
        answer = answer => answer,
        // The answer comes only while the connection is driven; its own end says nothing more.
        answer = async { let _ = connection.await; std::future::pending().await } => answer,
    }
}

fn request(
    get: &HTTPGetAction,
    path: &str,
    authority: &str,
) -> Result<http::Request<Empty<bytes::Bytes>>, http::Error> {
    let mut request = http::Request::get(path)
        .header("accept", "*/*")
        .header("user-agent", "kube-probe/1.37");
    let mut host = None;
    for header in get.http_headers.iter().flatten() {
        if header.name.eq_ignore_ascii_case("host") {
            host = Some(header.value.as_str());
        } else {
            request = request.header(header.name.as_str(), header.value.as_str());
        }
    }
    request
        .header("host", host.unwrap_or(authority))
        .body(Empty::new())
}

fn port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            let named = ports
                .find(|p| p.name.as_deref() == Some(name))
                .map(|p| p.container_port);
            named.or_else(|| name.parse().ok())
        }
    };
    let number = number
        .and_then(|n| u16::try_from(n).ok())
        .filter(|n| *n > 0);
    number.ok_or_else(|| format!("invalid port {port:?}"))
}
