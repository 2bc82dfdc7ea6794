//! What a link costs (I4): counted by the relay, printed, and held to generous bounds.

use std::time::Duration;

use bytes::Bytes;
use cedge_link::Writer;

use crate::relay::{Mode, Relay};
use crate::support::{Child, DOWN, Folder, Parent, Uplink, eventually};

const ROWS: usize = 1000;

fn value(key: usize, version: usize) -> Bytes {
    Bytes::from(format!("{key} {version} {}", "x".repeat(1000)))
}

async fn reconnect(relay: &Relay, uplink: &Uplink, writer: &Writer) -> u64 {
    relay.take_bytes();
    relay.set(Mode::Pass);
    uplink.handle.poke();
    uplink.connects().await;
    eventually("all acknowledged", || writer.pending() == 0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    relay.take_bytes()
}

async fn cut(relay: &Relay, uplink: &Uplink) {
    relay.set(Mode::Cut);
    uplink
        .reaches(|s| !matches!(s, cedge_link::LinkState::Connected { .. }))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reconnect_costs_in_proportion_to_what_differs() {
    let folder = Folder::new();
    let (hub, site) = (folder.store("hub"), folder.store("site"));
    let parent = Parent::start(hub.clone()).await;
    let child = Child::join(&parent, "plant-7").await;
    let relay = Relay::to(parent.address.clone()).await;
    let writer = hub.writer(&child.key.id(), DOWN).unwrap();
    let mut puts = Vec::new();
    for i in 0..ROWS {
        let writer = writer.clone();
        puts.push(async move { writer.put(&format!("m/{i}"), value(i, 0)).await.unwrap() });
    }
    futures::future::join_all(puts).await;
    let uplink = child.dial(&site, &relay.address);
    let first = reconnect(&relay, &uplink, &writer).await;
    cut(&relay, &uplink).await;
    let unchanged = reconnect(&relay, &uplink, &writer).await;
    cut(&relay, &uplink).await;
    for i in 0..10 {
        writer
            .put(&format!("m/{}", i * 97), value(i, 1))
            .await
            .unwrap();
    }
    let changed = reconnect(&relay, &uplink, &writer).await;
    println!(
        "bytes, TLS handshake included: first {first}; 1000 unchanged {unchanged}; 10 of 1000 changed {changed}"
    );
    assert!(first > 1_000_000 && first < 1_500_000, "{first}");
    assert!(unchanged < 6_000, "{unchanged}");
    assert!(changed - unchanged < 10 * 2_500, "{changed}");
}

/// Takes a minute: run by hand (`cargo test -p cedge-link -- --ignored --nocapture`) and in `.ci/long`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes two minutes"]
async fn an_idle_link_costs_less_than_ten_bytes_a_second() {
    let folder = Folder::new();
    let (hub, site) = (folder.store("hub"), folder.store("site"));
    let parent = Parent::start(hub.clone()).await;
    let child = Child::join(&parent, "plant-7").await;
    let relay = Relay::to(parent.address.clone()).await;
    let uplink = child.dial(&site, &relay.address);
    uplink.connects().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    relay.take_bytes();
    tokio::time::sleep(Duration::from_secs(120)).await;
    let bytes = relay.take_bytes();
    println!("idle: {bytes} bytes in two minutes, both ways");
    assert!(bytes < 1200, "{bytes}");
    assert_eq!(uplink.handle.connects(), 1);
}
