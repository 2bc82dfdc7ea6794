//! From a socket to a TLS stream, or to a clear refusal.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cedge_pki::PeerCertificate;
use cedge_pki::verify::Refusal;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::Proof;
use crate::socket::Socket;

/// The first byte of every TLS connection.
const HANDSHAKE_RECORD: u8 = 0x16;
/// What a browser or `curl http://` shows who took the port for a plain one.
const NOT_HTTP: &[u8] = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\n\r\nThis port speaks TLS only: use https://\n";

/// Why a connection never became one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("nothing came within the time for a handshake")]
    Silence,
    #[error("it spoke plain HTTP to a TLS port")]
    PlainHttp,
    #[error("it does not speak TLS")]
    NotTls,
    #[error(transparent)]
    Refused(Refusal),
    #[error("the TLS handshake failed")]
    Failed(#[source] io::Error),
}

/// The settings for those who ask for a protocol by name.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) alpn: Vec<u8>,
    pub(crate) tls: Arc<ServerConfig>,
}

/// Shakes hands, with the settings of the first of `choices` that the client asks for, else with `http`. Says which.
pub(crate) async fn shake(
    mut socket: Socket,
    choices: &[Choice],
    http: &Arc<ServerConfig>,
    limit: Duration,
) -> Result<(TlsStream<Socket>, Option<usize>), Error> {
    let work = async {
        greet(&mut socket).await?;
        let start = LazyConfigAcceptor::new(Acceptor::default(), socket)
            .await
            .map_err(failed)?;
        let chosen = start.client_hello().alpn().and_then(|mut asked| {
            asked.find_map(|name| choices.iter().position(|c| c.alpn == name))
        });
        let tls = chosen.map_or(http, |i| &choices[i].tls);
        let stream = start.into_stream(Arc::clone(tls)).await.map_err(failed)?;
        Ok((stream, chosen))
    };
    timeout(limit, work).await.unwrap_or(Err(Error::Silence))
}

/// Looks at the first byte, to answer those who do not speak TLS in words that they understand.
async fn greet(socket: &mut Socket) -> Result<(), Error> {
    let mut first = [0];
    match socket.tcp().peek(&mut first).await {
        Ok(0) => Err(Error::Failed(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) if first[0] == HANDSHAKE_RECORD => Ok(()),
        Ok(_) if first[0].is_ascii_uppercase() => {
            // Read what has come: closing a socket with unread bytes would reset it, and the answer with it.
            let _ = socket.tcp().try_read(&mut [0; 4096]);
            let _ = socket.write_all(NOT_HTTP).await;
            let _ = socket.shutdown().await;
            Err(Error::PlainHttp)
        }
        Ok(_) => Err(Error::NotTls),
        Err(e) => Err(Error::Failed(e)),
    }
}

fn failed(error: io::Error) -> Error {
    match Refusal::behind(&error) {
        Some(refusal) => Error::Refused(refusal),
        None => Error::Failed(error),
    }
}

/// What the other end proved. The verifier has read the certificate already, so it can be read.
pub(crate) fn proof(stream: &TlsStream<Socket>) -> Proof {
    let certificates = stream.get_ref().1.peer_certificates();
    certificates
        .and_then(|chain| chain.first())
        .and_then(|leaf| PeerCertificate::parse(leaf).ok())
        .map_or(Proof::Nothing, |leaf| Proof::Certificate(Arc::new(leaf)))
}
