//! What is served: the built-in resources and those of CustomResourceDefinitions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use cedge_kinds::Kind;
use serde_json::{Value, json};

use crate::cache::{Cache, Indexer, KindCache};
use crate::crds::Compiled;
use crate::resource::{Definition, Resource};

/// Group, version, plural.
type Path = (String, String, String);
type Table = HashMap<Path, Arc<Resource>>;

/// Read at each request without a lock; replaced as a whole when a definition changes.
#[derive(Debug)]
pub(crate) struct Registry {
    built_in: Table,
    custom: ArcSwap<Table>,
    /// Definitions that are about to be served.
    pub(crate) compiled: Compiled,
    /// One change at a time.
    change: Mutex<()>,
}

// === impl Registry ===

impl Registry {
    pub(crate) fn new(cache: &Cache) -> Self {
        let resources = cedge_kinds::all().iter().map(|kind| {
            let resource = built_in(kind, cache);
            let path = (
                resource.group.clone(),
                resource.version.clone(),
                resource.plural.clone(),
            );
            (path, Arc::new(resource))
        });
        Self {
            built_in: resources.collect(),
            custom: ArcSwap::default(),
            compiled: Compiled::default(),
            change: Mutex::new(()),
        }
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let path = (group.to_owned(), version.to_owned(), plural.to_owned());
        let found = self.built_in.get(&path);
        found
            .cloned()
            .or_else(|| self.custom.load().get(&path).cloned())
    }

    /// A built-in resource that must be there.
    pub(crate) fn built_in(&self, group: &str, version: &str, plural: &str) -> Arc<Resource> {
        let path = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.built_in
            .get(&path)
            .expect("the kind is in the table")
            .clone()
    }

    /// Some version of a resource.
    pub(crate) fn any_version(&self, group: &str, plural: &str) -> Option<Arc<Resource>> {
        let custom = self.custom.load();
        let mut all = self.built_in.values().chain(custom.values());
        all.find(|r| r.is(group, plural)).cloned()
    }

    /// All resources whose objects are kept in one place: the same ones under several names.
    pub(crate) fn same_objects(&self, cache: &Arc<KindCache>) -> Vec<Arc<Resource>> {
        let custom = self.custom.load();
        let all = self.built_in.values().chain(custom.values());
        let mut same: Vec<_> = all
            .filter(|r| r.is_stored() && Arc::ptr_eq(&r.cache, cache))
            .cloned()
            .collect();
        same.sort_by(|a, b| (&a.group, &a.version).cmp(&(&b.group, &b.version)));
        same
    }

    /// The resource of a kind.
    pub(crate) fn of_kind(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Resource>> {
        let custom = self.custom.load();
        let mut all = self.built_in.values().chain(custom.values());
        let found = all
            .find(|r| r.kind == kind && r.group == group && r.version == version && r.is_stored());
        found.cloned()
    }

    /// Replaces all versions of a custom resource.
    pub(crate) fn set_custom(&self, group: &str, plural: &str, versions: Vec<Resource>) {
        let _one = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = Table::clone(&self.custom.load());
        table.retain(|(g, _, p), _| g != group || p != plural);
        for resource in versions {
            let path = (
                group.to_owned(),
                resource.version.clone(),
                plural.to_owned(),
            );
            table.insert(path, Arc::new(resource));
        }
        self.custom.store(Arc::new(table));
    }
}

fn built_in(kind: &'static Kind, cache: &Cache) -> Resource {
    let storage = if kind.is_stored() {
        kind.storage()
    } else {
        kind
    };
    let objects = cache.kind(storage.group, storage.plural);
    if kind.is_stored() && std::ptr::eq(kind, storage) {
        objects.set_indexer(indexer(kind));
    }
    Resource {
        group: kind.group.to_owned(),
        version: kind.version.to_owned(),
        plural: kind.plural.to_owned(),
        kind: kind.kind.to_owned(),
        list_kind: format!("{}List", kind.kind),
        namespaced: kind.namespaced,
        cache: objects,
        definition: Definition::BuiltIn(kind),
    }
}

/// The selectable fields of a built-in kind beyond name and namespace.
fn indexer(kind: &'static Kind) -> Option<Indexer> {
    let beyond = |(name, _): &(String, String)| {
        !matches!(name.as_str(), "metadata.name" | "metadata.namespace")
    };
    let pairs = move |object: &Value| -> Vec<(String, String)> {
        let fields = cedge_kinds::fields(kind, object).into_iter();
        fields
            .map(|(name, value)| (name.to_string(), value))
            .filter(beyond)
            .collect()
    };
    let names: Vec<String> = pairs(&json!({}))
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    if names.is_empty() {
        return None;
    }
    Some(Indexer {
        names: names.into(),
        values: Arc::new(move |object| pairs(object).into_iter().map(|(_, value)| value).collect()),
    })
}
