//! Conversion webhooks: a server of users makes an object of one version one of another.

use std::time::Duration;

use cedge_kinds::read::Read;
use serde_json::{Value, json};

use crate::admission::{client, post};
use crate::api::Api;
use crate::outbound::Peer;
use crate::resource::Resource;
use crate::status::{Error, Result};
use crate::verbs::create::new_uid;

/// How long one call may take, as in Kubernetes.
const LIMIT: Duration = Duration::from_secs(30);
/// Objects of one call.
const BATCH: usize = 500;

/// Where the webhook of a definition is.
#[derive(Debug)]
pub(crate) struct Conversion {
    client: std::result::Result<(Peer, String), String>,
    /// The first version of ConversionReview that it takes and we speak.
    version: Option<&'static str>,
}

// === impl Conversion ===

impl Conversion {
    pub(super) fn read(hook: &Value) -> Self {
        let mut versions = hook.items("conversionReviewVersions").iter();
        Self {
            client: client(hook.field("clientConfig")),
            version: versions.find_map(|v| match v.as_str()? {
                "v1" => Some("v1"),
                "v1beta1" => Some("v1beta1"),
                _ => None,
            }),
        }
    }

    /// Makes objects of the version that is wanted of those that have another.
    async fn convert(&self, api: &Api, wanted: &str, objects: &mut [Value]) -> Result<()> {
        let mut others: Vec<&mut Value> = objects
            .iter_mut()
            .filter(|o| o.text("apiVersion") != wanted)
            .collect();
        for batch in others.chunks_mut(BATCH) {
            let from = shown_kind(batch[0]);
            let given: Vec<Value> = batch.iter().map(|o| (**o).clone()).collect();
            let made = self.ask(api, wanted, &given).await;
            let made = made.map_err(|why| Error::Plain {
                code: 500,
                reason: "",
                message: format!("conversion webhook for {from} failed: {why}"),
            })?;
            for (object, made) in batch.iter_mut().zip(made) {
                **object = made;
            }
        }
        Ok(())
    }

    async fn ask(
        &self,
        api: &Api,
        wanted: &str,
        objects: &[Value],
    ) -> std::result::Result<Vec<Value>, String> {
        let (peer, path) = self.client.as_ref().map_err(Clone::clone)?;
        let version = self
            .version
            .ok_or("webhook does not accept known ConversionReview versions (v1, v1beta1)")?;
        let uid = new_uid();
        let review = json!({
            "kind": "ConversionReview", "apiVersion": format!("apiextensions.k8s.io/{version}"),
            "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": objects},
        });
        let path = format!("{path}?timeout={}s", LIMIT.as_secs());
        let review = post(api, peer, &path, &review, LIMIT).await?;
        let response = review.field("response");
        if !response.is_object() {
            return Err("no response provided".into());
        }
        let given = response.text("uid");
        if version == "v1" && given != uid {
            return Err(format!("expected response.uid={uid:?}, got {given:?}"));
        }
        let result = response.field("result");
        if result.text("status") != "Success" {
            let message = match result.text("message") {
                "" => "<nil>",
                message => message,
            };
            return Err(message.to_owned());
        }
        let made = response.items("convertedObjects");
        if made.len() != objects.len() {
            return Err(format!(
                "webhook returned {} objects, expected {}",
                made.len(),
                objects.len()
            ));
        }
        let pairs = objects.iter().zip(made).enumerate();
        pairs
            .map(|(i, (before, made))| checked(before, made, wanted, i))
            .collect()
    }
}

/// `stable.example.com/v1, Kind=Thing`.
fn shown_kind(object: &Value) -> String {
    format!(
        "{}, Kind={}",
        object.text("apiVersion"),
        object.text("kind")
    )
}

/// What a webhook made of an object, if it did not change what it is: of the metadata it may change labels and annotations.
fn checked(
    before: &Value,
    made: &Value,
    wanted: &str,
    index: usize,
) -> std::result::Result<Value, String> {
    let wrong = |why: String| Err(format!("invalid converted object at index {index}: {why}"));
    if made.text("apiVersion") != wanted {
        return wrong(format!(
            "invalid groupVersion (expected {wanted}, received {})",
            made.text("apiVersion")
        ));
    }
    if made.text("kind") != before.text("kind") {
        return wrong(format!(
            "invalid kind (expected {}, received {})",
            before.text("kind"),
            made.text("kind")
        ));
    }
    let (old, new) = (before.field("metadata"), made.field("metadata"));
    if !new.is_object() {
        return wrong("missing metadata in converted object".into());
    }
    for field in ["name", "namespace", "uid"] {
        if new.has(field) && old.field(field) != new.field(field) {
            return wrong(format!("metadata.{field} must not change"));
        }
    }
    let mut metadata = old.clone();
    for field in ["labels", "annotations"] {
        match new.get(field).filter(|v| !v.is_null()) {
            Some(value) => metadata[field] = value.clone(),
            None => {
                if let Some(fields) = metadata.as_object_mut() {
                    fields.remove(field);
                }
            }
        }
    }
    let mut made = made.clone();
    made["metadata"] = metadata;
    Ok(made)
}

// === impl Api ===

impl Api {
    /// Makes stored objects ones of the version that a resource has.
    pub(crate) async fn read_as(&self, resource: &Resource, objects: &mut [Value]) -> Result<()> {
        let Some(conversion) = resource.conversion() else {
            objects.iter_mut().for_each(|o| resource.read_stored(o));
            return Ok(());
        };
        let wanted = resource.api_version();
        let all = objects.iter().enumerate();
        let others = all.filter(|(_, o)| o.text("apiVersion") != wanted);
        let others: Vec<usize> = others.map(|(i, _)| i).collect();
        conversion.convert(self, &wanted, objects).await?;
        let speaks = resource.speaks("");
        for i in others {
            resource.prune(&speaks, &mut objects[i]);
            resource.set_defaults(&mut objects[i]);
        }
        Ok(())
    }

    /// As [`Api::read_as`], of one.
    pub(crate) async fn read_one(&self, resource: &Resource, object: &mut Value) -> Result<()> {
        self.read_as(resource, std::slice::from_mut(object)).await
    }

    /// Makes an object of a resource one of the version in which objects are stored.
    pub(crate) async fn store_as(&self, resource: &Resource, object: &mut Value) -> Result<()> {
        let Some(conversion) = resource.conversion() else {
            resource.make_stored(object);
            return Ok(());
        };
        let wanted = resource.storage_api_version();
        let objects = std::slice::from_mut(object);
        conversion.convert(self, &wanted, objects).await
    }

    /// Makes an object of one version one of another, of the same kind.
    pub(crate) async fn convert(
        &self,
        from: &Resource,
        to: &Resource,
        object: &mut Value,
    ) -> Result<()> {
        if let Some(conversion) = to.conversion() {
            let objects = std::slice::from_mut(object);
            return conversion.convert(self, &to.api_version(), objects).await;
        }
        from.make_stored(object);
        to.read_stored(object);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_changes_labels_and_nothing_else_of_the_metadata() {
        let before = json!({"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": "a", "uid": "u", "labels": {"a": "b"}}});
        let made = json!({"apiVersion": "x.io/v2", "kind": "Thing", "metadata": {"name": "a", "labels": {"c": "d"}, "finalizers": ["x"]}});
        let checked_object = checked(&before, &made, "x.io/v2", 0).unwrap();
        assert_eq!(
            checked_object["metadata"],
            json!({"name": "a", "uid": "u", "labels": {"c": "d"}})
        );
        let renamed = json!({"apiVersion": "x.io/v2", "kind": "Thing", "metadata": {"name": "b"}});
        assert!(checked(&before, &renamed, "x.io/v2", 0).is_err());
        assert!(checked(&before, &made, "x.io/v3", 0).is_err());
    }
}
