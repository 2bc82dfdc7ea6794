//! Joining: a token becomes a certificate.

use std::collections::BTreeMap;
use std::time::Duration;

use cedge_api::ClusterId;
use cedge_pki::{PeerCertificate, Pin};
use cedge_wire::join as wire;
use cedge_wire::limits::FRAME_STRANGER_MAX;
use cedge_wire::{ALPN_JOIN, VERSION_MAX, VERSION_MIN, encode};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use crate::dial::{self, DialError};
use crate::session::Frames;
use crate::{Hub, PeerKind, Proxy, Refusal, RefusalReason};

/// Labels that a stranger may bring.
const LABELS_MAX: usize = 256;

/// What a token says to the one who joins.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// Where the hub listens, `host:port`, in order of preference.
    pub addresses: Vec<String>,
    /// SHA-256 of the public key (SPKI, DER) of the hub's CA.
    pub ca_sha256: [u8; 32],
    /// Which token it is.
    pub id: String,
    /// What proves it.
    pub secret: String,
}

/// What a stranger asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinRequest {
    /// Which token it has.
    pub token_id: String,
    /// What proves it.
    pub token_secret: String,
    /// Its certificate request, DER.
    pub csr: Vec<u8>,
    /// The name it wants.
    pub name: String,
    /// What it is.
    pub kind: PeerKind,
    /// Labels and facts that it brings.
    pub labels: BTreeMap<String, String>,
    /// Its clock, in seconds since 1970: to tell it when it is wrong (I9).
    pub clock: i64,
}

/// What the hub gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The new certificate, and what lies between it and the CA; DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The hub's CA, DER: to be pinned.
    pub ca: Vec<u8>,
    /// The parent's identity.
    pub parent: ClusterId,
    /// The parent's name.
    pub parent_name: String,
    /// The name that was given.
    pub name: String,
    /// The hub's clock, in seconds since 1970.
    pub clock: i64,
}

/// Why joining failed.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Nobody answered at any address.
    #[error("no address of the token answered: {0}")]
    Unreachable(String),
    /// Who answered is not the cluster that made the token.
    #[error("{address} is another cluster than the one that made the token: its CA is another one")]
    WrongAuthority {
        /// Where.
        address: String,
    },
    /// The hub said no.
    #[error("the parent refused: {0}")]
    Refused(Refusal),
    /// The hub's answer makes no sense.
    #[error("the answer of the parent makes no sense: {0}")]
    Answer(String),
}

/// How long the parent may take to decide.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Joins: dials the token's addresses in order, checks the CA's hash, sends the request, returns the certificate.
///
/// # Errors
/// [`JoinError`]; only [`JoinError::Unreachable`] and some refusals are worth another try.
pub async fn join(
    token: &JoinToken,
    request: JoinRequest,
    proxy: Option<&Proxy>,
) -> Result<Joined, JoinError> {
    let pin = Pin(token.ca_sha256);
    let mut failures = Vec::new();
    for address in &token.addresses {
        let tls = cedge_pki::tls::join_client(pin, ALPN_JOIN);
        match dial::dial(address, proxy, tls).await {
            Ok(connection) => {
                let ask = ask(connection, pin, &request);
                let late = || Err(JoinError::Answer("it did not come in time".to_owned()));
                return tokio::time::timeout(ANSWER_WITHIN, ask)
                    .await
                    .unwrap_or_else(|_| late());
            }
            Err(DialError::WrongAuthority) => {
                return Err(JoinError::WrongAuthority {
                    address: address.clone(),
                });
            }
            Err(error) => failures.push(format!("{address}: {error}")),
        }
    }
    Err(JoinError::Unreachable(failures.join("; ")))
}

async fn ask<T: AsyncRead + AsyncWrite + Unpin>(
    mut connection: T,
    pin: Pin,
    request: &JoinRequest,
) -> Result<Joined, JoinError> {
    let asked = wire::Request {
        version_min: VERSION_MIN,
        version_max: VERSION_MAX,
        token_id: request.token_id.clone(),
        token_secret: request.token_secret.clone(),
        csr: request.csr.clone(),
        name: request.name.clone(),
        kind: request.kind.as_str().to_owned(),
        labels: request.labels.clone(),
        clock: request.clock,
        ca_sha256: pin.0.to_vec(),
    };
    let lost = |error: std::io::Error| JoinError::Answer(error.to_string());
    connection.write_all(&encode(&asked)).await.map_err(lost)?;
    connection.flush().await.map_err(lost)?;
    let mut frames = Frames::new(connection, FRAME_STRANGER_MAX);
    let answer: wire::Answer = frames
        .next()
        .await
        .map_err(|error| JoinError::Answer(error.to_string()))?;
    if let Some(refused) = &answer.refused {
        return Err(JoinError::Refused(Refusal::from_wire(refused)));
    }
    check(answer, pin)
}

/// The answer must be what was asked for: a chain, and the CA that the token names.
fn check(answer: wire::Answer, pin: Pin) -> Result<Joined, JoinError> {
    let wrong = |what: &str| JoinError::Answer(what.to_owned());
    let key_of = |der: &[u8]| {
        let certificate = PeerCertificate::parse(&CertificateDer::from(der));
        certificate
            .map(|c| c.key)
            .map_err(|error| JoinError::Answer(error.to_string()))
    };
    if key_of(&answer.ca)? != pin {
        return Err(wrong("its CA is not the one of the token"));
    }
    key_of(
        answer
            .chain
            .first()
            .ok_or_else(|| wrong("there is no certificate in it"))?,
    )?;
    Ok(Joined {
        chain: answer.chain,
        ca: answer.ca,
        parent: pin.id(),
        parent_name: answer.parent_name,
        name: answer.name,
        clock: answer.clock,
    })
}

/// The hub's side: one request, one answer.
pub(crate) async fn serve<T: AsyncRead + AsyncWrite + Unpin>(connection: T, hub: &dyn Hub) {
    let (read, mut write) = tokio::io::split(connection);
    let mut frames = Frames::new(read, FRAME_STRANGER_MAX);
    let request = match tokio::time::timeout(ANSWER_WITHIN, frames.next::<wire::Request>()).await {
        Ok(Ok(request)) => request,
        Ok(Err(error)) => {
            tracing::info!(%error, "somebody who wanted to join made no sense");
            return;
        }
        Err(_) => return,
    };
    let answer = match request_of(request) {
        Ok(request) => hub.register(request).await,
        Err(refusal) => Err(refusal),
    };
    let answer = match answer {
        Ok(joined) => wire::Answer {
            chain: joined.chain,
            ca: joined.ca,
            parent_id: joined.parent.to_string(),
            parent_name: joined.parent_name,
            name: joined.name,
            clock: joined.clock,
            refused: None,
        },
        Err(refusal) => {
            tracing::info!(reason = refusal.reason.as_str(), %refusal, "joining was refused");
            wire::Answer {
                refused: Some(refusal.to_wire()),
                ..wire::Answer::default()
            }
        }
    };
    let say = async {
        write.write_all(&encode(&answer)).await?;
        write.shutdown().await
    };
    let _ = tokio::time::timeout(ANSWER_WITHIN, say).await;
}

fn request_of(request: wire::Request) -> Result<JoinRequest, Refusal> {
    let bad = |message: &str| Err(Refusal::new(RefusalReason::BadRequest, message));
    if request.version_min > VERSION_MAX || request.version_max < VERSION_MIN {
        let message = format!("this hub speaks versions {VERSION_MIN} to {VERSION_MAX}");
        return Err(Refusal::new(RefusalReason::Version, message));
    }
    let kind = match &*request.kind {
        "cluster" => PeerKind::Cluster,
        "node" => PeerKind::Node,
        _ => return bad("it is neither a cluster nor a node"),
    };
    if request.labels.len() > LABELS_MAX {
        return bad("it brings too many labels");
    }
    Ok(JoinRequest {
        token_id: request.token_id,
        token_secret: request.token_secret,
        csr: request.csr,
        name: request.name,
        kind,
        labels: request.labels,
        clock: request.clock,
    })
}

// Without secrets: errors and logs may show these.

impl std::fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("JoinToken");
        shown
            .field("addresses", &self.addresses)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("JoinRequest");
        shown
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
