//! What new claims and volumes get: the finalizer that keeps them while they are used, and claims the default class.

use std::cmp::Reverse;

use serde_json::{Value, json};

use crate::api::Api;
use crate::meta;
use crate::status::Result;

const OF_CLAIMS: &str = "kubernetes.io/pvc-protection";
const OF_VOLUMES: &str = "kubernetes.io/pv-protection";
/// A class is the default if either says `true`; the second is the older name.
const DEFAULT_CLASS: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];
const CLASS_BETA: &str = "volume.beta.kubernetes.io/storage-class";

pub(super) async fn on_create_claim(api: &Api, claim: &mut Value) -> Result<()> {
    let said = claim["spec"].get("storageClassName").is_some()
        || claim["metadata"]["annotations"].get(CLASS_BETA).is_some();
    if !said && let Some(class) = default_class(api).await? {
        meta::fields(claim, "spec").insert("storageClassName".into(), json!(class));
    }
    protect(claim, OF_CLAIMS);
    Ok(())
}

pub(super) fn on_create_volume(volume: &mut Value) {
    protect(volume, OF_VOLUMES);
}

fn protect(object: &mut Value, finalizer: &str) {
    let metadata = meta::fields(object, "metadata");
    let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
    if finalizers.is_null() {
        *finalizers = json!([]);
    }
    if let Some(list) = finalizers.as_array_mut()
        && list.iter().all(|f| f != finalizer)
    {
        list.push(json!(finalizer));
    }
}

/// Of several the youngest, then the first by name.
async fn default_class(api: &Api) -> Result<Option<String>> {
    api.cache.fresh().await?;
    let classes = api.cache.kind("storage.k8s.io", "storageclasses");
    let everything = crate::selector::Filter::default();
    let all = classes.list(&everything, None, 0, 0).objects;
    let all = all.iter().filter_map(|o| o.value().ok());
    let defaults = all.filter(|class: &Value| {
        let annotations = &class["metadata"]["annotations"];
        DEFAULT_CLASS.iter().any(|name| annotations[name] == "true")
    });
    let youngest = defaults.min_by_key(|class| {
        let made = class["metadata"]["creationTimestamp"].as_str();
        (
            Reverse(made.unwrap_or_default().to_owned()),
            meta::name(class).to_owned(),
        )
    });
    Ok(youngest.map(|class| meta::name(&class).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finalizer_is_put_on_once() {
        let mut claim = json!({"metadata": {"finalizers": ["a"]}});
        protect(&mut claim, OF_CLAIMS);
        protect(&mut claim, OF_CLAIMS);
        assert_eq!(claim["metadata"]["finalizers"], json!(["a", OF_CLAIMS]));
    }
}
