//! Objects by key, and the indices over them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::{Key, Object};

type KeysOf = Box<dyn Fn(&Object) -> Vec<String> + Send + Sync>;

#[derive(Default)]
pub(super) struct Store {
    /// Ordered, so that a namespace is a range.
    objects: BTreeMap<Key, Arc<Object>>,
    owners: Filing,
    indices: Vec<Index>,
}

struct Index {
    name: &'static str,
    keys: KeysOf,
    filing: Filing,
}

/// Key of an index → keys of objects.
#[derive(Default)]
struct Filing(HashMap<Box<str>, BTreeSet<Key>>);

impl Store {
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.objects.get(key).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Object>> {
        self.objects.values().cloned().collect()
    }

    pub(super) fn namespace(&self, namespace: &str) -> Vec<Arc<Object>> {
        let first = Key::new(namespace, "");
        self.objects
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(|(key, _)| *key.namespace == *namespace)
            .map(|(_, object)| object.clone())
            .collect()
    }

    pub(super) fn by_owner(&self, uid: &str) -> Vec<Arc<Object>> {
        self.filed(&self.owners, uid)
    }

    pub(super) fn by_index(&self, name: &str, key: &str) -> Vec<Arc<Object>> {
        match self.indices.iter().find(|i| i.name == name) {
            Some(index) => self.filed(&index.filing, key),
            None => Vec::new(),
        }
    }

    pub(super) fn add_index(&mut self, name: &'static str, keys: KeysOf) {
        if self.indices.iter().any(|i| i.name == name) {
            return;
        }
        let mut filing = Filing::default();
        for (key, object) in &self.objects {
            filing.add(keys(object), key);
        }
        self.indices.push(Index { name, keys, filing });
    }

    pub(super) fn put(&mut self, object: &Arc<Object>) -> Option<Arc<Object>> {
        let key = object.key().clone();
        let old = self.objects.insert(key.clone(), object.clone());
        if let Some(old) = &old {
            self.unfile(old);
        }
        self.owners.add(owners_of(object), &key);
        for index in &mut self.indices {
            index.filing.add((index.keys)(object), &key);
        }
        old
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Object>> {
        let old = self.objects.remove(key)?;
        self.unfile(&old);
        Some(old)
    }

    pub(super) fn remove_unless(&mut self, keep: impl Fn(&Key) -> bool) -> Vec<Arc<Object>> {
        let gone: Vec<Key> = self.objects.keys().filter(|k| !keep(k)).cloned().collect();
        gone.iter().filter_map(|key| self.remove(key)).collect()
    }

    fn unfile(&mut self, old: &Object) {
        self.owners.remove(owners_of(old), old.key());
        for index in &mut self.indices {
            index.filing.remove((index.keys)(old), old.key());
        }
    }

    fn filed(&self, filing: &Filing, key: &str) -> Vec<Arc<Object>> {
        let keys = filing.0.get(key).into_iter().flatten();
        keys.filter_map(|k| self.objects.get(k).cloned()).collect()
    }
}

impl Filing {
    fn add(&mut self, filed_under: impl IntoIterator<Item = impl Into<Box<str>>>, key: &Key) {
        for under in filed_under {
            self.0.entry(under.into()).or_default().insert(key.clone());
        }
    }

    fn remove(&mut self, filed_under: impl IntoIterator<Item = impl AsRef<str>>, key: &Key) {
        for under in filed_under {
            if let Some(keys) = self.0.get_mut(under.as_ref()) {
                keys.remove(key);
                if keys.is_empty() {
                    self.0.remove(under.as_ref());
                }
            }
        }
    }
}

fn owners_of(object: &Object) -> Vec<Box<str>> {
    object.owners().iter().map(|o| o.uid.clone()).collect()
}
