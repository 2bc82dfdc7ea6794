//! What was asked and what was answered, call by call, and what watchers were told.
//!
//! Times are nanoseconds of one monotonic clock of the process that runs all clients.

use serde::{Deserialize, Serialize};

/// An object: the number of its kind, and its own number within the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Index into the kinds of the storm.
    pub kind: usize,
    /// Its name is made of this.
    pub index: u32,
}

/// One state of an object, as some answer showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its resource version.
    pub revision: u64,
    /// Its identity, from creation to deletion.
    pub uid: String,
    /// The write that made this state: every write of a storm has a tag of its own.
    pub tag: u64,
    /// Written once by the call that created it, if that was a create; every later write must leave it.
    pub seed: Option<u64>,
}

/// What a call asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// POST.
    Create {
        /// The object.
        key: Key,
        /// The tag.
        tag: u64,
    },
    /// PUT of what was read before, with its resource version.
    Update {
        /// The object.
        key: Key,
        /// The tag.
        tag: u64,
        /// The resource version that it names.
        base: u64,
    },
    /// A merge patch, upon whatever there is.
    Patch {
        /// The object.
        key: Key,
        /// The tag.
        tag: u64,
    },
    /// A server-side apply, which creates what is not there.
    Apply {
        /// The object.
        key: Key,
        /// The tag.
        tag: u64,
    },
    /// DELETE, perhaps with preconditions.
    Delete {
        /// The object.
        key: Key,
        /// The uid that it must have.
        uid: Option<String>,
        /// The resource version that it must have.
        revision: Option<u64>,
    },
    /// GET.
    Get {
        /// The object.
        key: Key,
    },
    /// A whole list, in pages.
    List {
        /// The kind.
        kind: usize,
    },
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The write was acknowledged with this state.
    Wrote(Seen),
    /// The deletion of the object with this uid was acknowledged.
    Deleted {
        /// As the answer has it.
        uid: String,
    },
    /// A GET was answered; `None`: 404.
    Read(Option<Seen>),
    /// A list was answered to its end.
    Listed {
        /// The revision of each page.
        pages: Vec<u64>,
        /// Number and resource version of each item, in order.
        items: Vec<(u32, u64)>,
    },
    /// It did not happen, says the server with this code.
    Refused(u16),
    /// Nobody knows: the connection ended, or the server failed.
    Unknown(String),
}

/// One call, from before its first byte was sent to after its last one was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Whose call it was.
    pub client: usize,
    /// When it began.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// What was asked for.
    pub deed: Deed,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a watch says of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It is new.
    Added,
    /// It is another.
    Modified,
    /// It is gone.
    Deleted,
}

/// One thing that a watcher was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// It began anew with a list.
    Listed {
        /// When the list was asked for.
        start: u64,
        /// The revision of the list.
        revision: u64,
        /// Number and resource version of each item.
        items: Vec<(u32, u64)>,
    },
    /// It went on watching after this revision, on a new connection.
    Resumed {
        /// The last revision that it had seen.
        after: u64,
    },
    /// An event.
    Event {
        /// When it was received.
        at: u64,
        /// What happened.
        change: Change,
        /// The object's number.
        index: u32,
        /// The state of the object.
        seen: Seen,
    },
    /// A bookmark: everything up to this revision has been told.
    Bookmark {
        /// That revision.
        revision: u64,
    },
}

/// Everything that one watcher was told, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watching {
    /// The kind.
    pub kind: usize,
    /// What it was told.
    pub notes: Vec<Note>,
}

/// The list of a kind after the storm, when nobody writes any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// The kind.
    pub kind: usize,
    /// The revision of the list.
    pub revision: u64,
    /// Number and resource version of each item.
    pub items: Vec<(u32, u64)>,
}

/// A whole storm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// All calls, in no order.
    pub calls: Vec<Call>,
    /// All watchers.
    pub watchers: Vec<Watching>,
    /// One for each kind.
    pub last: Vec<Last>,
}

// === impl Change ===

impl Change {
    /// Whether the object is gone with it.
    #[must_use]
    pub fn is_end(self) -> bool {
        self == Self::Deleted
    }
}

// === impl Deed ===

impl Deed {
    /// The object, if it is about one.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        match self {
            Self::Create { key, .. }
            | Self::Update { key, .. }
            | Self::Patch { key, .. }
            | Self::Apply { key, .. }
            | Self::Delete { key, .. }
            | Self::Get { key } => Some(*key),
            Self::List { .. } => None,
        }
    }

    /// The tag, if it writes one.
    #[must_use]
    pub fn tag(&self) -> Option<u64> {
        match self {
            Self::Create { tag, .. }
            | Self::Update { tag, .. }
            | Self::Patch { tag, .. }
            | Self::Apply { tag, .. } => Some(*tag),
            Self::Delete { .. } | Self::Get { .. } | Self::List { .. } => None,
        }
    }
}
