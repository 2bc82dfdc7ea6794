use super::hub::{Hub, Pull};
use crate::options::Lag;
use crate::types::{Batch, Event, EventKind};
use std::sync::Arc;

fn batch(revision: u64, keys: &[&str]) -> Arc<Batch> {
    let event = |key: &&str| Event {
        key: (*key).into(),
        kind: EventKind::Put { created: true },
        value: "value".into(),
        previous: None,
        revision: revision.into(),
    };
    Arc::new(Batch {
        revision: revision.into(),
        events: keys.iter().map(event).collect(),
    })
}

#[test]
fn watchers_of_a_prefix_share_the_very_batch() {
    let hub = Hub::new(1, Lag::default());
    let (all, _, cursor) = hub.subscribe("/");
    let (some, _, _) = hub.subscribe("/a/");
    let published = batch(2, &["/a/x", "/a/y"]);
    hub.publish(std::slice::from_ref(&published), 2);
    for topic in [all, some] {
        let Pull::Batch(pulled) = topic.pull(1, &cursor) else {
            panic!("a batch waits");
        };
        assert!(Arc::ptr_eq(&pulled, &published));
    }
}

#[test]
fn a_key_with_signs_of_several_bytes_matches_its_prefixes_only() {
    let hub = Hub::new(1, Lag::default());
    let (inside, _, cursor) = hub.subscribe("/ü");
    // As long as a part of the sign.
    let (beside, _, other) = hub.subscribe("/x");
    hub.publish(&[batch(2, &["/üb"])], 2);
    assert!(matches!(inside.pull(1, &cursor), Pull::Batch(_)));
    assert!(matches!(beside.pull(1, &other), Pull::UpToDate));
}

#[test]
fn what_everybody_has_seen_is_forgotten() {
    let hub = Hub::new(1, Lag::default());
    let (topic, _, cursor) = hub.subscribe("/");
    for revision in 2..500 {
        hub.publish(&[batch(revision, &["/a"])], revision);
        assert!(matches!(topic.pull(revision - 1, &cursor), Pull::Batch(_)));
    }
    assert!(matches!(topic.pull(400, &cursor), Pull::Behind));
}

#[test]
fn what_one_has_not_seen_is_kept_for_it() {
    let hub = Hub::new(1, Lag::default());
    let (topic, _, quick) = hub.subscribe("/");
    let (_, slow_id, slow) = hub.subscribe("/");
    assert!(matches!(topic.pull(1, &slow), Pull::UpToDate));
    for revision in 2..500 {
        hub.publish(&[batch(revision, &["/a"])], revision);
        topic.pull(revision - 1, &quick);
    }
    assert!(matches!(topic.pull(1, &slow), Pull::Batch(b) if b.revision.get() == 2));
    // Until it leaves.
    hub.unsubscribe(&topic, slow_id);
    for revision in 500..2000 {
        hub.publish(&[batch(revision, &["/a"])], revision);
        topic.pull(revision - 1, &quick);
    }
    assert!(matches!(topic.pull(1000, &quick), Pull::Behind));
}
