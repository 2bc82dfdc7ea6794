//! The form in which objects are stored and cached.
//!
//! `{"kind":…,"apiVersion":…,"metadata":{…},…}`: with the three in front, the resource version can be spliced in and
//! the version of the API swapped without decoding the object. The resource version itself is not stored: it is the
//! revision of the write.

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

const METADATA: &[u8] = b"\"metadata\":{";
const VERSION: &[u8] = b"\"resourceVersion\":\"";

/// Encodes an object for the store.
pub(crate) fn encode(object: &Value) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    serde_json::to_writer(&mut out, &Ordered(object))
        .expect("a JSON value can be written to memory");
    out.shrink_to_fit();
    out.into()
}

/// Where the metadata's first field begins, if this is a stored object.
fn metadata_at(bytes: &[u8]) -> Option<usize> {
    let head = &bytes[..bytes.len().min(1024)];
    let at = head.windows(METADATA.len()).position(|w| w == METADATA)?;
    Some(at + METADATA.len())
}

/// Puts the resource version into a stored object, or replaces the one that is there.
pub(crate) fn with_revision(stored: &[u8], revision: u64) -> Option<Bytes> {
    let at = metadata_at(stored)?;
    let mut rest = &stored[at..];
    if let Some(after) = rest.strip_prefix(VERSION) {
        let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
        rest = after.get(digits + 1..)?;
        rest = rest.strip_prefix(b",").unwrap_or(rest);
    }
    let number = revision.to_string();
    let mut out = Vec::with_capacity(at + rest.len() + VERSION.len() + number.len() + 2);
    out.extend_from_slice(&stored[..at]);
    out.extend_from_slice(VERSION);
    out.extend_from_slice(number.as_bytes());
    out.push(b'"');
    if rest.first() != Some(&b'}') {
        out.push(b',');
    }
    out.extend_from_slice(rest);
    Some(out.into())
}

/// The same object in another version of its API.
pub(crate) fn with_api_version(bytes: &Bytes, api_version: &str) -> Bytes {
    const FIELD: &[u8] = b"\"apiVersion\":\"";
    let head = &bytes[..bytes.len().min(512)];
    let Some(at) = head.windows(FIELD.len()).position(|w| w == FIELD) else {
        return bytes.clone();
    };
    let at = at + FIELD.len();
    let Some(len) = bytes[at..].iter().position(|b| *b == b'"') else {
        return bytes.clone();
    };
    if &bytes[at..at + len] == api_version.as_bytes() {
        return bytes.clone();
    }
    let mut out = Vec::with_capacity(bytes.len() + api_version.len());
    out.extend_from_slice(&bytes[..at]);
    out.extend_from_slice(api_version.as_bytes());
    out.extend_from_slice(&bytes[at + len..]);
    out.into()
}

/// The object without kind and version, as items of built-in lists are written: everything from the metadata on.
pub(crate) fn from_metadata(bytes: &[u8]) -> Option<&[u8]> {
    metadata_at(bytes).map(|at| &bytes[at - METADATA.len()..])
}

/// Writes kind, version and metadata first, whatever the order of the map.
struct Ordered<'a>(&'a Value);

// === impl Ordered ===

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const FIRST: [&str; 3] = ["kind", "apiVersion", "metadata"];
        let Some(fields) = self.0.as_object() else {
            return self.0.serialize(serializer);
        };
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for key in FIRST {
            if let Some(value) = fields.get(key) {
                if key == "metadata" {
                    map.serialize_entry(key, &Metadata(value))?;
                } else {
                    map.serialize_entry(key, value)?;
                }
            }
        }
        for (key, value) in fields.iter().filter(|(k, _)| !FIRST.contains(&k.as_str())) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Leaves the resource version out.
struct Metadata<'a>(&'a Value);

// === impl Metadata ===

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(fields) = self.0.as_object() else {
            return self.0.serialize(serializer);
        };
        let kept = fields
            .iter()
            .filter(|(k, _)| !matches!(k.as_str(), "resourceVersion" | "selfLink"));
        serializer.collect_map(kept)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_revision_is_spliced_in_and_replaced() {
        let object = json!({"data": {}, "metadata": {"name": "a", "resourceVersion": "7"}, "kind": "ConfigMap", "apiVersion": "v1"});
        let stored = encode(&object);
        assert_eq!(
            stored,
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{}}"#
        );
        let once = with_revision(&stored, 12).unwrap();
        assert_eq!(
            once,
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"12","name":"a"},"data":{}}"#
        );
        let twice = with_revision(&once, 3456).unwrap();
        let value: Value = serde_json::from_slice(&twice).unwrap();
        assert_eq!(
            value["metadata"],
            json!({"name": "a", "resourceVersion": "3456"})
        );
    }

    #[test]
    fn the_version_of_the_api_is_swapped() {
        let v1 = Bytes::from_static(br#"{"kind":"A","apiVersion":"g/v1","metadata":{"name":"a"}}"#);
        assert_eq!(
            with_api_version(&v1, "g/v1beta1"),
            r#"{"kind":"A","apiVersion":"g/v1beta1","metadata":{"name":"a"}}"#
        );
        assert_eq!(from_metadata(&v1).unwrap(), br#""metadata":{"name":"a"}}"#);
    }
}
