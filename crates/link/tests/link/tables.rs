//! What travels in tables.

use bytes::Bytes;
use cedge_link::{Change, Delivery};

use crate::relay::{Mode, Relay};
use crate::support::{Child, DOWN, Folder, Parent, SOON, UP, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_travel_both_ways_and_are_acknowledged() {
    let folder = Folder::new();
    let (hub, site) = (folder.store("hub"), folder.store("site"));
    let parent = Parent::start(hub.clone()).await;
    let child = Child::join(&parent, "plant-7").await;
    let writer = hub.writer(&child.key.id(), DOWN).unwrap();
    writer
        .put("o/1", Bytes::from_static(b"before the link"))
        .await
        .unwrap();
    let uplink = child.dial(&site, &parent.address);
    uplink.connects().await;
    writer
        .put("o/2", Bytes::from_static(b"over the link"))
        .await
        .unwrap();
    let reader = site.reader(&child.joined.parent, DOWN).unwrap();
    for _ in 0..2 {
        let change = tokio::time::timeout(SOON, reader.next_change())
            .await
            .unwrap();
        let Change::Put {
            key,
            version,
            value,
        } = change
        else {
            panic!("{change:?}")
        };
        assert_eq!(reader.get(&key).unwrap(), Some(value));
        reader.done(&key, version).await.unwrap();
    }
    eventually("acknowledged", || writer.pending() == 0).await;
    assert_eq!(writer.delivery("o/1"), Delivery::Acknowledged);

    let up = site.writer(&child.joined.parent, UP).unwrap();
    up.put("o/1", Bytes::from_static(b"healthy")).await.unwrap();
    let reports = hub.reader(&child.key.id(), UP).unwrap();
    let change = tokio::time::timeout(SOON, reports.next_change())
        .await
        .unwrap();
    assert!(matches!(change, Change::Put { .. }), "{change:?}");

    writer.remove("o/1").await.unwrap();
    let change = tokio::time::timeout(SOON, reader.next_change())
        .await
        .unwrap();
    assert!(
        matches!(&change, Change::Removed { key, .. } if key == "o/1"),
        "{change:?}"
    );
    eventually("the tombstone is gone", || {
        writer.delivery("o/1") == Delivery::Absent
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_cross_each_other_without_stopping_the_link() {
    let folder = Folder::new();
    let (hub, site) = (folder.store("hub"), folder.store("site"));
    let parent = Parent::start(hub.clone()).await;
    let child = Child::join(&parent, "plant-7").await;
    let down = hub.writer(&child.key.id(), DOWN).unwrap();
    let up = site.writer(&child.joined.parent, UP).unwrap();
    for i in 0..6u8 {
        let value = Bytes::from(vec![i; 1_400_000]);
        down.put(&format!("m{i}"), value.clone()).await.unwrap();
        up.put(&format!("r{i}"), value).await.unwrap();
    }
    let uplink = child.dial(&site, &parent.address);
    uplink.connects().await;
    eventually("all are there", || down.pending() == 0 && up.pending() == 0).await;
    let reader = site.reader(&child.joined.parent, DOWN).unwrap();
    assert_eq!(reader.get("m3").unwrap().unwrap(), vec![3u8; 1_400_000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_parent_deletes_nothing_and_heals_when_it_writes_again() {
    let folder = Folder::new();
    let site = folder.store("site");
    let first = Parent::start(folder.store("hub")).await;
    let child = Child::join(&first, "plant-7").await;
    let relay = Relay::to(first.address.clone()).await;
    let uplink = child.dial(&site, &relay.address);
    let writer = first.hub.store.writer(&child.key.id(), DOWN).unwrap();
    for i in 0..12 {
        writer
            .put(&format!("m{i}"), Bytes::from(format!("value {i}")))
            .await
            .unwrap();
    }
    eventually("delivered", || writer.pending() == 0).await;
    uplink.trigger.ask();
    let authority = std::sync::Arc::clone(&first.hub.authority);
    first.trigger.ask();
    drop((first, writer));

    // The same identity, an empty disk; it states one Mission as a backup of yesterday had it.
    let hub = folder.store("empty");
    let second = Parent::with(hub.clone(), authority, crate::support::SILENCE).await;
    let writer = hub.writer(&child.key.id(), DOWN).unwrap();
    writer
        .put("m0", Bytes::from_static(b"value of yesterday"))
        .await
        .unwrap();
    let uplink = child.dial(&site, &second.address);
    uplink.connects().await;
    let reader = site.reader(&child.joined.parent, DOWN).unwrap();
    eventually("said at both ends", || {
        reader.regressed().len() == 12 && writer.regressed().len() == 12
    })
    .await;
    assert_eq!(reader.iter().len(), 12);
    assert_eq!(reader.get("m0").unwrap().unwrap(), "value 0");

    writer
        .put("m0", Bytes::from_static(b"written again"))
        .await
        .unwrap();
    eventually("it flows", || {
        reader.get("m0").unwrap().unwrap() == "written again"
    })
    .await;
    assert_eq!(reader.iter().len(), 12);
    assert_eq!(reader.regressed().len(), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_of_twenty_deletions_wait_for_a_confirmation_and_three_of_three_do_not() {
    let folder = Folder::new();
    let (hub, site) = (folder.store("hub"), folder.store("site"));
    let parent = Parent::start(hub.clone()).await;
    let child = Child::join(&parent, "plant-7").await;
    let uplink = child.dial(&site, &parent.address);
    uplink.connects().await;
    let writer = hub.writer(&child.key.id(), DOWN).unwrap();
    let reader = site.reader(&child.joined.parent, DOWN).unwrap();
    for count in [3, 20] {
        for i in 0..count {
            writer
                .put(&format!("m{i}"), Bytes::from(format!("{i}")))
                .await
                .unwrap();
        }
        eventually("delivered", || writer.pending() == 0).await;
        for i in 0..count {
            writer.remove(&format!("m{i}")).await.unwrap();
        }
        if count == 3 {
            eventually("gone", || {
                reader.iter().is_empty() && writer.iter().is_empty()
            })
            .await;
        }
    }
    eventually("held", || {
        reader.held().is_some_and(|held| held.keys.len() == 20)
    })
    .await;
    assert_eq!(reader.iter().len(), 20);
    let id = reader.held().unwrap().id;
    assert!(reader.confirm("another").await.is_err());
    reader.confirm(&id).await.unwrap();
    eventually("gone", || {
        reader.iter().is_empty() && writer.iter().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_taken_care_of_comes_again_after_a_restart() {
    let folder = Folder::new();
    let hub = folder.store("hub");
    let parent = Parent::start(hub.clone()).await;
    let child = Child::join(&parent, "plant-7").await;
    let relay = Relay::to(parent.address.clone()).await;
    let left = {
        let site = folder.store("site");
        let uplink = child.dial(&site, &relay.address);
        let writer = hub.writer(&child.key.id(), DOWN).unwrap();
        writer.put("a", Bytes::from_static(b"1")).await.unwrap();
        writer.put("b", Bytes::from_static(b"2")).await.unwrap();
        eventually("delivered", || writer.pending() == 0).await;
        let reader = site.reader(&child.joined.parent, DOWN).unwrap();
        // Latest values, not a history: either may be first, as the link comes up in between.
        let Change::Put { key, version, .. } = reader.next_change().await else {
            panic!("a put")
        };
        assert_eq!(reader.iter().len(), 2);
        reader.done(&key, version).await.unwrap();
        let Change::Put { key: left, .. } = reader.next_change().await else {
            panic!("a put")
        };
        assert_ne!(left, key);
        relay.set(Mode::Cut);
        uplink.trigger.ask();
        uplink
            .reaches(|state| *state == cedge_link::LinkState::Stopped)
            .await;
        left
    };
    let path = folder.0.join("site");
    let site = loop {
        // The last task of the old one may still hold the file for a moment.
        match cedge_link::TableStore::open(&path, &cedge_link::StoreOptions::default()) {
            Ok(store) => break store,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    };
    let reader = site.reader(&child.joined.parent, DOWN).unwrap();
    let change = tokio::time::timeout(SOON, reader.next_change())
        .await
        .unwrap();
    assert!(
        matches!(&change, Change::Put { key, .. } if *key == left),
        "{change:?}"
    );
    let none = tokio::time::timeout(std::time::Duration::from_millis(100), reader.next_change());
    assert!(none.await.is_err(), "what was done came again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_gets_no_table_that_the_hub_does_not_give_it() {
    let folder = Folder::new();
    let (hub, site) = (folder.store("hub"), folder.store("site"));
    let parent = Parent::start(hub.clone()).await;
    let child = Child::join(&parent, "plant-7").await;
    let writer = hub.writer(&child.key.id(), DOWN).unwrap();
    writer
        .put("secret", Bytes::from_static(b"of somebody"))
        .await
        .unwrap();
    *parent.hub.only_up.lock().unwrap() = true;
    let uplink = child.dial(&site, &parent.address);
    uplink.connects().await;
    let up = site.writer(&child.joined.parent, UP).unwrap();
    up.put("r", Bytes::from_static(b"x")).await.unwrap();
    eventually("the other table works", || up.pending() == 0).await;
    assert!(
        site.reader(&child.joined.parent, DOWN)
            .unwrap()
            .iter()
            .is_empty()
    );
}
