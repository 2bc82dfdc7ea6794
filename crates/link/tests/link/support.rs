//! A hub and children, as the `tree` crate makes them, on loopback.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cedge_api::ClusterId;
use cedge_link::{
    Acceptor, AcceptorOptions, Admission, Credentials, Dialer, DialerHandle, DialerOptions,
    Endpoint, Hub, JoinRequest, JoinToken, Joined, LinkState, PeerId, PeerKind, Refusal,
    RefusalReason, Renewed, Session, StoreOptions, TableSpec, TableStore, tables,
};
use cedge_pki::{Authority, Key, LiveCredential, Profile, Validity};
use cedge_tasks::{Shutdown, Trigger, clock};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::LazyConfigAcceptor;

pub const SILENCE: Duration = Duration::from_secs(45);
pub const SOON: Duration = Duration::from_secs(20);

/// A folder that is removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "cedge-link-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn store(&self, name: &str) -> TableStore {
        TableStore::open(&self.0.join(name), &StoreOptions::default()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The tables of the tests.
pub const DOWN: TableSpec = tables::MISSIONS;
pub const UP: TableSpec = tables::REPORTS;

pub struct TestHub {
    pub authority: Arc<Authority>,
    pub store: TableStore,
    pub denied: Mutex<Vec<(ClusterId, RefusalReason)>>,
    pub sessions: mpsc::Sender<Session>,
    pub lifetime: Mutex<SignedDuration>,
    pub renewals: AtomicU64,
    pub only_up: Mutex<bool>,
}

impl TestHub {
    fn sign(&self, csr: &[u8], kind: PeerKind, name: &str) -> Result<Vec<Vec<u8>>, Refusal> {
        let name = name.to_owned();
        let profile = match kind {
            PeerKind::Cluster => Profile::Cluster { name },
            PeerKind::Node => Profile::Node { name },
        };
        let lifetime = *self.lifetime.lock().unwrap();
        let validity = Validity::lasting(clock::now(), lifetime);
        let chain = self.authority.sign(csr, &profile, validity);
        let bad = |e: cedge_pki::authority::SignError| {
            Refusal::new(RefusalReason::BadRequest, e.to_string())
        };
        Ok(chain
            .map_err(bad)?
            .into_iter()
            .map(|der| der.to_vec())
            .collect())
    }
}

impl Hub for TestHub {
    fn register(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, Refusal>> {
        async move {
            match &*request.token_secret {
                "good" => {}
                "old" => return Err(Refusal::new(RefusalReason::TokenExpired, "it expired")),
                "used" => return Err(Refusal::new(RefusalReason::TokenUsedUp, "it was used")),
                _ => return Err(Refusal::new(RefusalReason::TokenUnknown, "never seen")),
            }
            Ok(Joined {
                chain: self.sign(&request.csr, request.kind, &request.name)?,
                ca: self.authority.certificate().to_vec(),
                parent: self.authority.id(),
                parent_name: "root".to_owned(),
                name: request.name,
                clock: clock::now().as_second(),
            })
        }
        .boxed()
    }

    fn admit<'a>(&'a self, peer: &'a PeerId) -> BoxFuture<'a, Result<Admission, Refusal>> {
        async move {
            let mut tables: Vec<Endpoint> = vec![self.store.reader(&peer.id, UP).unwrap().into()];
            if !*self.only_up.lock().unwrap() {
                tables.push(self.store.writer(&peer.id, DOWN).unwrap().into());
            }
            Ok(Admission { tables })
        }
        .boxed()
    }

    fn renew<'a>(
        &'a self,
        peer: &'a PeerId,
        csr: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, Refusal>> {
        self.renewals.fetch_add(1, Ordering::Relaxed);
        async move { self.sign(csr, peer.kind, &peer.name) }.boxed()
    }

    fn connected(&self, session: Session) {
        let _ = self.sessions.try_send(session);
    }

    fn denied(&self, peer: &PeerId) -> Option<Refusal> {
        let denied = self.denied.lock().unwrap();
        let found = denied.iter().find(|(id, _)| *id == peer.id)?;
        Some(Refusal::new(found.1, "you are not wanted here"))
    }
}

/// A hub that listens.
pub struct Parent {
    pub hub: Arc<TestHub>,
    pub acceptor: Acceptor,
    pub address: String,
    pub sessions: mpsc::Receiver<Session>,
    pub trigger: Trigger,
}

impl Parent {
    pub async fn start(store: TableStore) -> Self {
        Self::with(store, Arc::new(Authority::ephemeral()), SILENCE).await
    }

    pub async fn with(store: TableStore, authority: Arc<Authority>, silence: Duration) -> Self {
        let (sender, sessions) = mpsc::channel(16);
        let hub = Arc::new(TestHub {
            authority,
            store,
            denied: Mutex::default(),
            sessions: sender,
            lifetime: Mutex::new(SignedDuration::from_hours(24 * 365)),
            renewals: AtomicU64::new(0),
            only_up: Mutex::new(false),
        });
        let (trigger, shutdown) = cedge_tasks::shutdown();
        let options = AcceptorOptions {
            silence,
            node_silence: silence,
            name: "root".to_owned(),
        };
        let acceptor = Acceptor::new(Arc::clone(&hub) as _, options, shutdown.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        cedge_tasks::spawn(
            "test/hub",
            listen(listener, Arc::clone(&hub), acceptor.clone(), shutdown),
        );
        Self {
            hub,
            acceptor,
            address,
            sessions,
            trigger,
        }
    }

    pub fn token(&self, secret: &str) -> JoinToken {
        JoinToken {
            addresses: vec![self.address.clone()],
            ca_sha256: self.hub.authority.pin().0,
            id: "one".to_owned(),
            secret: secret.to_owned(),
        }
    }
}

async fn listen(listener: TcpListener, hub: Arc<TestHub>, acceptor: Acceptor, shutdown: Shutdown) {
    let names = vec!["127.0.0.1".to_owned()];
    let credential = hub
        .authority
        .server_credential(names, clock::now())
        .unwrap();
    let live = LiveCredential::new(&credential);
    let link = cedge_pki::tls::link_server(Arc::clone(&live), &hub.authority, b"edge-link/1");
    let join = cedge_pki::tls::join_server(live, b"edge-join/1");
    while let Some(Ok((socket, _))) = shutdown.or(listener.accept()).await {
        let (link, join, acceptor) = (Arc::clone(&link), Arc::clone(&join), acceptor.clone());
        cedge_tasks::spawn("test/connection", async move {
            let begun = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket).await;
            let Ok(begun) = begun else { return };
            let joins = begun
                .client_hello()
                .alpn()
                .is_some_and(|mut asked| asked.any(|name| name == b"edge-join/1"));
            let tls = if joins { join } else { link };
            if let Ok(stream) = begun.into_stream(tls).await {
                acceptor.serve(stream).await;
            }
        });
    }
}

/// A child that has joined.
pub struct Child {
    pub key: Key,
    pub joined: Joined,
    pub name: String,
}

impl Child {
    pub async fn join(parent: &Parent, name: &str) -> Self {
        let key = Key::generate();
        let request = request(&key, name, "good");
        let joined = cedge_link::join(&parent.token("good"), request, None)
            .await
            .unwrap();
        Self {
            key,
            joined,
            name: name.to_owned(),
        }
    }

    pub fn credentials(&self) -> Credentials {
        Credentials {
            chain: self.joined.chain.clone(),
            key: der_of(&self.key),
            ca: self.joined.ca.clone(),
        }
    }

    pub fn options(&self, address: &str) -> DialerOptions {
        DialerOptions {
            addresses: vec![address.to_owned()],
            proxy: None,
            silence: SILENCE,
            retry_delay_min: Duration::from_millis(50),
            retry_delay_max: Duration::from_millis(400),
            name: self.name.clone(),
        }
    }

    /// Dials, with the usual tables.
    pub fn dial(&self, store: &TableStore, address: &str) -> Uplink {
        let tables = vec![
            store.reader(&self.joined.parent, DOWN).unwrap().into(),
            store.writer(&self.joined.parent, UP).unwrap().into(),
        ];
        self.dial_with(self.options(address), tables)
    }

    pub fn dial_with(&self, options: DialerOptions, tables: Vec<Endpoint>) -> Uplink {
        let (renewed, renewals) = mpsc::channel(4);
        let (dialer, handle) = Dialer::new(self.credentials(), options, tables, renewed);
        let (trigger, shutdown) = cedge_tasks::shutdown();
        cedge_tasks::spawn("test/dialer", dialer.run(shutdown));
        Uplink {
            handle,
            renewals,
            trigger,
        }
    }
}

pub struct Uplink {
    pub handle: DialerHandle,
    pub renewals: mpsc::Receiver<Renewed>,
    pub trigger: Trigger,
}

impl Uplink {
    pub async fn reaches(&self, want: impl Fn(&LinkState) -> bool) -> LinkState {
        let mut state = self.handle.state();
        let reached = tokio::time::timeout(SOON, state.wait_for(|state| want(state))).await;
        match reached {
            Ok(state) => state.unwrap().clone(),
            Err(_) => panic!("the link stays {:?}", self.handle.state().borrow()),
        }
    }

    pub async fn connects(&self) {
        self.reaches(|state| matches!(state, LinkState::Connected { .. }))
            .await;
    }
}

pub fn request(key: &Key, name: &str, secret: &str) -> JoinRequest {
    JoinRequest {
        token_id: "one".to_owned(),
        token_secret: secret.to_owned(),
        csr: key.request(),
        name: name.to_owned(),
        kind: PeerKind::Cluster,
        labels: std::collections::BTreeMap::new(),
        clock: clock::now().as_second(),
    }
}

fn der_of(key: &Key) -> Vec<u8> {
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::pki_types::pem::PemObject as _;
    PrivatePkcs8KeyDer::from_pem_slice(key.to_pem().as_bytes())
        .unwrap()
        .secret_pkcs8_der()
        .to_vec()
}

/// Waits for a state, looking often.
pub async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(
        tokio::time::timeout(SOON, wait).await.is_ok(),
        "not in time: {what}"
    );
}
