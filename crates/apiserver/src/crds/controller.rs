//! Judges the names of definitions, establishes them, and cleans up behind those that are deleted.

use std::sync::Arc;
use std::time::Duration;

use cedge_crd::accept_names;
use cedge_pki::Identity;
use serde_json::Value;

use super::{FINALIZER, GROUP, PLURAL, set_condition};
use crate::api::{Api, WriteFailure};
use crate::cache::{Object, Seen, Watcher};
use crate::meta;
use crate::resource::Resource;
use crate::selector::Filter;
use crate::status::{Error, Result};

/// When objects of a deleted definition remain (finalizers hold them), it is looked at again after this.
const RETRY: Duration = Duration::from_secs(1);
/// Everything is looked at again after this, whatever happened.
const QUIET: Duration = Duration::from_secs(3600);

/// Reacts to every change of a definition until the server ends.
///
/// # Errors
/// Its position in the changes was lost; to be started again.
pub(crate) async fn run(api: Arc<Api>) -> Result<(), Error> {
    let kind = api.cache.kind(GROUP, PLURAL);
    let listed = kind.list(&Filter::default(), None, 0, api.cache.revision());
    let mut watcher = Watcher::from_list(&api.cache, &kind, listed.seen, listed.revision);
    loop {
        let again = reconcile_all(&api).await;
        let changes = watcher.next();
        // Without anything left to do, only a change matters.
        let wait = if again { RETRY } else { QUIET };
        tokio::select! {
            biased;
            () = api.tasks.shutdown().wait() => return Ok(()),
            // Cancel safe: a position moves only when changes are given out.
            seen = changes => match seen {
                Seen::Changes(_) => {}
                Seen::TooOld(error) => return Err(error),
                Seen::Closed => return Ok(()),
            },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Whether something remains to be done without a change.
async fn reconcile_all(api: &Arc<Api>) -> bool {
    let kind = api.cache.kind(GROUP, PLURAL);
    let mut again = false;
    for object in kind.list(&Filter::default(), None, 0, 0).objects {
        match reconcile(api, &object).await {
            Ok(done) => again |= !done,
            Err(error) => {
                tracing::warn!(definition = object.name(), %error, "definition could not be reconciled");
                again = true;
            }
        }
    }
    again
}

/// Whether the definition is as it should be.
async fn reconcile(api: &Arc<Api>, object: &Object) -> Result<bool> {
    let mut definition = object.value()?;
    if meta::is_deleting(&definition) {
        return withdraw(api, object, definition).await;
    }
    if !judge(api, &mut definition)? {
        return Ok(true);
    }
    if super::is_true(&definition, "Established") {
        // What is wrong with it is told by whoever serves it.
        let compile = || api.registry.compiled.kind(&definition).is_ok();
        api.aside.think(compile).await;
    }
    let definitions = api.registry.built_in(GROUP, "v1", PLURAL);
    let (server, live) = (crate::statuses::SERVER, object.value()?);
    crate::managed::note(&definitions, server, "status", Some(&live), &mut definition);
    store(api, object, &definition).await
}

async fn store(api: &Arc<Api>, object: &Object, definition: &Value) -> Result<bool> {
    let definitions = api.registry.built_in(GROUP, "v1", PLURAL);
    match api
        .replace(&definitions, definition, object.revision())
        .await
    {
        Ok(_) => Ok(true),
        // The other write is on its way to us.
        Err(WriteFailure::Conflict) => Ok(false),
        Err(WriteFailure::Other(error)) => Err(error),
    }
}

/// Accepts names that are free, and establishes what has its names; whether the status has changed.
fn judge(api: &Arc<Api>, definition: &mut Value) -> Result<bool> {
    let others = accepted_by_others(api, definition)?;
    let judged = accept_names(definition, &others.iter().collect::<Vec<_>>());
    let mut changed = false;
    match &judged.conflict {
        Some((reason, message)) => {
            changed |= set_condition(definition, "NamesAccepted", false, reason, message);
            if !super::is_true(definition, "Established") {
                let why = "not all names are accepted";
                changed |= set_condition(definition, "Established", false, "NotAccepted", why);
            }
        }
        None => {
            let why = "no conflicts found";
            changed |= set_condition(definition, "NamesAccepted", true, "NoConflicts", why);
            let why = "the initial names have been accepted";
            let reason = "InitialNamesAccepted";
            changed |= set_condition(definition, "Established", true, reason, why);
        }
    }
    if definition["status"]["acceptedNames"] != judged.names {
        definition["status"]["acceptedNames"] = judged.names;
        changed = true;
    }
    Ok(changed)
}

/// The names that other definitions of the group have.
fn accepted_by_others(api: &Arc<Api>, definition: &Value) -> Result<Vec<Value>> {
    let mut names = Vec::new();
    for object in api
        .cache
        .kind(GROUP, PLURAL)
        .list(&Filter::default(), None, 0, 0)
        .objects
    {
        if object.name() == meta::name(definition) {
            continue;
        }
        let mut other = object.value()?;
        if other["spec"]["group"] == definition["spec"]["group"] {
            names.push(other["status"]["acceptedNames"].take());
        }
    }
    Ok(names)
}

/// Deletes the objects of a definition that is being deleted, then lets it go.
async fn withdraw(api: &Arc<Api>, object: &Object, mut definition: Value) -> Result<bool> {
    let mut finalizers = meta::finalizers(&definition);
    if !finalizers.iter().any(|f| f == FINALIZER) {
        return Ok(true);
    }
    let group = definition["spec"]["group"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let plural = definition["spec"]["names"]["plural"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let kind = api.cache.kind(&group, &plural);
    if let Some(resource) = api.registry.any_version(&group, &plural)
        && super::is_true(&definition, "Established")
    {
        delete_all(api, &resource).await?;
    }
    api.cache.fresh().await?;
    let (left, _) = kind.size();
    if left > 0 && super::is_true(&definition, "Established") {
        let message = format!("{left} custom resources still exist");
        let changed = set_condition(
            &mut definition,
            "Terminating",
            true,
            "InstanceDeletionInProgress",
            &message,
        );
        if changed {
            store(api, object, &definition).await?;
        }
        return Ok(false);
    }
    finalizers.retain(|f| f != FINALIZER);
    meta::set_finalizers(&mut definition, finalizers);
    if !meta::may_go(&definition) {
        return store(api, object, &definition).await;
    }
    let definitions = api.registry.built_in(GROUP, "v1", PLURAL);
    match api
        .remove(&definitions, &definition, object.revision())
        .await
    {
        Ok(_) => Ok(true),
        Err(WriteFailure::Conflict) => Ok(false),
        Err(WriteFailure::Other(error)) => Err(error),
    }
}

async fn delete_all(api: &Arc<Api>, resource: &Arc<Resource>) -> Result<()> {
    let call = own_call(api, resource);
    let options = crate::verbs::delete::DeleteOptions::default();
    for object in resource.cache.list(&Filter::default(), None, 0, 0).objects {
        match crate::verbs::delete::delete_object(api, &call, object.path(), &options).await {
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A request that the server makes to itself.
fn own_call(api: &Arc<Api>, resource: &Arc<Resource>) -> crate::call::Call {
    crate::call::Call::of_server(
        Identity::authenticated("system:apiserver", ["system:masters"]),
        resource.clone(),
        api.now(),
    )
}
