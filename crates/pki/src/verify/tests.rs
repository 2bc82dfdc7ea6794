use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

use super::Refusal;
use crate::{Authority, Credential, Key, LiveCredential, PeerCertificate, Profile, Validity, tls};

const LINK: &[u8] = b"edge-link/1";

/// Our clock in these tests is the machine's, as rustls reads it: dates are moved instead.
fn long_ago() -> Validity {
    Validity {
        not_before: "2001-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2002-01-01T00:00:00Z".parse().unwrap(),
    }
}

fn far_ahead() -> Validity {
    Validity {
        not_before: "2090-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2091-01-01T00:00:00Z".parse().unwrap(),
    }
}

fn usual() -> Validity {
    let now: Timestamp = "2090-01-01T00:00:00Z".parse().unwrap();
    Validity::lasting(now, SignedDuration::from_hours(24))
}

fn server_of(authority: &Authority, validity: Validity) -> Arc<LiveCredential> {
    let names = vec!["hub.example".to_owned()];
    issue(authority, &Profile::Server { names }, validity)
}

fn issue(authority: &Authority, profile: &Profile, validity: Validity) -> Arc<LiveCredential> {
    let key = Arc::new(Key::generate());
    LiveCredential::new(&authority.issue(profile, &key, validity).unwrap())
}

fn cluster() -> Profile {
    let name = "line-2".to_owned();
    Profile::Cluster { name }
}

fn user() -> Profile {
    Profile::User {
        name: "jo".into(),
        group: None,
    }
}

#[derive(Debug)]
struct Shaken {
    client: Result<(), rustls::Error>,
    server: Result<Option<PeerCertificate>, rustls::Error>,
}

impl Shaken {
    fn child(&self) -> PeerCertificate {
        assert_eq!(self.client, Ok(()));
        self.server.clone().unwrap().unwrap()
    }

    fn refused_by_client(&self) -> Refusal {
        Refusal::behind_tls(self.client.as_ref().unwrap_err()).unwrap()
    }
}

/// A handshake in memory, to the end or to the first error of each side.
fn shake(client: Arc<ClientConfig>, server: Arc<ServerConfig>, name: &str) -> Shaken {
    let name = name.to_owned().try_into().unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    let (mut at_client, mut at_server) = (Ok(()), Ok(()));
    for _ in 0..6 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        let _ = server.read_tls(&mut &wire[..]);
        at_server = at_server.and_then(|()| server.process_new_packets().map(|_| ()));
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        let _ = client.read_tls(&mut &wire[..]);
        at_client = at_client.and_then(|()| client.process_new_packets().map(|_| ()));
    }
    let certificate = || {
        let leaf = server.peer_certificates()?.first()?;
        Some(PeerCertificate::parse(leaf).unwrap())
    };
    Shaken {
        client: at_client,
        server: at_server.map(|()| certificate()),
    }
}

fn link(parent: &Authority, server: Arc<LiveCredential>, child: Arc<LiveCredential>) -> Shaken {
    shake(
        tls::link_client(parent.pin(), child, LINK),
        tls::link_server(server, parent, LINK),
        "any.name.at.all",
    )
}

#[test]
fn a_child_and_its_parent_recognise_each_other_under_any_address() {
    let parent = Authority::ephemeral();
    let site = Authority::ephemeral();
    let chain = parent
        .sign(&site.key().request(), &cluster(), usual())
        .unwrap();
    let credential = Credential::new(Arc::clone(site.key()), chain);
    let shaken = link(
        &parent,
        server_of(&parent, usual()),
        LiveCredential::new(&credential),
    );
    let child = shaken.child();
    assert_eq!(child.id(), site.id());
    assert_eq!(child.child_name(), Some("line-2"));
}

#[test]
fn dates_decide_nothing_on_a_link_and_the_issuer_sees_an_expired_child() {
    let parent = Authority::ephemeral();
    for server in [long_ago(), far_ahead()] {
        for child in [long_ago(), far_ahead()] {
            let shaken = link(
                &parent,
                server_of(&parent, server),
                issue(&parent, &cluster(), child),
            );
            let now = "2026-11-23T00:00:00Z".parse().unwrap();
            assert_eq!(shaken.child().is_expired(now), child == long_ago());
        }
    }
}

#[test]
fn a_child_refuses_a_parent_with_another_key_and_says_which() {
    let (parent, stranger) = (Authority::ephemeral(), Authority::ephemeral());
    let shaken = shake(
        tls::link_client(parent.pin(), issue(&parent, &cluster(), usual()), LINK),
        tls::link_server(server_of(&stranger, usual()), &stranger, LINK),
        "hub.example",
    );
    let refusal = Refusal::WrongAuthority {
        expected: parent.pin(),
        presented: vec![stranger.pin()],
    };
    assert_eq!(shaken.refused_by_client(), refusal);
}

#[test]
fn showing_the_pinned_authority_without_its_signature_helps_nobody() {
    let (parent, stranger) = (Authority::ephemeral(), Authority::ephemeral());
    let key = Arc::new(Key::generate());
    let names = vec!["hub.example".to_owned()];
    let forged = stranger
        .issue(&Profile::Server { names }, &key, usual())
        .unwrap();
    let chain = vec![forged.chain()[0].clone(), parent.certificate().clone()];
    let forged = LiveCredential::new(&Credential::new(key, chain));
    let shaken = shake(
        tls::join_client(parent.pin(), LINK),
        tls::join_server(forged, LINK),
        "hub.example",
    );
    assert!(matches!(shaken.refused_by_client(), Refusal::NotOurs(_)));
}

#[test]
fn a_child_cannot_pose_as_the_parent_of_its_siblings() {
    let parent = Authority::ephemeral();
    let shaken = shake(
        tls::join_client(parent.pin(), LINK),
        tls::join_server(issue(&parent, &cluster(), usual()), LINK),
        "hub.example",
    );
    // Stopped by the purpose of the certificate already; its role would stop it as well.
    assert!(shaken.client.is_err());
}

#[test]
fn a_hub_refuses_other_trees_users_and_those_who_show_nothing() {
    let (parent, stranger) = (Authority::ephemeral(), Authority::ephemeral());
    let server = || server_of(&parent, usual());
    let other_tree = link(&parent, server(), issue(&stranger, &cluster(), usual()));
    let refusal = Refusal::behind_tls(&other_tree.server.unwrap_err());
    assert!(matches!(refusal, Some(Refusal::NotOurs(_))), "{refusal:?}");
    let told = Refusal::behind_tls(&other_tree.client.unwrap_err());
    assert_eq!(told, Some(Refusal::ByPeer("it is of another authority")));

    let user = link(&parent, server(), issue(&parent, &user(), usual()));
    let refusal = Refusal::behind_tls(&user.server.unwrap_err()).unwrap();
    assert!(refusal.to_string().contains("that of a user"), "{refusal}");

    let nothing = shake(
        tls::join_client(parent.pin(), LINK),
        tls::link_server(server(), &parent, LINK),
        "hub.example",
    );
    assert!(nothing.server.is_err());
}

#[test]
fn an_api_port_knows_users_and_strangers_but_no_children_and_no_expired() {
    let authority = Authority::ephemeral();
    let roots = [authority.certificate().clone()];
    let speak = |credential: Option<Arc<LiveCredential>>, name: &str| {
        shake(
            tls::api_client(&roots, credential).unwrap(),
            tls::api_server(
                server_of(&authority, Validity::from_now(Timestamp::MIN)),
                &authority,
            ),
            name,
        )
    };
    let known = speak(
        Some(issue(
            &authority,
            &user(),
            Validity::from_now(Timestamp::MIN),
        )),
        "hub.example",
    );
    assert_eq!(known.child().common_name, "jo");
    assert_eq!(speak(None, "hub.example").server, Ok(None));
    assert!(speak(None, "other.example").client.is_err());
    for (profile, validity) in [
        (cluster(), usual()),
        (user(), long_ago()),
        (user(), far_ahead()),
    ] {
        let shaken = speak(Some(issue(&authority, &profile, validity)), "hub.example");
        assert!(shaken.server.is_err(), "{profile:?}");
    }
}

#[test]
fn a_replaced_credential_is_shown_from_the_next_handshake_on() {
    let parent = Authority::ephemeral();
    let live = server_of(&parent, usual());
    let before = live.leaf().unwrap();
    let key = Arc::new(Key::generate());
    let names = vec!["new.example".to_owned()];
    let next = parent
        .issue(&Profile::Server { names }, &key, usual())
        .unwrap();
    live.replace(&next);
    assert_ne!(live.leaf().unwrap(), before);
    let child = issue(&parent, &cluster(), usual());
    link(&parent, live, child).child();
}

#[test]
fn a_named_server_must_have_the_name() {
    let parent = Authority::ephemeral();
    let verifier = super::Parent::pinned_and_named(parent.pin());
    let chain = {
        let key = Arc::new(Key::generate());
        let names = vec!["hub.example".to_owned()];
        parent
            .issue(&Profile::Server { names }, &key, usual())
            .unwrap()
    };
    let verify = |name: &str| {
        use rustls::client::danger::ServerCertVerifier as _;
        verifier.verify_server_cert(
            &chain.chain()[0],
            &chain.chain()[1..],
            &name.to_owned().try_into().unwrap(),
            &[],
            super::unix(Timestamp::UNIX_EPOCH),
        )
    };
    assert!(verify("hub.example").is_ok());
    let refusal = Refusal::behind_tls(&verify("other.example").unwrap_err());
    assert_eq!(refusal, Some(Refusal::WrongName("other.example".into())));
}

/// What any stranger can send: bytes that are almost a chain of ours.
#[test]
fn a_damaged_chain_is_refused_by_every_verifier_and_panics_in_none() {
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::server::danger::ClientCertVerifier as _;
    let authority = Authority::ephemeral();
    let issued = |profile: &Profile| {
        let key = Arc::new(Key::generate());
        authority.issue(profile, &key, usual()).unwrap()
    };
    let names = vec!["hub.example".to_owned()];
    let server = issued(&Profile::Server { names });
    let (child, user) = (issued(&cluster()), issued(&user()));
    let now = super::unix("2026-11-23T00:00:00Z".parse().unwrap());
    let parent = super::Parent::pinned_and_named(authority.pin());
    let children = super::Children::of(&authority);
    let users = super::Users::of(&authority);
    let name = "hub.example".try_into().unwrap();
    let at_parent = |leaf: &[u8], ca: &[u8]| {
        let (leaf, ca) = (leaf.to_vec().into(), ca.to_vec().into());
        parent
            .verify_server_cert(&leaf, &[ca], &name, &[], now)
            .is_ok()
    };
    let ca = authority.certificate();
    let leaf = &server.chain()[0];
    assert!(at_parent(leaf, ca));
    let child = child.chain()[0].to_vec();
    let user = user.chain()[0].to_vec();
    assert!(
        children
            .verify_client_cert(&child.clone().into(), &[], now)
            .is_ok()
    );
    assert!(
        users
            .verify_client_cert(&user.clone().into(), &[], now)
            .is_ok()
    );
    for bit in [0x01, 0x20, 0x80] {
        for at in 0..leaf.len() {
            assert!(!at_parent(&changed(leaf, at, bit), ca), "leaf, {at}");
            assert!(!at_parent(&leaf[..at], ca), "leaf, cut at {at}");
        }
        // Of the authority's certificate only key and name count; no change of it makes another key good.
        for at in 0..ca.len() {
            if at_parent(leaf, &changed(ca, at, bit)) {
                continue;
            }
            let stranger = Authority::ephemeral();
            assert!(!at_parent(leaf, stranger.certificate()));
        }
        for at in 0..child.len() {
            let damaged = changed(&child, at, bit).into();
            assert!(
                children.verify_client_cert(&damaged, &[], now).is_err(),
                "child, {at}"
            );
        }
        for at in 0..user.len() {
            let damaged = changed(&user, at, bit).into();
            assert!(
                users.verify_client_cert(&damaged, &[], now).is_err(),
                "user, {at}"
            );
        }
    }
}

fn changed(der: &[u8], at: usize, bit: u8) -> Vec<u8> {
    let mut changed = der.to_vec();
    changed[at] ^= bit;
    changed
}

#[test]
fn a_chain_is_searched_for_the_pinned_authority_and_not_without_end() {
    use rustls::client::danger::ServerCertVerifier as _;
    let (authority, stranger) = (Authority::ephemeral(), Authority::ephemeral());
    let key = Arc::new(Key::generate());
    let names = vec!["hub.example".to_owned()];
    let server = authority
        .issue(&Profile::Server { names }, &key, usual())
        .unwrap();
    let parent = super::Parent::pinned(authority.pin());
    let name = "hub.example".try_into().unwrap();
    let now = super::unix(Timestamp::UNIX_EPOCH);
    let verify = |before: usize| {
        let mut shown = vec![stranger.certificate().clone(); before];
        shown.push(authority.certificate().clone());
        parent
            .verify_server_cert(&server.chain()[0], &shown, &name, &[], now)
            .is_ok()
    };
    assert!(verify(0) && verify(7));
    assert!(!verify(8));
}

/// Somebody with a certificate of `of`, who dials a port of `hub`.
fn client_of(hub: &Authority, of: &Authority, profile: &Profile) -> Arc<ClientConfig> {
    let now = "2026-11-23T00:00:00Z".parse().unwrap();
    tls::node_client(hub.pin(), issue(of, profile, Validity::from_now(now)))
}

#[test]
fn a_nodes_port_is_for_users_of_the_cluster_and_nobody_else() {
    let (cluster_ca, hub) = (Authority::ephemeral(), Authority::ephemeral());
    let roots = [cluster_ca.certificate().clone()];
    let port = || tls::node_server(server_of(&hub, usual()), &roots).unwrap();
    let ask =
        |of: &Authority, profile: &Profile| shake(client_of(&hub, of, profile), port(), "10.0.0.9");
    let shaken = ask(&cluster_ca, &user());
    assert_eq!(shaken.server.unwrap().unwrap().common_name, "jo");
    for (of, profile) in [(&hub, user()), (&cluster_ca, cluster())] {
        assert!(ask(of, &profile).server.is_err(), "{profile:?}");
    }
    let pin = hub.pin();
    let bare = shake(tls::join_client(pin, b"http/1.1"), port(), "10.0.0.9");
    assert!(bare.server.is_err(), "without a certificate");
    assert!(tls::node_server(server_of(&hub, usual()), &[]).is_none());
}

#[test]
fn a_hub_lets_in_users_of_its_own_and_of_the_cluster_beside_it() {
    let (cluster_ca, hub) = (Authority::ephemeral(), Authority::ephemeral());
    let roots = [cluster_ca.certificate().clone()];
    let port = || tls::hub_server(server_of(&hub, usual()), &hub, &roots);
    for of in [&cluster_ca, &hub] {
        let shaken = shake(client_of(&hub, of, &user()), port(), "10.0.0.9");
        assert!(shaken.server.unwrap().is_some());
        let shaken = shake(client_of(&hub, of, &cluster()), port(), "10.0.0.9");
        assert!(shaken.server.is_err(), "a child speaks for no user");
    }
    let stranger = Authority::ephemeral();
    let shaken = shake(client_of(&hub, &stranger, &user()), port(), "10.0.0.9");
    assert!(shaken.server.is_err());
    let bare = shake(tls::join_client(hub.pin(), b"http/1.1"), port(), "10.0.0.9");
    assert_eq!(bare.server.unwrap(), None, "a token may speak for it");
}
