//! A child that does not keep to the protocol: it has joined as any other, and says what it likes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cedge_link::{JoinRequest, PeerKind};
use cedge_pki::{Authority, Credential, JoinToken, Key, LiveCredential, Pin};
use cedge_wire::link::{Body, Frame, Hello, Table, TableFrame};
use cedge_wire::table::{self, Put};
use cedge_wire::{ALPN_LINK, VERSION_MAX, VERSION_MIN, decode, encode};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::client::TlsStream;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};

/// How long an answer may take on a machine that is busy.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Who it is.
#[derive(Debug, Clone)]
pub struct Child {
    credential: Credential,
    parent: Pin,
    ca: Vec<u8>,
    /// The identity of its parent.
    pub parent_id: String,
}

/// One link, in its hand.
pub struct Link {
    stream: Compat<yamux::Stream>,
    buffer: BytesMut,
    opens: mpsc::Sender<oneshot::Sender<yamux::Stream>>,
}

/// Joins with a token, under a name.
///
/// # Errors
/// Why it was refused.
pub async fn join(token: &str, name: &str) -> Result<Child, String> {
    let token: JoinToken = token.trim().parse().map_err(|e| format!("{e}"))?;
    let key = Key::generate();
    let request = JoinRequest {
        token_id: token.id.clone(),
        token_secret: token.secret.clone(),
        csr: key.request(),
        name: name.to_owned(),
        kind: PeerKind::Cluster,
        labels: [("evil".to_owned(), "yes".to_owned())].into(),
        clock: 0,
    };
    let carried = cedge_link::JoinToken {
        addresses: token.addresses,
        ca_sha256: token.ca_sha256.0,
        id: token.id,
        secret: token.secret,
    };
    let joined = cedge_link::join(&carried, request, None)
        .await
        .map_err(|e| e.to_string())?;
    let chain = joined.chain.into_iter().map(CertificateDer::from).collect();
    Ok(Child {
        credential: Credential::new(Arc::new(key), chain),
        parent: token.ca_sha256,
        ca: joined.ca,
        parent_id: joined.parent.to_string(),
    })
}

impl Child {
    /// One with a certificate of a tree of its own, made like those of `other`'s tree, under the same name.
    ///
    /// # Panics
    /// If the certificate cannot be made.
    #[must_use]
    pub fn of_another_tree(other: &Self, name: &str) -> Self {
        let authority = Authority::ephemeral();
        let profile = cedge_pki::Profile::Cluster {
            name: name.to_owned(),
        };
        let validity = cedge_pki::Validity::from_now(cedge_tasks::clock::now());
        let issued = authority.issue(&profile, &Arc::new(Key::generate()), validity);
        Self {
            credential: issued.expect("a certificate"),
            ..other.clone()
        }
    }

    /// A request for a certificate, for a key that is not its own.
    #[must_use]
    pub fn request_for_another_key() -> Vec<u8> {
        Key::generate().request()
    }

    async fn connect(&self, address: &str) -> io::Result<TlsStream<TcpStream>> {
        let live = LiveCredential::new(&self.credential);
        let tls = cedge_pki::tls::link_client(self.parent, live, ALPN_LINK);
        let socket = TcpStream::connect(address).await?;
        let name = ServerName::try_from("parent.invalid").expect("a DNS name");
        tokio_rustls::TlsConnector::from(tls)
            .connect(name, socket)
            .await
    }

    /// What a port answers to an HTTP request in which its link's certificate speaks for it.
    ///
    /// # Errors
    /// If the connection is refused.
    pub async fn http(&self, address: &str, path: &str) -> io::Result<String> {
        let roots = [CertificateDer::from(self.ca.clone())];
        let live = LiveCredential::new(&self.credential);
        let tls = cedge_pki::tls::api_client(&roots, Some(live)).expect("a CA");
        let mut tls = Arc::unwrap_or_clone(tls);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let socket = TcpStream::connect(address).await?;
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
        let mut stream = connector.connect(name, socket).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let read = tokio::time::timeout(ANSWER_WITHIN, read).await;
        match read {
            // The server judges a certificate after the client's part of the handshake.
            Ok(Err(refused)) if answer.is_empty() => Err(refused),
            _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
        }
    }

    /// Dials, and says hello with these tables; true for those that it claims to write.
    ///
    /// # Errors
    /// If there is no link.
    pub async fn dial(
        &self,
        address: &str,
        name: &str,
        tables: &[(&str, bool)],
    ) -> io::Result<Link> {
        let connection = self.connect(address).await?;
        let connection = yamux::Connection::new(
            connection.compat(),
            yamux::Config::default(),
            yamux::Mode::Client,
        );
        let (opens, requests) = mpsc::channel(8);
        cedge_tasks::spawn("hostile/mux", drive(connection, requests));
        let mut link = Link {
            stream: open(&opens, 1).await?,
            buffer: BytesMut::new(),
            opens,
        };
        let table = |(name, writes): &(&str, bool)| Table {
            name: (*name).to_owned(),
            writes: *writes,
        };
        link.say(Body::Hello(Hello {
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            name: name.to_owned(),
            silence_millis: 45_000,
            clock: 0,
            tables: tables.iter().map(table).collect(),
            renewal_only: false,
            program: "hostile".to_owned(),
        }))
        .await?;
        Ok(link)
    }
}

impl Link {
    /// Says something.
    ///
    /// # Errors
    /// If the parent has closed the link.
    pub async fn say(&mut self, body: Body) -> io::Result<()> {
        let frame = encode(&Frame { body: Some(body) });
        self.stream.write_all(&frame).await?;
        self.stream.flush().await
    }

    /// Says something about a table.
    ///
    /// # Errors
    /// If the parent has closed the link.
    pub async fn say_of(&mut self, table: &str, body: table::Body) -> io::Result<()> {
        self.say(Body::Table(TableFrame {
            table: table.to_owned(),
            message: Some(table::Message { body: Some(body) }),
        }))
        .await
    }

    /// Puts a value, as the writer of a table does.
    ///
    /// # Errors
    /// If the parent has closed the link.
    pub async fn put(
        &mut self,
        table: &str,
        key: &str,
        version: u64,
        value: &[u8],
    ) -> io::Result<()> {
        let put = Put {
            key: key.to_owned(),
            version,
            hash: Bytes::copy_from_slice(blake3::hash(value).as_bytes()),
            length: u32::try_from(value.len()).unwrap_or(u32::MAX),
            value: Some(Bytes::copy_from_slice(value)),
            doubtful: false,
        };
        self.say_of(table, table::Body::Put(put)).await
    }

    /// What the parent says next; none when it has closed the link, or is silent for `within`.
    pub async fn hear(&mut self, within: Duration) -> Option<Body> {
        let next = async {
            loop {
                if let Ok(Some(frame)) = decode::<Frame>(&mut self.buffer, 64 << 20) {
                    return frame.body;
                }
                match self.stream.read_buf(&mut self.buffer).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        };
        tokio::time::timeout(within, next).await.ok().flatten()
    }

    /// The words with which the parent ends the link.
    pub async fn farewell(&mut self) -> String {
        let mut said = String::new();
        while let Some(body) = self.hear(ANSWER_WITHIN).await {
            if let Body::Goodbye(goodbye) = body {
                said = format!("{}: {}", goodbye.reason, goodbye.message);
            }
        }
        said
    }

    /// Opens a stream of a kind to the parent, asks for something, and answers what came.
    ///
    /// # Errors
    /// If no stream can be opened.
    pub async fn ask(&mut self, kind: u8, request: &str) -> io::Result<String> {
        let mut stream = open(&self.opens, kind).await?;
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.flush().await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(5), read).await;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

async fn open(
    opens: &mpsc::Sender<oneshot::Sender<yamux::Stream>>,
    kind: u8,
) -> io::Result<Compat<yamux::Stream>> {
    let closed = || io::Error::other("the parent closed the connection");
    let (answer, opened) = oneshot::channel();
    opens.send(answer).await.map_err(|_| closed())?;
    let mut stream = opened.await.map_err(|_| closed())?.compat();
    stream.write_all(&[kind]).await?;
    Ok(stream)
}

/// Carries the streams of a connection until it ends.
async fn drive(
    mut connection: yamux::Connection<Compat<TlsStream<TcpStream>>>,
    mut requests: mpsc::Receiver<oneshot::Sender<yamux::Stream>>,
) {
    use std::task::Poll;
    let mut opening = None;
    std::future::poll_fn(|cx| {
        if opening.is_none()
            && let Poll::Ready(Some(answer)) = requests.poll_recv(cx)
        {
            opening = Some(answer);
        }
        if opening.is_some()
            && let Poll::Ready(Ok(stream)) = connection.poll_new_outbound(cx)
            && let Some(answer) = opening.take()
        {
            let _: Result<(), yamux::Stream> = oneshot::Sender::send(answer, stream);
            cx.waker().wake_by_ref();
        }
        match connection.poll_next_inbound(cx) {
            // What the parent opens is closed again.
            Poll::Ready(Some(Ok(_))) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
}
