//! Lists of which nobody wants more than the cached bytes, sent piece by piece.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use crate::cache::Object;
use crate::resource::Resource;
use crate::respond::{self, Body, BoxError};
use crate::stored;

/// Lists larger than this are sent in pieces of about this size, so that a long one is never in memory as a whole.
const PIECE: usize = 64 << 10;

/// Copies the cached bytes of the objects behind each other.
pub(super) fn as_bytes(
    resource: &Resource,
    objects: Vec<Arc<Object>>,
    metadata: &Map<String, Value>,
) -> Response<Body> {
    let api_version = resource.api_version();
    let metadata = serde_json::to_string(metadata).expect("a JSON value can be written to memory");
    let head = format!(
        "{{\"kind\":\"{}\",\"apiVersion\":\"{api_version}\",\"metadata\":{metadata},\"items\":[",
        resource.list_kind
    );
    let mut pieces = Pieces {
        head: Some(head),
        objects: objects.into_iter(),
        // Items of custom lists carry kind and version; items of built-in ones do not.
        whole: resource.is_custom().then_some(api_version),
        first: true,
        done: false,
    };
    let first = pieces.next().unwrap_or_default();
    let body = if pieces.done {
        respond::full(first)
    } else {
        let all = std::iter::once(first)
            .chain(pieces)
            .map(Ok::<Bytes, BoxError>);
        respond::stream(futures::stream::iter(all))
    };
    respond::with_body(StatusCode::OK, "application/json", body)
}

/// A list, piece by piece.
struct Pieces {
    head: Option<String>,
    objects: std::vec::IntoIter<Arc<Object>>,
    whole: Option<String>,
    first: bool,
    done: bool,
}

// === impl Pieces ===

impl Pieces {
    /// About how long the next piece will be, at least.
    fn size_of_next(&self) -> usize {
        let mut size = self.head.as_ref().map_or(0, String::len);
        for object in self.objects.as_slice() {
            size += object.bytes().len() + 2;
            if size > PIECE {
                break;
            }
        }
        size + 3
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        let mut out = BytesMut::with_capacity(self.size_of_next());
        if let Some(head) = self.head.take() {
            out.put_slice(head.as_bytes());
        }
        while out.len() < PIECE {
            let Some(object) = self.objects.next() else {
                out.put_slice(b"]}\n");
                self.done = true;
                break;
            };
            if !std::mem::take(&mut self.first) {
                out.put_u8(b',');
            }
            match &self.whole {
                Some(version) => out.put_slice(&stored::with_api_version(object.bytes(), version)),
                None => {
                    out.put_u8(b'{');
                    out.put_slice(stored::from_metadata(object.bytes()).unwrap_or(b"}"));
                }
            }
        }
        Some(out.freeze())
    }
}
