//! The LimitRanges of a namespace: what they add to new pods, and what they refuse.

use std::collections::BTreeSet;

use cedge_kinds::limit_range as rules;
use serde_json::Value;

use crate::api::Api;
use crate::call::Call;
use crate::meta;
use crate::selector::Filter;
use crate::status::Result;

/// Gives a new pod what it does not state itself.
pub(super) async fn complete(api: &Api, pod: &mut Value) -> Result<()> {
    for range in of_namespace(api, meta::namespace(pod)).await? {
        rules::complete(&range, pod);
    }
    Ok(())
}

/// Refuses what a range forbids.
pub(super) async fn check(
    api: &Api,
    call: &Call,
    object: &Value,
    old: Option<&Value>,
) -> Result<()> {
    let resource = &*call.resource;
    let part = call.request.subresource.as_str();
    // A pod's containers change only by a resize.
    let pod = resource.is("", "pods") && (old.is_none() || part == "resize");
    let claim = resource.is("", "persistentvolumeclaims") && part.is_empty();
    if !pod && !claim || old.is_some_and(meta::is_deleting) {
        return Ok(());
    }
    for range in of_namespace(api, meta::namespace(object)).await? {
        let found = if pod {
            rules::against_pod(&range, object)
        } else {
            rules::against_claim(&range, object)
        };
        let mut seen = BTreeSet::new();
        let found: Vec<String> = found
            .into_iter()
            .filter(|why| seen.insert(why.clone()))
            .collect();
        let why = match found.as_slice() {
            [] => continue,
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        return Err(super::forbidden(call, object, why));
    }
    Ok(())
}

async fn of_namespace(api: &Api, namespace: &str) -> Result<Vec<Value>> {
    api.cache.fresh().await?;
    let filter = Filter {
        namespace: namespace.to_owned(),
        ..Filter::default()
    };
    let ranges = api.cache.kind("", "limitranges");
    let ranges = ranges.list(&filter, None, 0, 0).objects;
    ranges.iter().map(|range| range.value()).collect()
}
