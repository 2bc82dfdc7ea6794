//! One object at a time: whose is it, apply it, withdraw it.

mod error;

use cedge_api::mission::{Apply, Conflict, Drift, InventoryEntry};
use cedge_api::{DEPLOY_MANAGER, marks};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::observe::{ObjectKey, Observed};
use super::render::{describe, hits, text};
use super::{Catalog, catalog};
use error::refused;

pub use error::Error;

/// An object with the place where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) object: Value,
    pub(crate) resource: ApiResource,
    pub(crate) entry: InventoryEntry,
}

/// Finds the resource of a rendered object and gives it a namespace if it needs one.
pub(crate) async fn place(catalog: &Catalog, mut object: Value) -> Result<Placed, Error> {
    let kind = kind_of(&object);
    let found = catalog.find(&kind).await;
    let (resource, namespaced) = found.map_err(|cause| Error::Kind {
        object: describe(&object),
        cause,
    })?;
    let mut namespace = text(&object, "/metadata/namespace").to_owned();
    if namespaced && namespace.is_empty() {
        "default".clone_into(&mut namespace);
        object["metadata"]["namespace"] = json!(namespace);
    }
    if !namespaced && !namespace.is_empty() {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("namespace");
        }
        namespace.clear();
    }
    let entry = InventoryEntry {
        group: kind.group,
        version: kind.version,
        kind: kind.kind,
        namespace,
        name: text(&object, "/metadata/name").to_owned(),
        uid: None,
    };
    Ok(Placed {
        object,
        resource,
        entry,
    })
}

fn kind_of(object: &Value) -> GroupVersionKind {
    let api = text(object, "/apiVersion");
    let (group, version) = api.split_once('/').unwrap_or(("", api));
    GroupVersionKind::gvk(group, version, text(object, "/kind"))
}

/// Who wants an object, and how.
pub(crate) struct Wish<'a> {
    /// Name of the Mission in this cluster.
    pub(crate) mission: &'a str,
    /// Names of other Missions whose objects it takes over (I3: the same Mission, written again).
    pub(crate) heir_of: &'a [String],
    pub(crate) how: &'a Apply,
    /// Whether the Mission's version is new here: then drift is not a question.
    pub(crate) fresh: bool,
}

/// Makes one object as the Mission wants it; says whether anything was sent.
pub(crate) async fn apply(
    client: &Client,
    observed: &Observed,
    placed: &mut Placed,
    wish: &Wish<'_>,
) -> Result<bool, Error> {
    let key = ObjectKey::from(&placed.entry);
    let wanted = blake3::hash(&serde_json::to_vec(&placed.object).unwrap_or_default());
    if observed.is_settled(&key, wanted) {
        placed.entry.uid = observed.seen(&key).map(|s| s.uid);
        return Ok(false);
    }
    let object = describe(&placed.object);
    let api = api_of(client, placed);
    let fail = |cause| Error::Api {
        object: object.clone(),
        cause: Box::new(cause),
    };
    let live = api.get_opt(&placed.entry.name).await.map_err(fail)?;
    let live = live.map(|o| serde_json::to_value(o).unwrap_or_default());
    let mut force = true;
    if let Some(live) = &live {
        force = judge_owner(live, wish, &object)?;
        keep_ignored(&mut placed.object, live, wish.how);
    }
    let drifted = live.is_some() && !wish.fresh && observed.seen(&key).is_some();
    if wish.how.drift == Drift::Observe && drifted {
        return differs(&api, placed, live.as_ref(), force)
            .await
            .map(|()| false);
    }
    let params = PatchParams {
        force,
        field_manager: Some(DEPLOY_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let result = api
        .patch(&placed.entry.name, &params, &Patch::Apply(&placed.object))
        .await;
    let result = result.map_err(|cause| refused(&object, cause))?;
    placed.entry.uid = result.metadata.uid.clone();
    observed.applied(
        key,
        wanted,
        &serde_json::to_value(result).unwrap_or_default(),
    );
    Ok(true)
}

/// Whether fields of others may be taken; an error if the object may not be touched.
fn judge_owner(live: &Value, wish: &Wish<'_>, object: &str) -> Result<bool, Error> {
    let object = || object.to_owned();
    if live.pointer("/metadata/deletionTimestamp").is_some() {
        return Err(Error::Terminating { object: object() });
    }
    let labels = live.pointer("/metadata/labels");
    let owner = labels
        .and_then(|l| l.get(marks::MISSION))
        .and_then(Value::as_str);
    match owner {
        Some(owner) if owner == wish.mission || wish.heir_of.iter().any(|n| n == owner) => Ok(true),
        Some(owner) => Err(Error::OwnedByMission {
            object: object(),
            owner: owner.to_owned(),
        }),
        None if wrote_before(live) => Ok(true),
        None => match wish.how.conflict {
            Conflict::Fail => Err(Error::Exists { object: object() }),
            Conflict::Adopt => Ok(false),
            Conflict::Overwrite => Ok(true),
        },
    }
}

/// Whether a Mission's apply is in the object's history: somebody only took the mark away.
fn wrote_before(live: &Value) -> bool {
    let managers = live
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    managers
        .into_iter()
        .flatten()
        .any(|m| text(m, "/manager") == DEPLOY_MANAGER)
}

/// Gives fields that are left to others the value that they have.
fn keep_ignored(object: &mut Value, live: &Value, how: &Apply) {
    for ignore in how
        .ignore
        .iter()
        .filter(|i| hits(&i.target, object))
        .cloned()
        .collect::<Vec<_>>()
    {
        for pointer in &ignore.pointers {
            if let (Some(ours), Some(theirs)) = (object.pointer_mut(pointer), live.pointer(pointer))
            {
                *ours = theirs.clone();
            }
        }
    }
}

/// Asks the API what an apply would change, without changing it.
async fn differs(
    api: &Api<DynamicObject>,
    placed: &Placed,
    live: Option<&Value>,
    force: bool,
) -> Result<(), Error> {
    let object = describe(&placed.object);
    let params = PatchParams {
        dry_run: true,
        force,
        field_manager: Some(DEPLOY_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let result = api
        .patch(&placed.entry.name, &params, &Patch::Apply(&placed.object))
        .await;
    let result = result.map_err(|cause| refused(&object, cause))?;
    let result = serde_json::to_value(result).unwrap_or_default();
    let same = live.is_some_and(|live| substance(live) == substance(&result));
    if same {
        Ok(())
    } else {
        Err(Error::Drifted { object })
    }
}

/// What of an object a Mission can want: all but status and bookkeeping.
fn substance(object: &Value) -> Value {
    let mut bare = object.clone();
    if let Some(fields) = bare.as_object_mut() {
        fields.remove("status");
        let metadata = fields.remove("metadata").unwrap_or_default();
        fields.insert("labels".to_owned(), metadata["labels"].clone());
        fields.insert("annotations".to_owned(), metadata["annotations"].clone());
    }
    bare
}

fn api_of(client: &Client, placed: &Placed) -> Api<DynamicObject> {
    api_for(client, &placed.resource, &placed.entry.namespace)
}

fn api_for(client: &Client, resource: &ApiResource, namespace: &str) -> Api<DynamicObject> {
    if namespace.is_empty() {
        Api::all_with(client.clone(), resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, resource)
    }
}

/// Takes back one object, if it still bears the Mission's mark; says whether it is gone.
pub(crate) async fn withdraw(
    client: &Client,
    catalog: &Catalog,
    observed: &Observed,
    entry: &InventoryEntry,
    mission: &str,
    orphan: bool,
) -> Result<bool, Error> {
    let object = format!("{} {}/{}", entry.kind, entry.namespace, entry.name);
    let kind = GroupVersionKind::gvk(&entry.group, &entry.version, &entry.kind);
    let resource = match catalog.find(&kind).await {
        Ok((resource, _)) => resource,
        // Without its definition no object of it is left.
        Err(catalog::Error::Unknown(_)) => return Ok(true),
        Err(cause) => return Err(Error::Kind { object, cause }),
    };
    let api = api_for(client, &resource, &entry.namespace);
    let fail = |cause| Error::Api {
        object: object.clone(),
        cause: Box::new(cause),
    };
    let Some(live) = api.get_opt(&entry.name).await.map_err(fail)? else {
        observed.forget(&ObjectKey::from(entry));
        return Ok(true);
    };
    let mark = live
        .metadata
        .labels
        .as_ref()
        .and_then(|l| l.get(marks::MISSION));
    if mark.map(String::as_str) != Some(mission) {
        return Ok(true);
    }
    if orphan {
        let unmark = json!({ "metadata": { "labels": { marks::MISSION: null } } });
        api.patch(&entry.name, &PatchParams::default(), &Patch::Merge(unmark))
            .await
            .map_err(fail)?;
        observed.forget(&ObjectKey::from(entry));
        return Ok(true);
    }
    if live.metadata.deletion_timestamp.is_none() {
        let only = Preconditions {
            uid: live.metadata.uid.clone(),
            resource_version: None,
        };
        let params = DeleteParams {
            preconditions: Some(only),
            ..DeleteParams::background()
        };
        match api.delete(&entry.name, &params).await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            other => drop(other.map_err(fail)?),
        }
    }
    let left = api.get_opt(&entry.name).await.map_err(fail)?;
    let gone = left.is_none_or(|l| l.metadata.uid != live.metadata.uid);
    if gone {
        observed.forget(&ObjectKey::from(entry));
    }
    Ok(gone)
}
