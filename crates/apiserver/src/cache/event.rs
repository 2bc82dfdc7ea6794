//! One change of one object, written once for all watchers.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::Object;
use crate::selector::Filter;
use crate::stored;

/// What a watcher is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Modified,
    Deleted,
}

/// A change, shared by all who are told of it.
#[derive(Debug)]
pub(crate) struct Event {
    /// The object after the change; for a deletion, its last state with the revision of the deletion.
    pub(crate) object: Arc<Object>,
    /// The object before.
    pub(crate) previous: Option<Arc<Object>>,
    pub(crate) deleted: bool,
    /// The lines of the watch stream, one per [`Change`], in the version in which the object is stored.
    lines: [OnceLock<Bytes>; 3],
}

// === impl Change ===

impl Change {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }

    /// One line of a watch stream.
    pub(crate) fn line(self, object: &[u8]) -> Bytes {
        line(self.as_str(), object)
    }
}

/// One line of a watch stream.
pub(crate) fn line(kind: &str, object: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(object.len() + 32);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    out.extend_from_slice(object);
    out.extend_from_slice(b"}\n");
    out.into()
}

// === impl Event ===

impl Event {
    pub(crate) fn put(object: Arc<Object>, previous: Option<Arc<Object>>) -> Self {
        Self {
            object,
            previous,
            deleted: false,
            lines: Default::default(),
        }
    }

    pub(crate) fn delete(previous: &Object, revision: u64) -> Self {
        let object = Arc::new(previous.at_revision(revision));
        Self {
            previous: Some(object.clone()),
            object,
            deleted: true,
            lines: Default::default(),
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.object.revision()
    }

    /// What a watcher with that filter is told: objects enter and leave its selection.
    pub(crate) fn seen_by(&self, filter: &Filter) -> Option<(Change, Arc<Object>)> {
        let before = self.previous.as_ref().is_some_and(|o| filter.matches(o));
        let after = !self.deleted && filter.matches(&self.object);
        match (before, after) {
            (false, false) => None,
            (false, true) => Some((Change::Added, self.object.clone())),
            (true, true) => Some((Change::Modified, self.object.clone())),
            (true, false) if self.deleted => Some((Change::Deleted, self.object.clone())),
            // It left the selection: the watcher is shown the last state that it could see, as of this change.
            (true, false) => {
                let last = self.previous.as_ref().unwrap_or(&self.object);
                Some((Change::Deleted, Arc::new(last.at_revision(self.revision()))))
            }
        }
    }

    /// The line for a watcher; written once for all watchers in the stored version.
    pub(crate) fn line(&self, change: Change, object: &Object, api_version: &str) -> Bytes {
        let stored_version = |line: &Bytes| stored::with_api_version(line, api_version);
        if std::ptr::eq(object, &*self.object) {
            let slot = &self.lines[change as usize];
            return stored_version(slot.get_or_init(|| change.line(object.bytes())));
        }
        stored_version(&change.line(object.bytes()))
    }

    /// What it holds in memory beyond its successor in the cache, about.
    pub(crate) fn size(&self) -> usize {
        self.object.size()
    }
}
