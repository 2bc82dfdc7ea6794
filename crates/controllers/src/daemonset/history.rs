//! Versions of a DaemonSet's template, kept as ControllerRevisions: what `kubectl rollout undo` goes back to.

use std::collections::HashSet;
use std::sync::Arc;

use cedge_informer::{Object, Selector};
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use serde_json::{Value, json};

use super::DaemonSets;
use super::plan::HASH;
use crate::claim::{Claimer, controller_reference, still_there};
use crate::deployment::template;
use crate::error::{Answer as _, Error, exists};
use crate::patch;

struct Revision {
    object: Arc<Object>,
    revision: ControllerRevision,
}

impl DaemonSets {
    /// Makes sure that the current template is the newest revision; returns its hash.
    pub(super) async fn keep_history(
        &self,
        object: &Arc<Object>,
        set: &DaemonSet,
        selector: &Selector,
    ) -> Result<String, Error> {
        let api: Api<ControllerRevision> =
            Api::namespaced(self.ctx.client.clone(), object.namespace());
        let mut known = self.revisions_of(object, selector, &api).await?;
        known.sort_by_key(|r| r.revision.revision);
        let newest = known.last().and_then(|r| r.revision.revision).unwrap_or(0);
        let data = data_of(set)?;
        let same = |r: &&Revision| {
            let theirs = r.revision.data.0.clone();
            patch::difference(&strip(theirs), &strip(data.clone())).is_none()
        };
        let Some(current) = known.iter().rev().find(same) else {
            return self.add_revision(object, set, data, newest + 1, &api).await;
        };
        if current.revision.revision.unwrap_or(0) < newest {
            let patch = json!({ "revision": newest + 1 });
            patch::merge(&api, &current.object, patch).await?;
        }
        let hash = current.object.labels().get(HASH).unwrap_or("").to_owned();
        self.forget_old(object, set, &known, &hash, &api).await?;
        Ok(hash)
    }

    async fn revisions_of(
        &self,
        object: &Arc<Object>,
        selector: &Selector,
        api: &Api<ControllerRevision>,
    ) -> Result<Vec<Revision>, Error> {
        let mut candidates = self.revisions.by_owner(object.uid());
        let orphans = self.revisions.select(object.namespace(), selector);
        candidates.extend(orphans.into_iter().filter(|r| r.controller().is_none()));
        let claimer = Claimer {
            owner: object,
            selector,
            finalizer: None,
        };
        let sets: Api<DaemonSet> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        let owned = claimer
            .claim(api, candidates, still_there(&sets, object))
            .await?;
        let decoded = owned.into_iter().map(|object| {
            let revision = object.decode()?;
            Ok(Revision { object, revision })
        });
        decoded.collect()
    }

    async fn add_revision(
        &self,
        object: &Object,
        set: &DaemonSet,
        data: Value,
        number: i64,
        api: &Api<ControllerRevision>,
    ) -> Result<String, Error> {
        let status = set.status.as_ref();
        let collisions = status.and_then(|s| s.collision_count).unwrap_or(0);
        let hash = template::hash(&set.spec.template, collisions);
        let metadata = set.spec.template.metadata.clone().unwrap_or_default();
        let mut labels = metadata.labels.unwrap_or_default();
        labels.insert(HASH.to_owned(), hash.clone());
        let revision = ControllerRevision {
            metadata: ObjectMeta {
                name: Some(format!("{}-{hash}", object.name())),
                namespace: Some(object.namespace().to_owned()),
                labels: Some(labels),
                annotations: set.metadata.annotations.clone(),
                owner_references: Some(vec![controller_reference(object)]),
                ..ObjectMeta::default()
            },
            data: RawExtension(data),
            revision: Some(number),
        };
        match api.create(&PostParams::default(), &revision).await {
            Ok(_) => Ok(hash),
            Err(e) if exists(&e) => {
                let name = revision.metadata.name.unwrap_or_default();
                let there = api.get(&name).await?;
                let ours = there.metadata.owner_references.iter().flatten();
                if ours.into_iter().any(|o| o.uid == object.uid()) {
                    return Ok(hash);
                }
                self.count_collision(object, collisions + 1).await?;
                Err(Error::Wait(format!("the name of revision {name} is taken")))
            }
            Err(e) => Err(e.into()),
        }
    }

    async fn count_collision(&self, object: &Object, collisions: i32) -> Result<(), Error> {
        let api: Api<DaemonSet> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        let old = json!({});
        let new = json!({ "collisionCount": collisions });
        patch::status(&api, object, &old, &new).await.map(|_| ())
    }

    /// Deletes revisions beyond `revisionHistoryLimit` that no pod is of.
    async fn forget_old(
        &self,
        object: &Object,
        set: &DaemonSet,
        known: &[Revision],
        current: &str,
        api: &Api<ControllerRevision>,
    ) -> Result<(), Error> {
        let limit = set.spec.revision_history_limit.unwrap_or(10);
        let pods = self.pods.by_owner(object.uid());
        let live = pods.iter().filter_map(|p| p.labels().get(HASH));
        let live: HashSet<&str> = live.chain([current]).collect();
        let unused = known.iter().filter(|r| {
            let hash = r.object.labels().get(HASH);
            hash.is_none_or(|h| !live.contains(h))
        });
        let unused: Vec<&Revision> = unused.collect();
        let surplus = unused
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(0));
        for revision in unused.into_iter().take(surplus) {
            match api
                .delete(revision.object.name(), &DeleteParams::default())
                .await
            {
                Err(e) if !e.is_not_found() => return Err(e.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A strategic merge patch that brings the template back as a whole.
fn data_of(set: &DaemonSet) -> Result<Value, Error> {
    let mut template = serde_json::to_value(&set.spec.template)?;
    template["$patch"] = "replace".into();
    Ok(json!({ "spec": { "template": template } }))
}

/// Without fields that say nothing: a Go program writes some of them that we do not.
fn strip(mut data: Value) -> Value {
    template::strip_empty(&mut data);
    data
}
