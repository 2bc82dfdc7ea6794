//! Writes of whole objects, where Kubernetes' roles let a controller `update` and not `patch`: what was read, with a change
//! applied to its JSON, so that what this version does not know of stays. Refused by the API if it has changed since.

use cedge_informer::Object;
use kube::api::PostParams;
use kube::core::Request;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::Error;
use crate::patch;

/// Writes a status if it differs from the one in `object`. Returns whether something was written.
pub(crate) async fn status<K, S>(
    api: &Api<K>,
    object: &Object,
    old: &S,
    new: &S,
) -> Result<bool, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize,
{
    let Some(change) = patch::difference(&serde_json::to_value(old)?, &serde_json::to_value(new)?)
    else {
        return Ok(false);
    };
    let whole = changed(object, &json!({ "status": change }))?;
    put(api, Some("status"), whole).await?;
    Ok(true)
}

/// Writes `object` with a merge patch applied to it.
pub(crate) async fn merge<K>(api: &Api<K>, object: &Object, change: &Value) -> Result<K, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    put(api, None, changed(object, change)?).await
}

/// An object from the cache as it is to become.
pub(crate) fn changed(object: &Object, change: &Value) -> Result<Value, Error> {
    let mut whole = object.value()?;
    patch::apply(&mut whole, change);
    Ok(whole)
}

/// Replaces an object, or a part of it such as its status.
pub(crate) async fn put<K>(
    api: &Api<K>,
    part: Option<&'static str>,
    mut whole: Value,
) -> Result<K, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    // Whoever sends none leaves the record of owners to the API; ours may be older than the revision that is written to.
    if let Some(metadata) = whole["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    let name = whole["metadata"]["name"].as_str().unwrap_or_default();
    let (request, params) = (Request::new(api.resource_url()), PostParams::default());
    let bytes = serde_json::to_vec(&whole)?;
    let request = match part {
        Some(part) => request.replace_subresource(part, name, &params, bytes),
        None => request.replace(name, &params, bytes),
    };
    let request = request.map_err(kube::Error::BuildRequest)?;
    Ok(api.clone().into_client().request(request).await?)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use kube::api::ApiResource;

    use super::*;

    #[test]
    fn what_is_not_changed_is_written_as_it_was_read() {
        let json = json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"}},
            "spec": {"of-a-later-version": 1}, "status": {"phase": "Running", "reason": "x"}});
        let resource = ApiResource::erase::<Pod>(&());
        let object = Object::from_json(&resource, json.to_string().as_bytes()).unwrap();
        let change = json!({"metadata": {"labels": {"a": null, "c": "d"}}, "status": {"reason": null, "phase": "Failed"}});
        assert_eq!(
            changed(&object, &change).unwrap(),
            json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "a", "uid": "u", "resourceVersion": "7", "labels": {"c": "d"}},
                "spec": {"of-a-later-version": 1}, "status": {"phase": "Failed"}})
        );
    }
}
