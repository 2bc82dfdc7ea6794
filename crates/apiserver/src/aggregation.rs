//! Writes the rules of aggregated cluster roles into them, for those who read the objects. Requests are judged without
//! this, by the roles that are selected.

use std::sync::Arc;

use serde_json::Value;

use crate::api::{Api, WriteFailure};
use crate::cache::{Seen, Watcher};
use crate::selector::Filter;
use crate::status::{Error, Result};

/// Follows the cluster roles until the server ends.
///
/// # Errors
/// A write failed, or the position in the changes was lost; to be started again.
pub(crate) async fn run(api: Arc<Api>) -> Result<(), Error> {
    let kind = api.cache.kind(cedge_rbac::GROUP, "clusterroles");
    let listed = kind.list(&Filter::default(), None, 0, api.cache.revision());
    let mut watcher = Watcher::from_list(&api.cache, &kind, listed.seen, listed.revision);
    loop {
        write_all(&api).await?;
        match api.tasks.shutdown().or(watcher.next()).await {
            Some(Seen::Changes(_)) => {}
            Some(Seen::TooOld(error)) => return Err(error),
            Some(Seen::Closed) | None => return Ok(()),
        }
    }
}

async fn write_all(api: &Arc<Api>) -> Result<()> {
    let resource = api
        .registry
        .built_in(cedge_rbac::GROUP, "v1", "clusterroles");
    for (name, rules) in api.authorizer.aggregated() {
        let Some(current) = resource.cache.get(&name) else {
            continue;
        };
        let mut role: Value = current.value()?;
        if role["rules"] == rules {
            continue;
        }
        role["rules"] = rules;
        match api.replace(&resource, &role, current.revision()).await {
            // What somebody else wrote meanwhile is told to us, and looked at then.
            Ok(_) | Err(WriteFailure::Conflict) => {}
            Err(WriteFailure::Other(error)) => return Err(error),
        }
    }
    Ok(())
}
