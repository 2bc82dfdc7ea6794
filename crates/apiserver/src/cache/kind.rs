//! The objects of one kind and their recent changes.

use std::borrow::Borrow;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::object::prefix_of;
use super::{Event, Marks, Object};
use crate::selector::Filter;

/// Changes beyond this many bytes are forgotten once they are a few seconds old.
const RECENT_BYTES: usize = 64 << 10;
/// Changes beyond this many bytes are forgotten at once; watchers that have not seen them read them from the store.
const RECENT_BYTES_MAX: usize = 4 << 20;
/// How long changes are kept above [`RECENT_BYTES`].
const RECENT_AGE: Duration = Duration::from_secs(10);

/// Gives the values of selectable fields.
pub(crate) type Values = Arc<dyn Fn(&Value) -> Vec<String> + Send + Sync>;

/// Computes the values of a kind's selectable fields.
#[derive(Clone)]
pub(crate) struct Indexer {
    /// The names of the fields, beyond `metadata.name` and `metadata.namespace`.
    pub(crate) names: Arc<[String]>,
    /// Their values, in that order; empty where not set.
    pub(crate) values: Values,
}

/// One kind, in the version in which it is stored.
#[derive(Debug)]
pub(crate) struct KindCache {
    name: Arc<str>,
    prefix: String,
    state: RwLock<State>,
    /// The number of the last change; woken watchers look at the recent changes.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    index: Option<Indexer>,
    objects: BTreeSet<ByPath>,
    bytes: usize,
    recent: VecDeque<(Instant, Arc<Event>)>,
    recent_bytes: usize,
    /// The number of the first of `recent`.
    first: u64,
    /// `recent` holds every change after this revision.
    complete_after: u64,
    /// The revision of the last change.
    last: u64,
}

/// A page of a list.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) objects: Vec<Arc<Object>>,
    /// The state is that of this revision.
    pub(crate) revision: u64,
    /// Whether objects follow the last one.
    pub(crate) more: bool,
    /// How many follow, where no selector makes that unknown.
    pub(crate) remaining: Option<u64>,
    /// The number of the last change that is part of the state.
    pub(crate) seen: u64,
}

/// The changes after some number are not all held here any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Behind;

// === impl KindCache ===

impl KindCache {
    pub(super) fn new(name: &Arc<str>, loaded_at: u64) -> Self {
        Self {
            name: name.clone(),
            prefix: prefix_of(name),
            state: RwLock::new(State {
                complete_after: loaded_at,
                ..State::default()
            }),
            changed: watch::channel(0).0,
        }
    }

    /// `group/plural`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The prefix of its keys in the store.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn indexer(&self) -> Option<Indexer> {
        self.read().index.clone()
    }

    /// States the selectable fields; objects that are held already are looked at anew.
    pub(crate) fn set_indexer(&self, index: Option<Indexer>) {
        let mut state = self.write();
        let names = |index: &Option<Indexer>| index.as_ref().map(|i| i.names.clone());
        if names(&state.index) == names(&index) {
            state.index = index;
            return;
        }
        let objects = std::mem::take(&mut state.objects);
        state.objects = objects
            .into_iter()
            .map(|o| match o.0.reindexed(index.as_ref()) {
                Ok(object) => Arc::new(object).into(),
                Err(_) => o,
            })
            .collect();
        state.index = index;
    }

    pub(crate) fn get(&self, path: &str) -> Option<Arc<Object>> {
        self.read().objects.get(path).map(|o| o.0.clone())
    }

    /// How many objects there are, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.read();
        (state.objects.len(), state.bytes)
    }

    /// The matching objects after the path `after`, at most `limit` (0: all). `applied` is the revision up to which the
    /// whole cache was complete before this call.
    pub(crate) fn list(
        &self,
        filter: &Filter,
        after: Option<&str>,
        limit: usize,
        applied: u64,
    ) -> Listed {
        let state = self.read();
        let mut listed = Listed {
            revision: applied.max(state.last),
            seen: state.seen(),
            ..Listed::default()
        };
        if let Some(path) = only_path(filter) {
            let object = state.objects.get(path.as_str()).map(|o| o.0.clone());
            listed.objects.extend(object.filter(|o| filter.matches(o)));
            return listed;
        }
        let (scope, end) = scope(&filter.namespace);
        let start = match after {
            Some(path) if path >= end.as_str() && !end.is_empty() => return listed,
            Some(path) if path >= scope.as_str() => Bound::Excluded(path),
            _ => Bound::Included(scope.as_str()),
        };
        let end = match end.as_str() {
            "" => Bound::Unbounded,
            end => Bound::Excluded(end),
        };
        let wanted = filter.marks();
        let mut objects = state.objects.range::<str, _>((start, end));
        for object in objects.by_ref() {
            // Whether what follows is wanted is not looked at: the next page may be empty.
            if limit > 0 && listed.objects.len() == limit {
                listed.more = true;
                break;
            }
            if object.1.include(wanted) && filter.matches(&object.0) {
                listed.objects.push(object.0.clone());
            }
        }
        if listed.more && filter.is_everything() {
            listed.remaining = Some(1 + objects.count() as u64);
        }
        listed
    }

    /// Whether nothing has changed since a revision, so that the present state is that revision's.
    pub(crate) fn unchanged_since(&self, revision: u64) -> bool {
        self.read().last <= revision
    }

    /// The number of the last change at or before a revision, if all changes after it are held here; the
    /// revision from which they are, if not.
    pub(crate) fn resume(&self, revision: u64) -> Result<u64, u64> {
        let state = self.read();
        if revision < state.complete_after {
            return Err(state.complete_after);
        }
        let before = state
            .recent
            .partition_point(|(_, e)| e.revision() <= revision);
        Ok(state.first + before as u64)
    }

    /// At most `max` changes after that number.
    pub(crate) fn changes(&self, seen: u64, max: usize) -> Result<Vec<Arc<Event>>, Behind> {
        let state = self.read();
        let skip = seen.checked_sub(state.first).ok_or(Behind)?;
        let skip = usize::try_from(skip).map_err(|_| Behind)?;
        let recent = state.recent.iter().skip(skip).take(max);
        Ok(recent.map(|(_, e)| e.clone()).collect())
    }

    /// Tells of new changes: the number of the last one.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Starts at a state read from the store.
    pub(super) fn load(&self, object: Object) {
        let mut state = self.write();
        state.bytes += object.size();
        state.last = state.last.max(object.revision());
        state.objects.replace(Arc::new(object).into());
    }

    /// Says that the state is complete at a revision, with no changes known before it.
    pub(super) fn loaded(&self, revision: u64) {
        let mut state = self.write();
        state.complete_after = revision;
    }

    /// Applies a change of the store.
    pub(super) fn apply(&self, change: Applied) -> Arc<Event> {
        let mut state = self.write();
        let event = Arc::new(match change {
            Applied::Put(object) => {
                let object = Arc::new(object);
                state.bytes += object.size();
                let old = state.objects.replace(object.clone().into());
                Event::put(object, old.map(|o| o.0))
            }
            Applied::Delete(last, revision) => {
                state.objects.remove(last.path());
                Event::delete(&last, revision)
            }
        });
        let gone = event.previous.as_ref().map_or(0, |o| o.size());
        state.bytes = state.bytes.saturating_sub(gone);
        state.last = event.revision();
        state.recent_bytes += event.size();
        state.recent.push_back((Instant::now(), event.clone()));
        state.forget();
        let seen = state.seen();
        drop(state);
        self.changed.send_replace(seen);
        event
    }

    /// Forgets changes that are old.
    pub(super) fn trim(&self) {
        self.write().forget();
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change, ready to be applied.
pub(super) enum Applied {
    Put(Object),
    /// The last state, and the revision of the deletion.
    Delete(Arc<Object>, u64),
}

// === impl State ===

impl State {
    fn seen(&self) -> u64 {
        self.first + self.recent.len() as u64
    }

    fn forget(&mut self) {
        while let Some((at, event)) = self.recent.front() {
            let aged = at.elapsed() > RECENT_AGE;
            let over = self.recent_bytes > if aged { RECENT_BYTES } else { RECENT_BYTES_MAX };
            if !over || self.recent.len() == 1 && !aged {
                break;
            }
            self.recent_bytes -= event.size();
            self.complete_after = event.revision();
            self.first += 1;
            self.recent.pop_front();
        }
        if self.recent.len() * 4 < self.recent.capacity() {
            self.recent.shrink_to(self.recent.len() * 2);
        }
    }
}

/// The path of the only object that can match.
fn only_path(filter: &Filter) -> Option<String> {
    let name = filter.fields.name()?;
    (!filter.namespace.is_empty()).then(|| format!("{}/{name}", filter.namespace))
}

/// Where the paths of a namespace begin and before what they end; empty for all.
fn scope(namespace: &str) -> (String, String) {
    // The sign after the slash begins what follows everything below the namespace.
    match namespace {
        "" => (String::new(), String::new()),
        namespace => (format!("{namespace}/"), format!("{namespace}0")),
    }
}

/// An object, ordered by its path; its marks beside it, so that whoever does not want it need not go there.
#[derive(Debug)]
struct ByPath(Arc<Object>, Marks);

// === impl ByPath ===

impl From<Arc<Object>> for ByPath {
    fn from(object: Arc<Object>) -> Self {
        let marks = object.marks();
        Self(object, marks)
    }
}

impl Borrow<str> for ByPath {
    fn borrow(&self) -> &str {
        self.0.path()
    }
}

impl PartialEq for ByPath {
    fn eq(&self, other: &Self) -> bool {
        self.0.path() == other.0.path()
    }
}

impl Eq for ByPath {}

impl PartialOrd for ByPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByPath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.path().cmp(other.0.path())
    }
}

// === impl Indexer ===

impl fmt::Debug for Indexer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indexer")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
