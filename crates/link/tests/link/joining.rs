//! Joining, and every way it is refused.

use cedge_link::{JoinError, LinkState, Proxy, RefusalReason};
use cedge_pki::Key;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Child, Folder, Parent, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_token_is_refused_with_the_reason() {
    let folder = Folder::new();
    let parent = Parent::start(folder.store("hub")).await;
    for (secret, reason) in [
        ("wrong", RefusalReason::TokenUnknown),
        ("old", RefusalReason::TokenExpired),
        ("used", RefusalReason::TokenUsedUp),
    ] {
        let request = request(&Key::generate(), "plant-7", secret);
        let refused = cedge_link::join(&parent.token(secret), request, None)
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, JoinError::Refused(refusal) if refusal.reason == reason),
            "{refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_another_cluster_never_shows_its_secret() {
    let folder = Folder::new();
    let parent = Parent::start(folder.store("hub")).await;
    let other = Parent::start(folder.store("other")).await;
    let mut token = parent.token("good");
    token.addresses = vec![other.address.clone()];
    let request = request(&Key::generate(), "plant-7", "good");
    let refused = cedge_link::join(&token, request, None).await.unwrap_err();
    assert!(
        matches!(refused, JoinError::WrongAuthority { .. }),
        "{refused:?}"
    );
    assert!(!format!("{token:?}").contains("good"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_request_is_refused_and_an_unreachable_address_is_said() {
    let folder = Folder::new();
    let parent = Parent::start(folder.store("hub")).await;
    let mut damaged = request(&Key::generate(), "plant-7", "good");
    damaged.csr.truncate(20);
    let refused = cedge_link::join(&parent.token("good"), damaged, None)
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, JoinError::Refused(r) if r.reason == RefusalReason::BadRequest),
        "{refused:?}"
    );
    let mut token = parent.token("good");
    token.addresses = vec!["127.0.0.1:1".to_owned()];
    let request = request(&Key::generate(), "plant-7", "good");
    let failed = cedge_link::join(&token, request, None).await.unwrap_err();
    assert!(failed.to_string().contains("127.0.0.1:1"), "{failed}");
}

/// A proxy that asks for a password.
async fn proxy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    cedge_tasks::spawn("test/proxy", async move {
        while let Ok((mut near, _)) = listener.accept().await {
            cedge_tasks::spawn("test/proxied", async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(near.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                if !head.contains("Proxy-Authorization: Basic bWU6c2VjcmV0") {
                    let no = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
                    near.write_all(no).await.unwrap();
                    return;
                }
                let target = head.split(' ').nth(1).unwrap();
                let mut far = TcpStream::connect(target).await.unwrap();
                near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    .await
                    .unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_goes_through_a_proxy_and_its_refusal_is_said() {
    let folder = Folder::new();
    let parent = Parent::start(folder.store("hub")).await;
    let child = Child::join(&parent, "plant-7").await;
    let credentials = Some(("me".to_owned(), "secret".to_owned()));
    let proxy = Proxy {
        address: proxy().await,
        credentials,
    };
    let mut options = child.options(&parent.address);
    options.proxy = Some(Proxy {
        credentials: None,
        ..proxy.clone()
    });
    let refused = child.dial_with(options.clone(), Vec::new());
    let said = |state: &LinkState| matches!(state, LinkState::Disconnected { error } if error.contains("407"));
    refused.reaches(said).await;
    options.proxy = Some(proxy);
    child.dial_with(options, Vec::new()).connects().await;
}
