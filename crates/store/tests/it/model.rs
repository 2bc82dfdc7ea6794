//! The store against a model: an ordered map of every key's versions.

use std::collections::{BTreeMap, BTreeSet};

use cedge_store::{CommitError, Expect, Item, Options, Revision, Store, Txn, Write};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::folder::Folder;

const KEYS: [&str; 7] = ["/a", "/a/", "/a/x", "/a/y", "/ab", "/b/x", "/b/ü"];
const PREFIXES: [&str; 5] = ["/", "/a", "/a/", "/b/", "/nothing"];

#[derive(Debug, Clone)]
enum Step {
    Txn {
        expect: Vec<(usize, Wish)>,
        writes: Vec<(usize, Option<u16>)>,
        relaxed: bool,
    },
    Compact {
        back: u64,
    },
    Reopen,
}

/// What to expect, told relative to the truth.
#[derive(Debug, Clone, Copy)]
enum Wish {
    Truth,
    Absent,
    Present,
    Any,
    Revision(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let wish = prop_oneof![
        4 => Just(Wish::Truth),
        1 => Just(Wish::Absent),
        1 => Just(Wish::Present),
        1 => Just(Wish::Any),
        1 => (0..40u64).prop_map(Wish::Revision),
    ];
    let key = 0..KEYS.len();
    let value = prop_oneof![3 => any::<u16>().prop_map(Some), 1 => Just(None)];
    let txn = (
        vec((key.clone(), wish), 0..3),
        vec((key, value), 0..4),
        any::<bool>(),
    )
        .prop_map(|(expect, writes, relaxed)| Step::Txn {
            expect,
            writes,
            relaxed,
        });
    prop_oneof![
        20 => txn,
        2 => (0..10u64).prop_map(|back| Step::Compact { back }),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct Version {
    value: Option<String>,
    created: u64,
    version: u64,
}

/// key → revision → what was written then.
#[derive(Debug, Default)]
struct Model {
    keys: BTreeMap<&'static str, BTreeMap<u64, Version>>,
    revision: u64,
    compacted: u64,
}

impl Model {
    fn live(&self, key: &str, at: u64) -> Option<(u64, &Version)> {
        let (revision, version) = self.keys.get(key)?.range(..=at).next_back()?;
        version.value.is_some().then_some((*revision, version))
    }

    fn holds(&self, key: &str, expect: Expect) -> bool {
        let live = self.live(key, u64::MAX).map(|(revision, _)| revision);
        match expect {
            Expect::Any => true,
            Expect::Absent => live.is_none(),
            Expect::Present => live.is_some(),
            Expect::At(revision) => live == Some(revision.get()),
        }
    }

    fn write(&mut self, writes: &[(&'static str, Option<String>)]) {
        let next = self.revision + 1;
        for (key, value) in writes {
            let live = self.live(key, u64::MAX).map(|(_, v)| v.clone());
            if value.is_none() && live.is_none() {
                continue;
            }
            let version = Version {
                value: value.clone(),
                created: live.as_ref().map_or(next, |v| v.created),
                version: live.as_ref().map_or(1, |v| v.version + 1),
            };
            self.keys.entry(key).or_default().insert(next, version);
            self.revision = next;
        }
    }

    fn items(&self, prefix: &str, at: u64) -> Vec<Item> {
        let of = |key: &&'static str| {
            let (modified, version) = self.live(key, at)?;
            Some(Item {
                key: (*key).into(),
                value: version.value.clone()?.into(),
                created: version.created.into(),
                modified: modified.into(),
                version: version.version,
            })
        };
        let below = self.keys.keys().filter(|key| key.starts_with(prefix));
        below.filter_map(of).collect()
    }

    /// (revision, key, value, previous) of what changed below a prefix.
    fn changes(&self, prefix: &str, after: u64) -> BTreeSet<Change> {
        let mut changes = BTreeSet::new();
        for (key, versions) in self.keys.iter().filter(|(k, _)| k.starts_with(prefix)) {
            for (revision, version) in versions.range(after + 1..) {
                let before = self.live(key, revision - 1);
                let before = before.and_then(|(_, v)| v.value.clone());
                changes.insert((*revision, (*key).to_owned(), version.value.clone(), before));
            }
        }
        changes
    }
}

type Change = (u64, String, Option<String>, Option<String>);

async fn run(store: &Store, model: &mut Model, step: &Step) {
    match step {
        Step::Txn {
            expect,
            writes,
            relaxed,
        } => {
            let expect: Vec<(&str, Expect)> = expect
                .iter()
                .map(|(key, wish)| (KEYS[*key], wished(model, KEYS[*key], *wish)))
                .collect();
            let mut seen = BTreeSet::new();
            let writes: Vec<(&str, Option<String>)> = writes
                .iter()
                .filter(|(key, _)| seen.insert(*key))
                .map(|(key, value)| (KEYS[*key], value.map(|v| v.to_string())))
                .collect();
            let txn = Txn {
                expect: expect.iter().map(|(k, e)| ((*k).into(), *e)).collect(),
                writes: writes.iter().map(to_write).collect(),
                ..Txn::default()
            };
            let txn = if *relaxed { txn.relaxed() } else { txn };
            let result = store.commit(txn).await;
            match expect.iter().find(|(key, e)| !model.holds(key, *e)) {
                Some((wrong, _)) => {
                    let Err(CommitError::Conflict { key, current }) = result else {
                        panic!("{result:?}");
                    };
                    assert_eq!(&*key, *wrong);
                    let items = model.items(wrong, u64::MAX);
                    assert_eq!(current, items.into_iter().find(|i| &*i.key == *wrong));
                }
                None => {
                    model.write(&writes);
                    assert_eq!(result.unwrap().get(), model.revision);
                }
            }
        }
        Step::Compact { back } => {
            let before = model.revision.saturating_sub(*back);
            store.compact(Revision::new(before)).await.unwrap();
            model.compacted = model.compacted.max(before);
        }
        Step::Reopen => unreachable!("done by the caller"),
    }
}

fn wished(model: &Model, key: &str, wish: Wish) -> Expect {
    match wish {
        Wish::Truth => match model.live(key, u64::MAX) {
            Some((revision, _)) => Expect::At(Revision::new(revision)),
            None => Expect::Absent,
        },
        Wish::Absent => Expect::Absent,
        Wish::Present => Expect::Present,
        Wish::Any => Expect::Any,
        Wish::Revision(n) => Expect::At(Revision::new(n)),
    }
}

fn to_write((key, value): &(&'static str, Option<String>)) -> Write {
    match value {
        Some(value) => Write::put(*key, value.clone()),
        None => Write::delete(*key),
    }
}

/// Every range at every revision that is kept, in pages of two, equals the model.
fn compare_ranges(store: &Store, model: &Model) {
    for at in model.compacted..=model.revision {
        let revision = Some(Revision::new(at));
        for prefix in PREFIXES {
            let wanted = model.items(prefix, at);
            let mut found: Vec<Item> = Vec::new();
            loop {
                let after = found.last().map(|item| item.key.to_string());
                let page = store.range(prefix, after.as_deref(), revision, 2).unwrap();
                found.extend(page.items);
                let after = found.last().map(|item| &*item.key);
                let left = store.count(prefix, after, revision).unwrap();
                assert_eq!(found.len() as u64 + left, wanted.len() as u64);
                assert_eq!(page.more, left > 0);
                if !page.more {
                    break;
                }
            }
            assert_eq!(found, wanted, "{prefix} at {at}");
        }
    }
    for at in 0..model.compacted {
        assert!(store.get("/a", Some(Revision::new(at))).is_err());
    }
}

/// A watch from every revision that is kept equals the model's history.
async fn compare_history(store: &Store, model: &Model) {
    for after in model.compacted..=model.revision {
        for prefix in PREFIXES {
            let wanted = model.changes(prefix, after);
            let mut watch = store.watch(prefix, Revision::new(after)).unwrap();
            let mut found = BTreeSet::new();
            let mut last = after;
            while found.len() < wanted.len() {
                let batch = watch.next().await.unwrap();
                assert!(batch.revision.get() > last, "in order, and once");
                last = batch.revision.get();
                for event in &batch.events {
                    let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
                    let value = match event.kind {
                        cedge_store::EventKind::Put { .. } => Some(text(&event.value)),
                        cedge_store::EventKind::Delete => None,
                    };
                    let previous = event.previous.as_deref().map(text);
                    found.insert((last, event.key.to_string(), value, previous));
                }
            }
            assert_eq!(found, wanted, "{prefix} after {after}");
            assert!(watch.try_next().unwrap().is_none());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_an_ordered_map_with_history_does(steps in vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = Folder::new();
            let open = || Store::open(folder.file(), Options::default()).unwrap();
            let mut store = open();
            let mut model = Model { revision: store.revision().get(), ..Model::default() };
            for step in &steps {
                if matches!(step, Step::Reopen) {
                    drop(store);
                    store = open();
                } else {
                    run(&store, &mut model, step).await;
                }
                assert_eq!(store.revision().get(), model.revision);
            }
            compare_ranges(&store, &model);
            compare_history(&store, &model).await;
        });
    }
}
