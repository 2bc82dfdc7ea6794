//! How links begin, are noticed to end, and begin again.

use std::time::Duration;

use cedge_link::{Closed, LinkState, RefusalReason, StreamKind};
use cedge_tasks::clock;
use jiff::SignedDuration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::relay::{Mode, Relay};
use crate::support::{Child, Folder, Parent, SOON, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_carry_bytes_both_ways() {
    let folder = Folder::new();
    let mut parent = Parent::start(folder.store("hub")).await;
    let child = Child::join(&parent, "plant-7").await;
    let uplink = child.dial(&folder.store("site"), &parent.address);
    let session = tokio::time::timeout(SOON, parent.sessions.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(session.peer().name, "plant-7");
    let handle = uplink.handle.clone();
    cedge_tasks::spawn("test/echo", async move {
        while let Some((kind, mut stream)) = handle.accept().await {
            assert_eq!(kind, StreamKind::Request);
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.unwrap();
            stream.write_all(&heard).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    for size in [1usize, 700_000] {
        let stream = session.open(StreamKind::Request).await.unwrap();
        let (mut read, mut write) = tokio::io::split(stream);
        let said = vec![b'x'; size];
        let speak = async {
            write.write_all(&said).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let mut answer = Vec::new();
        let ((), heard) = tokio::join!(speak, read.read_to_end(&mut answer));
        assert_eq!(heard.unwrap(), size);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_link_is_noticed_at_once_and_comes_back_by_itself() {
    let folder = Folder::new();
    let mut parent = Parent::start(folder.store("hub")).await;
    let child = Child::join(&parent, "plant-7").await;
    let relay = Relay::to(parent.address.clone()).await;
    let uplink = child.dial(&folder.store("site"), &relay.address);
    uplink.connects().await;
    let session = parent.sessions.recv().await.unwrap();
    let cut = Instant::now();
    relay.set(Mode::Cut);
    let closed = tokio::time::timeout(SOON, session.closed()).await.unwrap();
    assert!(matches!(closed, Closed::Lost(_)), "{closed:?}");
    uplink
        .reaches(|state| !matches!(state, LinkState::Connected { .. }))
        .await;
    assert!(
        cut.elapsed() < Duration::from_secs(2),
        "{:?}",
        cut.elapsed()
    );
    relay.set(Mode::Pass);
    uplink.handle.poke();
    uplink.connects().await;
    assert_eq!(uplink.handle.connects(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_link_is_given_up_at_both_ends_and_a_quiet_one_is_not() {
    let folder = Folder::new();
    let silence = Duration::from_millis(900);
    let authority = std::sync::Arc::new(cedge_pki::Authority::ephemeral());
    let mut parent = Parent::with(folder.store("hub"), authority, silence).await;
    let child = Child::join(&parent, "plant-7").await;
    let relay = Relay::to(parent.address.clone()).await;
    let options = cedge_link::DialerOptions {
        silence,
        ..child.options(&relay.address)
    };
    let uplink = child.dial_with(options, Vec::new());
    uplink.connects().await;
    let session = parent.sessions.recv().await.unwrap();
    // Three times the silence that is borne: heartbeats keep it.
    let quiet = tokio::time::timeout(silence * 3, session.closed()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    relay.set(Mode::Swallow);
    let closed = tokio::time::timeout(SOON, session.closed()).await.unwrap();
    assert_eq!(closed, Closed::Silent);
    uplink
        .reaches(|state| !matches!(state, LinkState::Connected { .. }))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_whose_ends_bear_more_silence_speaks_less_and_lives() {
    let folder = Folder::new();
    let silence = Duration::from_millis(900);
    let authority = std::sync::Arc::new(cedge_pki::Authority::ephemeral());
    let mut parent = Parent::with(folder.store("hub"), authority, silence).await;
    let child = Child::join(&parent, "plant-7").await;
    let options = cedge_link::DialerOptions {
        silence,
        ..child.options(&parent.address)
    };
    let uplink = child.dial_with(options, Vec::new());
    uplink.connects().await;
    let session = parent.sessions.recv().await.unwrap();
    for end in [&session, &uplink.handle.session().unwrap()] {
        end.set_silence(Duration::from_secs(600));
    }
    let before = session.counters();
    let quiet = tokio::time::timeout(silence * 4, session.closed()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    assert_eq!(session.counters(), before, "nothing was said");
    session.set_silence(Duration::from_millis(300));
    let closed = tokio::time::timeout(SOON, session.closed()).await.unwrap();
    assert_eq!(closed, Closed::Silent, "the other end still bears more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_connection_of_an_identity_replaces_the_older() {
    let folder = Folder::new();
    let mut parent = Parent::start(folder.store("hub")).await;
    let child = Child::join(&parent, "plant-7").await;
    let first = child.dial(&folder.store("one"), &parent.address);
    first.connects().await;
    let session = parent.sessions.recv().await.unwrap();
    let second = child.dial(&folder.store("two"), &parent.address);
    second.connects().await;
    let closed = tokio::time::timeout(SOON, session.closed()).await.unwrap();
    assert!(
        matches!(&closed, Closed::Refused(refusal) if refusal.reason == RefusalReason::Replaced),
        "{closed:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_evicted_child_is_dropped_within_seconds_and_cannot_return() {
    let folder = Folder::new();
    let mut parent = Parent::start(folder.store("hub")).await;
    let child = Child::join(&parent, "plant-7").await;
    let uplink = child.dial(&folder.store("site"), &parent.address);
    uplink.connects().await;
    let session = parent.sessions.recv().await.unwrap();
    let revoked_id = (child.key.id(), RefusalReason::Revoked);
    parent.hub.denied.lock().unwrap().push(revoked_id);
    let evicted = Instant::now();
    session.closed().await;
    assert!(evicted.elapsed() < Duration::from_secs(5));
    let revoked = |state: &LinkState| matches!(state, LinkState::Refused(refusal) if refusal.reason == RefusalReason::Revoked);
    uplink.reaches(revoked).await;
    uplink.handle.poke();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(
        revoked(&uplink.handle.state().borrow()),
        "{:?}",
        uplink.handle.state().borrow()
    );
    assert_eq!(uplink.handle.connects(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_detached_child_is_told_and_dials_no_more() {
    let folder = Folder::new();
    let mut parent = Parent::start(folder.store("hub")).await;
    let child = Child::join(&parent, "plant-7").await;
    let uplink = child.dial(&folder.store("site"), &parent.address);
    uplink.connects().await;
    let _session = parent.sessions.recv().await.unwrap();
    let detached_id = (child.key.id(), RefusalReason::Detached);
    parent.hub.denied.lock().unwrap().push(detached_id);
    let detached = |state: &LinkState| matches!(state, LinkState::Refused(refusal) if refusal.reason == RefusalReason::Detached);
    uplink.reaches(detached).await;
    // Were it to dial, it would be let in again.
    parent.hub.denied.lock().unwrap().clear();
    uplink.handle.poke();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(
        detached(&uplink.handle.state().borrow()),
        "{:?}",
        uplink.handle.state().borrow()
    );
    assert_eq!(uplink.handle.connects(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_opens_a_link_for_renewal_only_and_then_works() {
    let folder = Folder::new();
    let parent = Parent::start(folder.store("hub")).await;
    *parent.hub.lifetime.lock().unwrap() = SignedDuration::from_secs(1);
    let child = Child::join(&parent, "plant-7").await;
    let leaf = rustls::pki_types::CertificateDer::from(child.joined.chain[0].clone());
    let leaf = cedge_pki::PeerCertificate::parse(&leaf).unwrap();
    eventually("expired", || leaf.is_expired(clock::now())).await;
    *parent.hub.lifetime.lock().unwrap() = SignedDuration::from_hours(24 * 365);
    let mut uplink = child.dial(&folder.store("site"), &parent.address);
    let renewed = tokio::time::timeout(SOON, uplink.renewals.recv())
        .await
        .unwrap()
        .unwrap();
    assert_ne!(renewed.chain[0], child.joined.chain[0]);
    uplink.connects().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_with_another_authority_is_a_stranger() {
    let folder = Folder::new();
    let parent = Parent::start(folder.store("hub")).await;
    let child = Child::join(&parent, "plant-7").await;
    let stranger = Parent::start(folder.store("stranger")).await;
    let uplink = child.dial(&folder.store("site"), &stranger.address);
    uplink
        .reaches(|state| matches!(state, LinkState::ParentChanged { .. }))
        .await;
    assert!(stranger.acceptor.sessions().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_are_tried_in_order_and_a_slow_path_is_no_failure() {
    let folder = Folder::new();
    let parent = Parent::start(folder.store("hub")).await;
    let child = Child::join(&parent, "plant-7").await;
    let (dead, alive) = (
        Relay::to(parent.address.clone()).await,
        Relay::to(parent.address.clone()).await,
    );
    dead.set(Mode::Cut);
    alive.set(Mode::Delay(Duration::from_millis(60)));
    let mut options = child.options(&dead.address);
    options.addresses.push(alive.address.clone());
    let uplink = child.dial_with(options, Vec::new());
    let state = uplink
        .reaches(|state| matches!(state, LinkState::Connected { .. }))
        .await;
    assert!(matches!(&state, LinkState::Connected { address, .. } if *address == alive.address));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_a_link_ends_it_and_nothing_else() {
    let folder = Folder::new();
    let parent = Parent::start(folder.store("hub")).await;
    let child = Child::join(&parent, "plant-7").await;
    let uplink = child.dial(&folder.store("site"), &parent.address);
    uplink.connects().await;
    // Plain bytes, then TLS with a good certificate and bytes that are no multiplexer's.
    let mut plain = tokio::net::TcpStream::connect(&parent.address)
        .await
        .unwrap();
    plain.write_all(&[0x55; 4096]).await.unwrap();
    let other = Child::join(&parent, "plant-8").await;
    let mut raw = raw_tls(&other, &parent.address).await;
    raw.write_all(&[0xff; 4096]).await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(SOON, raw.read_to_end(&mut rest))
        .await
        .unwrap();
    // Silence instead of a first stream is not borne for ever, and disturbs nobody.
    let _idle = raw_tls(&other, &parent.address).await;
    assert!(matches!(
        &*uplink.handle.state().borrow(),
        LinkState::Connected { .. }
    ));
    assert_eq!(parent.acceptor.sessions().len(), 1);
}

async fn raw_tls(
    child: &Child,
    address: &str,
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    let chain = child
        .joined
        .chain
        .iter()
        .map(|der| der.clone().into())
        .collect();
    let key = std::sync::Arc::new(cedge_pki::Key::from_pem(&child.key.to_pem()).unwrap());
    let live = cedge_pki::LiveCredential::new(&cedge_pki::Credential::new(key, chain));
    let ca = rustls::pki_types::CertificateDer::from(child.joined.ca.clone());
    let pin = cedge_pki::PeerCertificate::parse(&ca).unwrap().key;
    let tls = cedge_pki::tls::link_client(pin, live, b"edge-link/1");
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("parent.invalid").unwrap();
    tokio_rustls::TlsConnector::from(tls)
        .connect(name, socket)
        .await
        .unwrap()
}
