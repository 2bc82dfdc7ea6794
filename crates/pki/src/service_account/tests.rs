use std::sync::Arc;

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{BASE64, Binding, ServiceAccountTokens, TokenError, TokenRequest};
use crate::Key;

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

fn now() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().unwrap()
}

fn tokens() -> ServiceAccountTokens {
    ServiceAccountTokens::of_key(Arc::new(Key::generate()), ISSUER)
}

fn request() -> TokenRequest {
    let bound = |kind: &str, name: &str| Binding {
        kind: kind.into(),
        name: name.into(),
        uid: format!("{name}-uid"),
    };
    TokenRequest {
        namespace: "shop".into(),
        name: "till".into(),
        uid: "u1".into(),
        audiences: vec!["api".into()],
        lifetime: Some(SignedDuration::from_hours(1)),
        warn_after: Some(SignedDuration::from_mins(50)),
        bindings: vec![bound("pod", "till-0"), bound("node", "n1")],
    }
}

fn audience() -> Vec<String> {
    vec!["other".into(), "api".into()]
}

#[test]
fn a_signed_token_gives_the_identity_of_its_account_and_pod() {
    let tokens = tokens();
    let token = tokens.sign(&request(), now());
    let claims = tokens.verify(&token, &audience(), now()).unwrap();
    assert_eq!(claims.bound("pod").unwrap().uid, "till-0-uid");
    assert_eq!(claims.expires, Some(now() + SignedDuration::from_hours(1)));
    assert_eq!(
        claims.warn_after,
        Some(now() + SignedDuration::from_mins(50))
    );
    let identity = claims.identity();
    assert_eq!(identity.user, "system:serviceaccount:shop:till");
    assert_eq!(
        identity.groups,
        [
            "system:serviceaccounts",
            "system:serviceaccounts:shop",
            "system:authenticated"
        ]
    );
    assert_eq!(identity.uid.as_deref(), Some("u1"));
    assert_eq!(
        identity.extra["authentication.kubernetes.io/pod-name"],
        ["till-0"]
    );
    assert_eq!(
        identity.extra["authentication.kubernetes.io/node-name"],
        ["n1"]
    );
}

#[test]
fn an_expired_token_or_one_for_another_audience_is_refused() {
    let tokens = tokens();
    let token = tokens.sign(&request(), now());
    let later = now() + SignedDuration::from_hours(1);
    assert_eq!(
        tokens.verify(&token, &audience(), later),
        Err(TokenError::Expired(later))
    );
    assert_eq!(
        tokens.verify(&token, &["vault".into()], now()),
        Err(TokenError::WrongAudience(vec!["api".into()]))
    );
}

#[test]
fn a_token_is_good_when_our_clock_fell_back_by_years() {
    let tokens = tokens();
    let token = tokens.sign(&request(), now());
    assert!(
        tokens
            .verify(&token, &audience(), Timestamp::UNIX_EPOCH)
            .is_ok()
    );
}

#[test]
fn a_token_without_an_end_never_expires() {
    let tokens = tokens();
    let forever = TokenRequest {
        lifetime: None,
        ..request()
    };
    let token = tokens.sign(&forever, now());
    assert!(tokens.verify(&token, &audience(), Timestamp::MAX).is_ok());
}

#[test]
fn a_token_of_another_cluster_or_changed_by_a_sign_is_refused() {
    let tokens = tokens();
    let token = tokens.sign(&request(), now());
    assert_eq!(
        self::tokens().verify(&token, &audience(), now()),
        Err(TokenError::NotOurs)
    );
    for at in 0..token.len() {
        let other = if token.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let mut changed = token.clone();
        changed.replace_range(at..=at, other);
        let answer = tokens.verify(&changed, &audience(), now());
        assert!(answer.is_err(), "changed sign {at} was not noticed");
    }
}

#[test]
fn a_token_that_names_no_signature_is_refused() {
    let tokens = tokens();
    let encode = |v: serde_json::Value| BASE64.encode(v.to_string());
    let token = tokens.sign(&request(), now());
    let payload = token.split('.').nth(1).unwrap();
    for header in [
        json!({"alg": "none", "kid": tokens.kid}),
        json!({"alg": "HS256", "kid": tokens.kid}),
        json!({"alg": "ES256"}),
    ] {
        for signature in ["", "AAAA"] {
            let forged = format!("{}.{payload}.{signature}", encode(header.clone()));
            let answer = tokens.verify(&forged, &audience(), now());
            assert_eq!(answer, Err(TokenError::NotOurs));
        }
    }
    for text in ["", ".", "..", "a.b.c", "eyJhbGciOiJFUzI1NiJ9"] {
        assert_eq!(
            tokens.verify(text, &audience(), now()),
            Err(TokenError::NotOurs)
        );
    }
}

#[test]
fn a_published_key_verifies_what_was_signed() {
    let tokens = tokens();
    let token = tokens.sign(&request(), now());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let key = &tokens.jwks()["keys"][0];
    let half = |name: &str| BASE64.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], half("x"), half("y")].concat();
    ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point)
        .verify(message.as_bytes(), &BASE64.decode(signature).unwrap())
        .unwrap();
    assert!(token.starts_with(
        &BASE64.encode(format!(
            "{{\"alg\":\"ES256\",\"kid\":\"{}\"",
            key["kid"].as_str().unwrap()
        ))[..40]
    ));
}
