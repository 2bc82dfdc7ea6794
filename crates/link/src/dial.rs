//! A TLS connection to an address, through a proxy if there is one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use cedge_pki::verify::Refusal as Untrusted;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Proxy;

/// How long a connection may take, each of its steps.
const STEP_WITHIN: Duration = Duration::from_secs(10);
/// A proxy's answer is at most this long.
const PROXY_ANSWER_MAX: usize = 8 * 1024;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("it does not answer in time")]
    Timeout,
    #[error("the proxy said `{0}`")]
    Proxy(String),
    #[error("another cluster answers there")]
    WrongAuthority,
    #[error("{0}")]
    Untrusted(Untrusted),
    #[error("TLS failed: {0}")]
    Tls(io::Error),
}

/// Connects and shakes hands.
pub(crate) async fn dial(
    address: &str,
    proxy: Option<&Proxy>,
    tls: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, DialError> {
    let connect = TcpStream::connect(proxy.map_or(address, |proxy| &proxy.address));
    let mut socket = within(connect, DialError::Connect).await?;
    let _ = socket.set_nodelay(true);
    if let Some(proxy) = proxy {
        let answer = within(ask_proxy(&mut socket, proxy, address), DialError::Connect).await?;
        if !is_success(&answer) {
            return Err(DialError::Proxy(answer));
        }
    }
    let connector = TlsConnector::from(tls);
    within(connector.connect(server_name(address), socket), said).await
}

async fn within<T>(
    step: impl Future<Output = io::Result<T>>,
    failed: fn(io::Error) -> DialError,
) -> Result<T, DialError> {
    match tokio::time::timeout(STEP_WITHIN, step).await {
        Ok(result) => result.map_err(failed),
        Err(_) => Err(DialError::Timeout),
    }
}

fn said(error: io::Error) -> DialError {
    match Untrusted::behind(&error) {
        Some(Untrusted::WrongAuthority { .. } | Untrusted::NotOurs(_)) => DialError::WrongAuthority,
        Some(other) => DialError::Untrusted(other),
        None => DialError::Tls(error),
    }
}

/// The name is not judged, the pinned key is; something has to stand there.
fn server_name(address: &str) -> ServerName<'static> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    ServerName::try_from(host)
        .unwrap_or_else(|_| ServerName::try_from("parent.invalid").expect("a DNS name"))
}

/// Asks a proxy for a way to `address`; gives the first line of what it says.
async fn ask_proxy(socket: &mut TcpStream, proxy: &Proxy, address: &str) -> io::Result<String> {
    let mut request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n");
    if let Some((user, password)) = &proxy.credentials {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        request.push_str(&format!("Proxy-Authorization: Basic {basic}\r\n"));
    }
    request.push_str("\r\n");
    socket.write_all(request.as_bytes()).await?;
    // Byte by byte: what follows the empty line belongs to TLS.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= PROXY_ANSWER_MAX {
            return Err(io::Error::other("the proxy's answer has no end"));
        }
        answer.push(socket.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&answer);
    Ok(text
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect())
}

fn is_success(line: &str) -> bool {
    line.starts_with("HTTP/1.")
        && line
            .split(' ')
            .nth(1)
            .is_some_and(|code| code.starts_with('2'))
}
