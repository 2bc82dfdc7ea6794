use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::authority::{self, OpenError, SignError};
use crate::join::TokenError;
use crate::kubeconfig::User;
use crate::{
    Authority, Credential, Identity, JoinToken, Key, Kubeconfig, PeerCertificate, Profile, Role,
    Validity, files,
};

fn now() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn child(name: &str) -> Profile {
    Profile::Cluster { name: name.into() }
}

#[test]
fn an_authority_is_the_same_after_a_restart_and_its_key_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let first = Authority::load_or_create(dir.path()).unwrap();
    let again = Authority::load_or_create(dir.path()).unwrap();
    assert_eq!(first.id(), again.id());
    assert_eq!(first.certificate(), again.certificate());
    assert_eq!(mode(&dir.path().join("ca.key")), 0o600);
    let names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "no drafts are left: {names:?}");
}

#[test]
fn a_kill_between_key_and_certificate_keeps_the_identity() {
    let dir = tempfile::tempdir().unwrap();
    let key = Key::load_or_create(&dir.path().join("ca.key")).unwrap();
    let authority = Authority::load_or_create(dir.path()).unwrap();
    assert_eq!(authority.id(), key.id());
}

#[test]
fn a_lost_identity_key_is_not_replaced_silently() {
    let dir = tempfile::tempdir().unwrap();
    Authority::load_or_create(dir.path()).unwrap();
    fs::remove_file(dir.path().join("ca.key")).unwrap();
    let error = Authority::load_or_create(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::KeyLost { .. }), "{error}");
    Key::generate().save(&dir.path().join("ca.key")).unwrap();
    let error = Authority::load_or_create(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Mismatch { .. }), "{error}");
    fs::write(dir.path().join("ca.key"), "nonsense").unwrap();
    let error = Authority::load_or_create(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Key(_)), "{error}");
}

#[test]
fn a_key_that_others_could_read_is_closed_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.key");
    let key = Key::load_or_create(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(Key::load(&path).unwrap().id(), key.id());
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_file_is_replaced_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    files::write_private(&path, b"one").unwrap();
    files::write_private(&path, b"two").unwrap();
    assert_eq!(files::read(&path).unwrap().unwrap(), b"two");
    let missing = dir.path().join("no/such/folder/f");
    let error = files::write_private(&missing, b"x").unwrap_err();
    assert!(error.to_string().contains("no/such/folder/f"), "{error}");
}

#[test]
fn a_signed_request_carries_the_name_of_the_profile_and_the_key_of_the_requester() {
    let parent = Authority::ephemeral();
    let site = Authority::ephemeral();
    let request = site.key().request();
    assert_eq!(authority::requester(&request).unwrap(), site.pin());
    let chain = parent
        .sign(&request, &child("plant-7"), Validity::from_now(now()))
        .unwrap();
    let leaf = PeerCertificate::parse(&chain[0]).unwrap();
    assert_eq!(leaf.role, Role::Cluster);
    assert_eq!(leaf.child_name(), Some("plant-7"));
    assert_eq!(leaf.id(), site.id());
    assert_eq!(leaf.not_before, Timestamp::UNIX_EPOCH);
    assert_eq!(leaf.not_after, "2027-11-23T00:00:00Z".parse().unwrap());
    assert_eq!(PeerCertificate::parse(&chain[1]).unwrap().key, parent.pin());
}

#[test]
fn a_renewed_certificate_has_another_serial_number() {
    let parent = Authority::ephemeral();
    let request = Key::generate().request();
    let serial = || {
        let chain = parent.sign(&request, &child("a"), Validity::from_now(now()));
        PeerCertificate::parse(&chain.unwrap()[0]).unwrap().serial
    };
    assert_ne!(serial(), serial());
}

#[test]
fn a_request_that_proves_no_possession_is_not_signed() {
    let parent = Authority::ephemeral();
    const SIGNATURE_FRAME: usize = 105;
    let request = Key::generate().request();
    let sign = |request: &[u8]| parent.sign(request, &child("a"), Validity::from_now(now()));
    for at in 0..request.len() {
        let mut damaged = request.clone();
        damaged[at] ^= 1;
        // One bit of the frame around what is signed may go unnoticed; it never makes another key of it.
        let unnoticed = authority::requester(&damaged).is_ok();
        assert!(!unnoticed || at == SIGNATURE_FRAME, "byte {at}");
        assert!(sign(&request[..at]).is_err(), "cut at {at} was not noticed");
    }
    let followed: Vec<u8> = request.iter().copied().chain([0]).collect();
    assert!(matches!(sign(&followed), Err(SignError::Damaged)));
    assert!(matches!(sign(&vec![0x30; 9000]), Err(SignError::Damaged)));
}

#[test]
fn a_request_for_another_kind_of_key_is_refused_with_that_reason() {
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let request = rcgen::CertificateParams::default()
        .serialize_request(&other)
        .unwrap();
    let answer = Authority::ephemeral().sign(request.der(), &child("a"), Validity::from_now(now()));
    assert!(
        matches!(answer, Err(SignError::UnsupportedKey)),
        "{answer:?}"
    );
}

#[test]
fn a_clock_that_stands_in_1970_issues_certificates_that_last_when_it_is_set() {
    let validity = Validity::from_now(Timestamp::UNIX_EPOCH);
    assert!(validity.not_after > now() + SignedDuration::from_hours(300 * 24));
    let far = Validity::lasting(Timestamp::MAX, SignedDuration::from_hours(1));
    Authority::ephemeral()
        .issue(&child("a"), &Arc::new(Key::generate()), far)
        .unwrap();
}

#[test]
fn a_certificate_is_due_when_a_third_is_left_and_expired_after_its_end() {
    let lifetime = SignedDuration::from_hours(3);
    let leaf = Authority::ephemeral()
        .issue(
            &child("a"),
            &Arc::new(Key::generate()),
            Validity::lasting(now(), lifetime),
        )
        .unwrap()
        .leaf()
        .unwrap();
    let at = |minutes| now() + SignedDuration::from_mins(minutes);
    assert!(!leaf.is_due(at(119), lifetime));
    assert!(leaf.is_due(at(121), lifetime));
    assert!(!leaf.is_expired(at(180)));
    assert!(leaf.is_expired(at(181)));
}

#[test]
fn a_server_certificate_names_hosts_and_addresses_and_nothing_else() {
    let authority = Authority::ephemeral();
    let names = ["localhost", "kubernetes.default.svc", "127.0.0.1", "::1"];
    let credential = authority
        .server_credential(names.map(String::from).to_vec(), now())
        .unwrap();
    let leaf = credential.leaf().unwrap();
    assert_eq!(leaf.names, names);
    assert_eq!(leaf.role, Role::Server);
    for bad in ["", "not a name", "höst", "a/b"] {
        let answer = authority.server_credential(vec![bad.to_owned()], now());
        assert!(matches!(answer, Err(SignError::BadName(_))), "{bad:?}");
    }
}

#[test]
fn a_user_certificate_becomes_a_user_in_its_group() {
    let authority = Authority::ephemeral();
    let profile = Profile::User {
        name: "admin".into(),
        group: Some("system:masters".into()),
    };
    let key = Arc::new(Key::generate());
    let credential = authority
        .issue(&profile, &key, Validity::from_now(now()))
        .unwrap();
    let identity = Identity::from_certificate(&credential.leaf().unwrap());
    assert_eq!(identity.user, "admin");
    assert_eq!(identity.groups, ["system:masters", "system:authenticated"]);
}

#[test]
fn a_credential_is_stored_and_loaded_and_never_mixed_up() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::ephemeral();
    let make = || {
        let key = Arc::new(Key::generate());
        authority
            .issue(&child("a"), &key, Validity::from_now(now()))
            .unwrap()
    };
    let credential = make();
    credential.save(dir.path(), "link").unwrap();
    let loaded = Credential::load(dir.path(), "link").unwrap();
    assert_eq!(loaded.chain(), credential.chain());
    make().key().save(&dir.path().join("link.key")).unwrap();
    let error = Credential::load(dir.path(), "link").unwrap_err();
    assert!(error.to_string().contains("another key"), "{error}");
    let error = Credential::load(dir.path(), "other").unwrap_err();
    assert!(error.to_string().contains("no certificate"), "{error}");
}

#[test]
fn a_join_token_survives_being_printed_and_read() {
    let token = JoinToken::generate(
        vec!["hub.example:7443".into(), "10.0.0.1:7443".into()],
        Authority::ephemeral().pin(),
    );
    let printed = format!("  {token}\n");
    assert_eq!(printed.parse::<JoinToken>().unwrap(), token);
    assert!(!format!("{token:?}").contains(&token.secret));
    assert_eq!(token.id.len(), 8);
}

#[test]
fn a_join_token_that_was_changed_or_cut_is_called_damaged() {
    let token = JoinToken::generate(vec!["a:1".into()], Authority::ephemeral().pin());
    let printed = token.to_string();
    for end in crate::join::PREFIX.len()..printed.len() {
        let error = printed[..end].parse::<JoinToken>().unwrap_err();
        assert_eq!(error, TokenError::Damaged);
    }
    for at in crate::join::PREFIX.len()..printed.len() {
        let other = if printed.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let mut changed = printed.clone();
        changed.replace_range(at..=at, other);
        assert_ne!(changed.parse::<JoinToken>(), Ok(token.clone()), "at {at}");
    }
    assert_eq!("K10::abc".parse::<JoinToken>(), Err(TokenError::NotAToken));
    assert_eq!("".parse::<JoinToken>(), Err(TokenError::NotAToken));
    assert_eq!(
        "cedge9.abc".parse::<JoinToken>(),
        Err(TokenError::UnknownVersion("cedge9".into()))
    );
}

#[test]
fn a_kubeconfig_survives_being_written_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kubeconfig");
    let authority = Authority::ephemeral();
    let profile = Profile::User {
        name: "yes: {no}".into(),
        group: None,
    };
    let credential = authority
        .issue(
            &profile,
            &Arc::new(Key::generate()),
            Validity::from_now(now()),
        )
        .unwrap();
    let config = Kubeconfig::single(
        "true",
        "https://127.0.0.1:6443/clusters/a",
        &authority.certificate_pem(),
        User::by_certificate(&credential),
    );
    config.write(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    let read = Kubeconfig::read(&path).unwrap();
    assert_eq!(read, config);
    let (cluster, user) = read.current().unwrap();
    assert_eq!(cluster.server, "https://127.0.0.1:6443/clusters/a");
    assert!(user.client_key_data.is_some());
    assert!(!format!("{read:?}").contains(user.client_key_data.as_deref().unwrap()));
}

#[test]
fn a_foreign_kubeconfig_is_read_and_what_we_do_not_know_is_passed_over() {
    let text = "
apiVersion: v1
kind: Config
preferences: {}
clusters:
- cluster: {certificate-authority: /ca.crt, server: https://a:6443, extensions: [{name: x}]}
  name: a
contexts:
- context: {cluster: a, namespace: n, user: u}
  name: c
current-context: c
users:
- name: u
  user: {exec: {command: get-token}}
";
    let config = Kubeconfig::from_yaml(text).unwrap();
    let (cluster, user) = config.current().unwrap();
    assert_eq!(cluster.certificate_authority.as_deref(), Some("/ca.crt"));
    assert_eq!(user, &User::default());
    assert!(Kubeconfig::from_yaml("{]").is_err());
    assert!(Kubeconfig::from_yaml("a: b").is_err());
}

proptest! {
    #[test]
    fn nothing_that_is_parsed_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), text: String) {
        let _ = authority::requester(&bytes);
        let _ = PeerCertificate::parse(&bytes.clone().into());
        let _ = text.parse::<JoinToken>();
        let _ = format!("cedge1.{text}").parse::<JoinToken>();
        let _ = Key::from_pem(&text);
        let _ = crate::credential::certificates(&bytes);
        let _ = text.parse::<crate::Pin>();
    }

    #[test]
    fn no_damage_to_a_certificate_panics(at in 0usize..400, with: u8, cut in 0usize..400) {
        let mut der = Authority::ephemeral().certificate().to_vec();
        let len = der.len();
        der[at % len] = with;
        let _ = PeerCertificate::parse(&der.clone().into());
        der.truncate(cut % len);
        let _ = PeerCertificate::parse(&der.into());
    }
}
