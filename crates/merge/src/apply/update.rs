//! Ownership under creates, updates and patches.

use cedge_schema::TypeRef;
use serde_json::{Map, Value};

use super::ownership::{self, Change};
use super::versions::Versions;
use super::{ApplyArgs, BEFORE_APPLY, ignored, strip};
use crate::fields::Set;
use crate::managers::{self, Manager, Managers, Operation, Owned};

/// Stands for the request until it is known what it changed.
const CURRENT: &str = "current-operation";

/// A create, update or patch that is about to be stored.
#[derive(Debug, Clone, Copy)]
pub struct UpdateArgs<'a> {
    /// The API versions of the kind.
    pub versions: &'a dyn Versions,
    /// The version of the request; the objects are in this version.
    pub api_version: &'a str,
    /// What is stored; nothing for a create.
    pub live: Option<&'a Value>,
    /// The field manager that the client named, or the first part of its user agent.
    pub manager: &'a str,
    /// `status`, `scale`, …; empty for the object itself.
    pub subresource: &'a str,
    /// RFC 3339 to the second, in UTC.
    pub now: &'a str,
    /// Dotted paths that requests of this kind cannot change.
    pub reset_fields: &'a [&'a str],
}

/// Sets `metadata.managedFields` of an object that is about to be stored: the manager owns what it changed.
///
/// What the client itself sent as managed fields counts as far as it is sound; an empty list resets them. Never fails:
/// where the change cannot be understood, the managed fields stay as they are stored.
pub fn track_update(args: &UpdateArgs<'_>, new: &mut Value) {
    let sent = managers::take(new);
    let stored = args
        .live
        .and_then(|live| live.pointer("/metadata/managedFields"));
    let all = match start(args, sent.as_ref(), stored) {
        // Nobody tracks this object: an apply would start it.
        Some(all) if all.all.is_empty() && args.live.is_some() => return,
        Some(all) => all,
        None => return,
    };
    let entries = match record(args, new, all, args.manager) {
        Some(all) => all.write(),
        None => stored.cloned(),
    };
    managers::put(new, entries);
}

/// The managers to begin with; nothing if the client reset them.
fn start(args: &UpdateArgs<'_>, sent: Option<&Value>, stored: Option<&Value>) -> Option<Managers> {
    let stored = || Managers::read(stored).unwrap_or_default();
    // A subresource does not write metadata.
    if !args.subresource.is_empty() {
        return Some(stored());
    }
    if is_reset(sent) {
        return Some(Managers::default());
    }
    match Managers::read(sent) {
        Ok(sent) if !sent.all.is_empty() => Some(sent),
        _ => Some(stored()),
    }
}

/// An empty list, or a list of one empty entry.
fn is_reset(sent: Option<&Value>) -> bool {
    match sent.and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([only]) => only.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

fn record(args: &UpdateArgs<'_>, new: &Value, mut all: Managers, name: &str) -> Option<Managers> {
    let ty = args.versions.of(args.api_version)?;
    let mut before = args.live.cloned().unwrap_or_else(|| zero(ty, new));
    managers::take(&mut before);
    let mut after = new.clone();
    managers::take(&mut after);
    ownership::reconcile(args.versions, &before, &mut all);
    let ignored = ignored(args.reset_fields);
    let current = Manager::new(
        CURRENT,
        Operation::Update,
        args.api_version,
        args.subresource,
    );
    let change = Change {
        versions: args.versions,
        api_version: args.api_version,
        before: &before,
        after: &after,
        ignored: &ignored,
        manager: &current,
    };
    let difference = ownership::transfer(&change, &mut all, true).ok()?;
    let set = difference.modified.union(&difference.added);
    claim(&mut all, &current, set, args.api_version);
    if let Some(owned) = all.all.remove(&current) {
        let manager = Manager::new(name, Operation::Update, args.api_version, args.subresource);
        let mut set = owned.set;
        if let Some(before) = all.all.get(&manager) {
            set.add(&before.set);
        }
        let owned = Owned {
            set,
            api_version: args.api_version.to_owned(),
            time: Some(args.now.to_owned()),
        };
        all.all.insert(manager, owned);
    }
    all.cap();
    Some(all)
}

fn claim(all: &mut Managers, current: &Manager, set: Set, api_version: &str) {
    let owned = Owned {
        set,
        api_version: api_version.to_owned(),
        time: None,
    };
    all.all.insert(current.clone(), owned);
    strip(all, current);
}

/// The manager of all that is there when somebody applies for the first time.
pub(super) fn before_first_apply(args: &ApplyArgs<'_>, live: &Value) -> Result<Managers, String> {
    let update = UpdateArgs {
        versions: args.versions,
        api_version: args.api_version,
        live: None,
        manager: BEFORE_APPLY,
        subresource: args.subresource,
        now: args.now,
        reset_fields: args.reset_fields,
    };
    record(&update, live, Managers::default(), BEFORE_APPLY)
        .ok_or_else(|| "failed to create manager for existing fields".to_owned())
}

/// An object of the same kind with nothing in it.
pub(super) fn blank(like: &Value) -> Value {
    let mut out = Map::new();
    for key in ["apiVersion", "kind"] {
        if let Some(value) = like.get(key) {
            out.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(out)
}

/// What a new object is compared with. A built-in one has some fields even if empty (those that Kubernetes always
/// writes): that they are there is nobody's doing.
fn zero(ty: TypeRef<'_>, like: &Value) -> Value {
    let mut out = blank(like);
    if let (Some(_), Some(object), Value::Object(zero)) =
        (ty.name(), out.as_object_mut(), cedge_schema::zero(ty))
    {
        for (key, value) in zero {
            object.entry(key).or_insert(value);
        }
    }
    out
}

/// Takes the managers' times back from the stored object if nothing else changed: a write that changes nothing is
/// none.
pub fn keep_times_if_unchanged(live: &Value, new: &mut Value) {
    let times = |object: &Value| -> Vec<Value> {
        let entries = object
            .pointer("/metadata/managedFields")
            .and_then(Value::as_array);
        entries
            .into_iter()
            .flatten()
            .cloned()
            .map(without_time)
            .collect()
    };
    if times(live) != times(new) {
        return;
    }
    let mut before = live.clone();
    let mut after = new.clone();
    let entries = managers::take(&mut before);
    managers::take(&mut after);
    if before == after {
        managers::put(new, entries);
    }
}

fn without_time(mut entry: Value) -> Value {
    if let Some(entry) = entry.as_object_mut() {
        entry.remove("time");
    }
    entry
}
