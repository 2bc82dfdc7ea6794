//! What extension API servers read to know whom to believe: `kube-system/extension-apiserver-authentication`.

use serde_json::{Value, json};

use super::NAME;
use crate::api::{Api, WriteFailure};
use crate::status::{Error, Result};

const MAP: &str = "extension-apiserver-authentication";

/// Writes the map, or brings up to date what in it is ours.
pub(crate) async fn publish(api: &Api) -> Result<()> {
    let Some(front) = &api.config.front_proxy else {
        return Ok(());
    };
    let mut data = json!({
        "requestheader-allowed-names": json!([NAME]).to_string(),
        "requestheader-client-ca-file": front.authority_pem,
        "requestheader-extra-headers-prefix": json!(["X-Remote-Extra-"]).to_string(),
        "requestheader-group-headers": json!(["X-Remote-Group"]).to_string(),
        "requestheader-uid-headers": json!(["X-Remote-Uid"]).to_string(),
        "requestheader-username-headers": json!(["X-Remote-User"]).to_string(),
    });
    if let Some(users) = &front.users_pem {
        data["client-ca-file"] = json!(users);
    }
    let resource = api.registry.built_in("", "v1", "configmaps");
    let path = format!("kube-system/{MAP}");
    let Some(current) = resource.cache.get(&path) else {
        let map = json!({"kind": "ConfigMap", "apiVersion": "v1",
            "metadata": {"name": MAP, "namespace": "kube-system"}, "data": data});
        return crate::bootstrap::ensure(api, ("", "v1", "configmaps"), map).await;
    };
    let mut map: Value = current.value()?;
    let before = map.clone();
    let held = crate::meta::fields(&mut map, "data");
    for (key, value) in data.as_object().into_iter().flatten() {
        held.insert(key.clone(), value.clone());
    }
    if map == before {
        return Ok(());
    }
    match api.replace(&resource, &map, current.revision()).await {
        Ok(_) => Ok(()),
        Err(WriteFailure::Conflict) => Err(Error::internal("the map changed meanwhile")),
        Err(WriteFailure::Other(error)) => Err(error),
    }
}
