//! The tables of a link: their names, directions and policies.
//!
//! A table belongs to one peer and has one writer. The hub keeps a writer of every `down` table and a reader of every
//! `up` table for each child; the child the other ends, for its parent.

use crate::{Reader, Writer};

/// What the reader does with keys that the writer does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Absence is never deletion (I3): a row goes only by a tombstone that names it, a stale version is refused.
    Retain,
    /// As [`Policy::Retain`], and a mass deletion (ten or more rows and more than half of them) is held until confirmed.
    RetainAndHold,
    /// The writer is authoritative: what it no longer has is dropped.
    Mirror,
}

/// One table, as both ends know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its policy.
    pub policy: Policy,
    /// How many rows a reader takes at most: a bound on what a peer can make us store.
    pub rows_max: usize,
}

const fn spec(name: &'static str, policy: Policy, rows_max: usize) -> TableSpec {
    TableSpec {
        name,
        policy,
        rows_max,
    }
}

/// Down: what a child is told about itself (name, path, labels, settings).
pub const ASSIGNMENT: TableSpec = spec("assignment", Policy::Retain, 100);
/// Down: the Missions that are for a child's subtree.
pub const MISSIONS: TableSpec = spec("missions", Policy::RetainAndHold, 20_000);
/// Down, to a node: its pods.
pub const PODS: TableSpec = spec("pods", Policy::Retain, 2_000);
/// Down, to a node: the ConfigMaps and Secrets that its pods refer to.
pub const OBJECTS: TableSpec = spec("objects", Policy::Retain, 10_000);
/// Up: a child's lines and folds about Missions.
pub const REPORTS: TableSpec = spec("reports", Policy::Mirror, 20_000);
/// Up: what a child says about itself.
pub const CLUSTER: TableSpec = spec("cluster", Policy::Mirror, 100);
/// Up: the roster of a child's subtree.
pub const ROSTER: TableSpec = spec("roster", Policy::Mirror, 20_000);
/// Up, from a node: its Node.
pub const NODE: TableSpec = spec("node", Policy::Mirror, 100);
/// Up, from a node: what its pods do.
pub const PODSTATUS: TableSpec = spec("podstatus", Policy::Mirror, 4_000);
/// Up, from a node: its events.
pub const EVENTS: TableSpec = spec("events", Policy::Mirror, 4_000);

/// One end of a table, given to a session.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// We write, the peer reads.
    Writer(Writer),
    /// The peer writes, we read.
    Reader(Reader),
}

impl From<Writer> for Endpoint {
    fn from(writer: Writer) -> Self {
        Self::Writer(writer)
    }
}

impl From<Reader> for Endpoint {
    fn from(reader: Reader) -> Self {
        Self::Reader(reader)
    }
}

impl Endpoint {
    /// The table that this is an end of.
    #[must_use]
    pub fn spec(&self) -> TableSpec {
        match self {
            Self::Writer(writer) => writer.spec(),
            Self::Reader(reader) => reader.spec(),
        }
    }
}
