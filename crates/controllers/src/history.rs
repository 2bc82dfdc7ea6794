//! Versions of a pod template, kept as ControllerRevisions: what `kubectl rollout undo` goes back to. For the kinds that
//! have no ReplicaSets to remember them.

use std::sync::Arc;

use cedge_informer::{Cache, Object, Selector};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::claim::{Claimer, controller_reference, still_there};
use crate::deployment::template;
use crate::error::{Answer as _, Error, exists};
use crate::patch;

/// Longer names of owners are cut off in the names of their revisions, as in Kubernetes.
const PREFIX_MAX: usize = 223;

/// The revisions of one owner.
pub(crate) struct History<'a> {
    pub(crate) client: &'a Client,
    pub(crate) revisions: &'a Cache,
    pub(crate) owner: &'a Arc<Object>,
    pub(crate) selector: &'a Selector,
    /// The label of a revision that holds its hash; which one depends on the kind of the owner.
    pub(crate) label: &'static str,
}

/// One version.
#[derive(Clone)]
pub(crate) struct Revision {
    pub(crate) name: String,
    pub(crate) hash: String,
    pub(crate) number: i64,
    data: Value,
    /// `None` if it was made a moment ago.
    object: Option<Arc<Object>>,
}

/// How adding a version went.
pub(crate) enum Added {
    Made(Revision),
    /// Its name belongs to another version.
    Taken(String),
}

impl History<'_> {
    /// All revisions of the owner, the newest last. Adopts orphans.
    pub(crate) async fn all<K>(&self) -> Result<Vec<Revision>, Error>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        let mut candidates = self.revisions.by_owner(self.owner.uid());
        let orphans = self.revisions.select(self.owner.namespace(), self.selector);
        candidates.extend(orphans.into_iter().filter(|r| r.controller().is_none()));
        let owners: Api<K> = Api::namespaced(self.client.clone(), self.owner.namespace());
        let claimer = Claimer::new(self.owner, self.selector);
        let owned = claimer
            .claim(&self.api(), candidates, still_there(&owners, self.owner))
            .await?;
        let mut found = Vec::new();
        for object in owned {
            let revision: ControllerRevision = object.decode()?;
            found.push((object.created(), Revision::of(object, revision, self.label)));
        }
        found.sort_by(|(at, a), (bt, b)| (a.number, at, &a.name).cmp(&(b.number, bt, &b.name)));
        Ok(found.into_iter().map(|(_, r)| r).collect())
    }

    /// Stores a template as version `number`. `collisions` makes its name another one.
    pub(crate) async fn add(
        &self,
        template: &PodTemplateSpec,
        number: i64,
        collisions: i32,
    ) -> Result<Added, Error> {
        let hash = template::hash(template, collisions);
        let name = name_of(self.owner.name(), &hash);
        let metadata = template.metadata.clone().unwrap_or_default();
        let mut labels = metadata.labels.unwrap_or_default();
        labels.insert(self.label.to_owned(), hash.clone());
        let owner: Annotated = self.owner.decode()?;
        let data = data_of(template)?;
        let revision = ControllerRevision {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(self.owner.namespace().to_owned()),
                labels: Some(labels),
                annotations: owner.metadata.annotations,
                owner_references: Some(vec![controller_reference(self.owner)]),
                ..ObjectMeta::default()
            },
            data: RawExtension(data.clone()),
            revision: Some(number),
        };
        let made = Revision {
            name,
            hash,
            number,
            data,
            object: None,
        };
        match self.api().create(&PostParams::default(), &revision).await {
            Ok(_) => Ok(Added::Made(made)),
            Err(e) if exists(&e) => {
                let there = self.api().get(&made.name).await?;
                // One that lost its owner a moment ago is adopted in the next round: the cache may not know it yet.
                let mut owners = there.metadata.owner_references.iter().flatten();
                let others =
                    owners.any(|o| o.controller == Some(true) && o.uid != self.owner.uid());
                if !others && is_same(&there.data.0, &made.data) {
                    return Ok(Added::Made(made));
                }
                Ok(Added::Taken(made.name))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Makes an old version the newest one: its template has come back.
    pub(crate) async fn renumber(&self, revision: &Revision, number: i64) -> Result<(), Error> {
        if let Some(object) = &revision.object {
            patch::merge(&self.api(), object, json!({ "revision": number })).await?;
        }
        Ok(())
    }

    /// Deletes the oldest versions beyond `limit`, of those that are not `live`.
    pub(crate) async fn forget(
        &self,
        known: &[Revision],
        limit: i32,
        live: impl Fn(&Revision) -> bool,
    ) -> Result<(), Error> {
        let Ok(limit) = usize::try_from(limit) else {
            return Ok(());
        };
        let unused: Vec<&Revision> = known.iter().filter(|r| !live(r)).collect();
        let surplus = unused.len().saturating_sub(limit);
        for revision in unused.into_iter().take(surplus) {
            let params = DeleteParams::default();
            match self.api().delete(&revision.name, &params).await {
                Err(e) if !e.is_not_found() => return Err(e.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn api(&self) -> Api<ControllerRevision> {
        Api::namespaced(self.client.clone(), self.owner.namespace())
    }
}

impl Revision {
    fn of(object: Arc<Object>, revision: ControllerRevision, label: &str) -> Self {
        Self {
            name: object.name().to_owned(),
            hash: object.labels().get(label).unwrap_or("").to_owned(),
            number: revision.revision.unwrap_or(0),
            data: revision.data.0,
            object: Some(object),
        }
    }

    /// Whether this is a version of that template.
    pub(crate) fn holds(&self, template: &PodTemplateSpec) -> Result<bool, Error> {
        Ok(is_same(&self.data, &data_of(template)?))
    }

    /// The template that it brings back.
    pub(crate) fn template(&self) -> Result<PodTemplateSpec, Error> {
        let mut template = self.data["spec"]["template"].clone();
        if let Some(fields) = template.as_object_mut() {
            fields.remove("$patch");
        }
        Ok(serde_json::from_value(template)?)
    }

    /// A version for tests.
    #[cfg(test)]
    pub(crate) fn fake(name: &str, number: i64, template: &PodTemplateSpec) -> Self {
        Self {
            name: name.to_owned(),
            hash: name.to_owned(),
            number,
            data: data_of(template).unwrap(),
            object: None,
        }
    }
}

/// What history asks of an owner of any kind.
#[derive(serde::Deserialize)]
struct Annotated {
    metadata: ObjectMeta,
}

fn name_of(owner: &str, hash: &str) -> String {
    let prefix = owner.get(..PREFIX_MAX).unwrap_or(owner);
    format!("{prefix}-{hash}")
}

/// A strategic merge patch that brings the template back as a whole.
fn data_of(template: &PodTemplateSpec) -> Result<Value, Error> {
    let mut template = serde_json::to_value(template)?;
    template["$patch"] = "replace".into();
    Ok(json!({ "spec": { "template": template } }))
}

/// Fields that say nothing do not count: a Go program writes some of them that we do not.
fn is_same(a: &Value, b: &Value) -> bool {
    let strip = |data: &Value| {
        let mut data = data.clone();
        template::strip_empty(&mut data);
        data
    };
    patch::difference(&strip(a), &strip(b)).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_brings_back_the_template_that_it_was_made_of() {
        let template: PodTemplateSpec = serde_json::from_value(json!({
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}))
        .unwrap();
        let revision = Revision::fake("web-1", 1, &template);
        assert_eq!(revision.template().unwrap(), template);
        assert!(revision.holds(&template).unwrap());
        let theirs = json!({"spec": {"template": {"$patch": "replace",
            "metadata": {"labels": {"app": "web"}, "creationTimestamp": null},
            "spec": {"containers": [{"name": "c", "image": "x", "resources": {}}]}}}});
        assert!(is_same(&theirs, &data_of(&template).unwrap()));
    }

    #[test]
    fn a_long_name_leaves_room_for_the_hash() {
        assert_eq!(name_of("web", "abc"), "web-abc");
        assert_eq!(name_of(&"x".repeat(250), "abc").len(), 227);
    }
}
