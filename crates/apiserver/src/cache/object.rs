//! One object: its bytes, and what selectors look at.

use std::borrow::Cow;

use bytes::Bytes;
use cedge_store::Key;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::Marks;
use crate::status::{Error, Result};
use crate::stored;

/// Where objects lie in the store.
const ROOT: &str = "/registry/";

/// The prefix of all keys of a kind; `kind` is `group/plural`, the core group written `core`.
pub(crate) fn prefix_of(kind: &str) -> String {
    format!("{ROOT}{kind}/")
}

/// The key of an object.
pub(crate) fn key_of(kind: &str, namespace: &str, name: &str) -> Key {
    if namespace.is_empty() {
        format!("{ROOT}{kind}/{name}").into()
    } else {
        format!("{ROOT}{kind}/{namespace}/{name}").into()
    }
}

/// Splits a key into kind (`group/plural`) and the rest.
pub(super) fn split_key(key: &str) -> Option<(&str, &str)> {
    let path = key.strip_prefix(ROOT)?;
    let slash = path.find('/')?;
    let end = slash + 1 + path[slash + 1..].find('/')?;
    Some((&path[..end], &path[end + 1..]))
}

/// An object as it was at one revision. Shared by the cache, the recent events and whoever is reading.
#[derive(Debug)]
pub(crate) struct Object {
    key: Key,
    /// Where `namespace/name` begins in the key.
    path_at: usize,
    /// The JSON in the version in which it is stored, resource version included.
    bytes: Bytes,
    revision: u64,
    /// Keys and values in turn, each ended by a zero byte: one allocation instead of one for each.
    labels: Box<str>,
    /// The values of the kind's selectable fields, in the kind's order, each ended by a zero byte.
    fields: Box<str>,
    /// Of all labels and of all fields that are set.
    marks: Marks,
}

// === impl Object ===

impl Object {
    /// Makes an object of what the store holds. `index` gives the values of the selectable fields.
    pub(crate) fn new(
        key: &Key,
        value: &[u8],
        revision: u64,
        index: Option<&super::Indexer>,
    ) -> Result<Self> {
        let (_, path) = split_key(key).ok_or_else(|| Error::internal("a key without a kind"))?;
        let bytes = stored::with_revision(value, revision)
            .ok_or_else(|| Error::internal(format!("`{key}` holds no object")))?;
        let fields = match index {
            None => Box::default(),
            Some(index) => {
                let value: Value = serde_json::from_slice(&bytes).map_err(Error::internal)?;
                joined((index.values)(&value).iter().map(String::as_str))
            }
        };
        let labels = labels_of(&bytes)?;
        Ok(Self {
            key: key.clone(),
            path_at: key.len() - path.len(),
            marks: marks_of(&labels, &fields),
            labels,
            fields,
            bytes,
            revision,
        })
    }

    /// The same object with the resource version of its deletion.
    pub(crate) fn at_revision(&self, revision: u64) -> Self {
        let bytes = stored::with_revision(&self.bytes, revision);
        Self {
            key: self.key.clone(),
            path_at: self.path_at,
            bytes: bytes.unwrap_or_else(|| self.bytes.clone()),
            revision,
            labels: self.labels.clone(),
            fields: self.fields.clone(),
            marks: self.marks,
        }
    }

    /// `namespace/name`, or the name alone.
    pub(crate) fn path(&self) -> &str {
        &self.key[self.path_at..]
    }

    pub(crate) fn namespace(&self) -> &str {
        self.path()
            .split_once('/')
            .map_or("", |(namespace, _)| namespace)
    }

    pub(crate) fn name(&self) -> &str {
        self.path()
            .split_once('/')
            .map_or(self.path(), |(_, name)| name)
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        let found = pairs(&self.labels).find(|(k, _)| *k == key);
        found.map(|(_, value)| value)
    }

    /// What lists and watches look at first.
    pub(crate) fn marks(&self) -> Marks {
        self.marks
    }

    /// The value of the selectable field of that index; empty if it is not set.
    pub(crate) fn field(&self, index: usize) -> &str {
        self.fields.split('\0').nth(index).unwrap_or_default()
    }

    /// Decodes it.
    pub(crate) fn value(&self) -> Result<Value> {
        serde_json::from_slice(&self.bytes).map_err(Error::internal)
    }

    /// What it holds in memory, about.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + self.key.len() + self.labels.len() + self.fields.len() + 128
    }

    /// Computes the selectable fields anew.
    pub(crate) fn reindexed(&self, index: Option<&super::Indexer>) -> Result<Self> {
        Self::new(&self.key, &self.bytes, self.revision, index)
    }
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> Box<str> {
    let mut out = String::new();
    for text in texts {
        out.push_str(text);
        out.push('\0');
    }
    out.into_boxed_str()
}

/// Keys and values, of texts that are ended by zero bytes.
fn pairs(labels: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut parts = labels.split_terminator('\0');
    std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
}

fn marks_of(labels: &str, fields: &str) -> Marks {
    let labels = pairs(labels).map(|(key, value)| Marks::key(key) | Marks::label(key, value));
    let fields = fields.split_terminator('\0').enumerate();
    let set = fields.filter(|(_, value)| !value.is_empty());
    labels
        .chain(set.map(|(index, value)| Marks::field(index, value)))
        .collect()
}

/// Reads the labels without decoding the rest.
fn labels_of(bytes: &[u8]) -> Result<Box<str>> {
    #[derive(Deserialize)]
    struct Header<'a> {
        #[serde(borrow, default)]
        metadata: Metadata<'a>,
    }
    #[derive(Deserialize, Default)]
    struct Metadata<'a> {
        #[serde(borrow, default)]
        labels: Option<Labels<'a>>,
    }
    let header: Header<'_> = serde_json::from_slice(bytes).map_err(Error::internal)?;
    let labels = header.metadata.labels.map(|l| l.0).unwrap_or_default();
    Ok(joined(labels.iter().map(AsRef::as_ref)))
}

/// Keys and values in turn, borrowed where they are written plainly.
struct Labels<'a>(Vec<Cow<'a, str>>);

// === impl Labels ===

impl<'de: 'a, 'a> Deserialize<'de> for Labels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<Cow<'de, str>>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    pairs.extend([key.0, value.0]);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Pairs).map(Labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read_from_the_bytes() {
        let value = br#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","labels":{"app":"web","n\u0031":"x"}},"spec":{}}"#;
        let key = key_of("core/pods", "ns", "a");
        let object = Object::new(&key, value, 9, None).unwrap();
        assert_eq!(&*key, "/registry/core/pods/ns/a");
        assert_eq!(
            (object.namespace(), object.name(), object.revision()),
            ("ns", "a", 9)
        );
        assert_eq!(object.label("app"), Some("web"));
        assert_eq!(object.label("n1"), Some("x"));
        assert_eq!(object.label("web"), None);
        assert_eq!(
            object.at_revision(12).value().unwrap()["metadata"]["resourceVersion"],
            "12"
        );
    }

    #[test]
    fn cluster_scoped_objects_have_no_namespace() {
        let value = br#"{"kind":"Node","apiVersion":"v1","metadata":{"name":"n"}}"#;
        let object = Object::new(&key_of("core/nodes", "", "n"), value, 1, None).unwrap();
        assert_eq!((object.namespace(), object.name()), ("", "n"));
    }
}
