//! Server-side apply, and the book-keeping of ownership for all other writes.
//!
//! [`apply`] merges what a manager wants into what is live: fields that it stopped applying and nobody else owns
//! fall away, fields of others conflict unless forced. [`track_update`] records for a create, update or patch which
//! fields it changed. Both keep `metadata.managedFields`.

mod conflict;
mod last_applied;
mod ownership;
mod prune;
mod reset;
mod update;
mod versions;

use serde_json::Value;

use crate::depth::{self, DEPTH_MAX};
use crate::fields::{Set, fields};
use crate::managers::{self, Manager, Managers, Operation, Owned};
use crate::typed::{self, Place};

pub use conflict::{Conflict, Conflicts};
pub use reset::reset_fields;
pub use update::{UpdateArgs, keep_times_if_unchanged, track_update};
pub use versions::{OneVersion, Versions};

/// Manager of what was there before anybody applied.
const BEFORE_APPLY: &str = "before-first-apply";

/// What to apply, onto what, by whom.
#[derive(Debug, Clone, Copy)]
pub struct ApplyArgs<'a> {
    /// The API versions of the kind.
    pub versions: &'a dyn Versions,
    /// The version of the request; `live` and `applied` are in this version.
    pub api_version: &'a str,
    /// What is stored; nothing if the object is made by this.
    pub live: Option<&'a Value>,
    /// What the client sent.
    pub applied: &'a Value,
    /// The field manager that the client named.
    pub manager: &'a str,
    /// Take fields from their owners instead of answering with conflicts.
    pub force: bool,
    /// `status`, `scale`, …; empty for the object itself.
    pub subresource: &'a str,
    /// RFC 3339 to the second, in UTC.
    pub now: &'a str,
    /// Dotted paths that requests of this kind cannot change (`status`, or `spec` for the status subresource).
    pub reset_fields: &'a [&'a str],
}

/// Why nothing was applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own some of the fields. Answered with 409.
    #[error("{0}")]
    Conflicts(Conflicts),
    /// The request is wrong. Answered with 400.
    #[error("{0}")]
    BadRequest(String),
    /// What was sent is not of the kind's type, or what is stored cannot be read. Kubernetes answers this with 500 and
    /// a bare error.
    #[error("{0}")]
    Other(String),
}

impl ApplyError {
    /// HTTP status of the answer.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Conflicts(_) => 409,
            Self::BadRequest(_) => 400,
            Self::Other(_) => 500,
        }
    }

    /// `reason` of the answer's `Status`; empty where Kubernetes sends none.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Conflicts(_) => "Conflict",
            Self::BadRequest(_) => "BadRequest",
            Self::Other(_) => "",
        }
    }
}

/// Applies an object on behalf of a manager: the object as it is to be stored, before defaulting.
///
/// If nothing changes, the live object comes back (with its managers as they are now).
///
/// # Errors
/// See [`ApplyError`]; nothing was changed then.
pub fn apply(args: &ApplyArgs<'_>) -> Result<Value, ApplyError> {
    check(args)?;
    match attempt(args, args.force) {
        Err(ApplyError::Conflicts(conflicts)) if args.manager == last_applied::KUBECTL => {
            // Fields that the same tool wrote by client-side apply are its own: it may take them over.
            let Some(allowed) = last_applied::owned(args) else {
                return Err(ApplyError::Conflicts(conflicts));
            };
            match conflicts.without(&allowed) {
                None => attempt(args, true),
                Some(rest) => Err(ApplyError::Conflicts(rest)),
            }
        }
        other => other,
    }
}

fn check(args: &ApplyArgs<'_>) -> Result<(), ApplyError> {
    let text = |object: &Value, key: &str| -> String {
        let text = object.get(key).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let (version, kind) = (text(args.applied, "apiVersion"), text(args.applied, "kind"));
    let expected = args
        .live
        .map_or_else(|| kind.clone(), |live| text(live, "kind"));
    if version != args.api_version || kind != expected || kind.is_empty() {
        return Err(ApplyError::BadRequest(format!(
            "invalid object type: {}",
            gvk(&version, &kind)
        )));
    }
    if args
        .applied
        .pointer("/metadata/managedFields")
        .is_some_and(|fields| !fields.is_null())
    {
        return Err(ApplyError::BadRequest(
            "metadata.managedFields must be nil".to_owned(),
        ));
    }
    if !depth::is_within(args.applied, DEPTH_MAX) {
        return Err(ApplyError::BadRequest(
            "error decoding patch: exceeded max depth".to_owned(),
        ));
    }
    Ok(())
}

/// `NAMESPACE/NAME; GROUP/VERSION, Kind=KIND`: an object in the messages of Kubernetes.
fn describe(object: &Value) -> String {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or("");
    format!(
        "{}/{}; {}",
        text("/metadata/namespace"),
        text("/metadata/name"),
        gvk(text("/apiVersion"), text("/kind"))
    )
}

/// A kind as Go prints it: the group stands there even if empty.
fn gvk(api_version: &str, kind: &str) -> String {
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{slash}{api_version}, Kind={kind}")
}

fn attempt(args: &ApplyArgs<'_>, force: bool) -> Result<Value, ApplyError> {
    let other = ApplyError::Other;
    let ty = args
        .versions
        .of(args.api_version)
        .ok_or_else(|| other(format!("no corresponding type for {}", args.api_version)))?;
    let place = Place::of(ty);
    let problems = typed::validate(place, args.applied);
    if !problems.is_empty() {
        return Err(other(format!(
            "failed to create typed patch object ({}): {}",
            describe(args.applied),
            typed::tell(&problems)
        )));
    }
    let mut live = args
        .live
        .cloned()
        .unwrap_or_else(|| update::blank(args.applied));
    let entries = managers::take(&mut live);
    let mut all = Managers::read(entries.as_ref())
        .map_err(|error| other(format!("failed to decode managed fields: {error}")))?;
    if all.all.is_empty() && args.live.is_some() {
        all = update::before_first_apply(args, &live).map_err(other)?;
    }
    ownership::reconcile(args.versions, &live, &mut all);

    let merged = typed::merge(place, Some(&live), Some(args.applied))
        .map_err(|problems| {
            other(format!(
                "failed to merge config: {}",
                typed::tell(&problems)
            ))
        })?
        .unwrap_or_default();
    let ignored = ignored(args.reset_fields);
    let me = Manager::new(
        args.manager,
        Operation::Apply,
        args.api_version,
        args.subresource,
    );
    let last = all.all.remove(&me);
    let owned = Owned {
        set: typed::to_set(place, args.applied).recursive_difference(&ignored),
        api_version: args.api_version.to_owned(),
        time: last.as_ref().and_then(|last| last.time.clone()),
    };
    all.all.insert(me.clone(), owned);
    let pruned = prune::prune(args.versions, merged, &all, &me, last.as_ref());
    ownership::transfer(
        &ownership::Change {
            versions: args.versions,
            api_version: args.api_version,
            before: &live,
            after: &pruned,
            ignored: &ignored,
            manager: &me,
        },
        &mut all,
        force,
    )
    .map_err(|error| match error {
        ownership::TransferError::Conflicts(conflicts) => ApplyError::Conflicts(conflicts),
        ownership::TransferError::Incomparable(text) => other(text),
    })?;
    strip(&mut all, &me);
    let changed = !crate::json_patch::same(&live, &pruned);
    if let (true, Some(owned)) = (changed, all.all.get_mut(&me)) {
        owned.time = Some(args.now.to_owned());
    }
    let mut out = if changed { pruned } else { live };
    managers::put(&mut out, all.write());
    if args.manager == last_applied::KUBECTL {
        last_applied::sync(&mut out, args.applied);
    }
    Ok(out)
}

/// What nobody may own by this request.
fn ignored(reset_fields: &[&str]) -> Set {
    let mut set = Set::default();
    for path in reset_fields {
        let names: Vec<&str> = path.split('.').collect();
        set.insert(&fields(&names));
    }
    set
}

/// Takes out of a manager's set what is nobody's: identity and book-keeping of the object itself.
fn strip(all: &mut Managers, manager: &Manager) {
    let Some(owned) = all.all.get_mut(manager) else {
        return;
    };
    let mut nobodys = Set::default();
    for path in [&["apiVersion"][..], &["kind"], &["metadata"]] {
        nobodys.insert(&fields(path));
    }
    for name in [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ] {
        nobodys.insert(&fields(&["metadata", name]));
    }
    owned.set = owned.set.difference(&nobodys);
    if owned.set.is_empty() {
        all.all.remove(manager);
    }
}

#[cfg(test)]
mod tests;
