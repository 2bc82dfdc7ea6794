//! Keeps the versions of a DaemonSet's template.

use std::collections::HashSet;
use std::sync::Arc;

use cedge_informer::{Object, Selector};
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::Api;
use serde_json::json;

use super::DaemonSets;
use super::plan::HASH;
use crate::error::Error;
use crate::history::{Added, History};
use crate::update;

impl DaemonSets {
    /// Makes sure that the current template is the newest revision; returns its hash.
    pub(super) async fn keep_history(
        &self,
        object: &Arc<Object>,
        set: &DaemonSet,
        selector: &Selector,
    ) -> Result<String, Error> {
        let history = History {
            client: &self.ctx.client,
            revisions: &self.revisions,
            owner: object,
            selector,
            label: HASH,
        };
        let known = history.all::<DaemonSet>().await?;
        let newest = known.last().map_or(0, |r| r.number);
        let template = &set.spec.template;
        let mut current = None;
        for revision in known.iter().rev() {
            if revision.holds(template)? {
                current = Some(revision);
                break;
            }
        }
        let Some(current) = current else {
            let status = set.status.as_ref();
            let collisions = status.and_then(|s| s.collision_count).unwrap_or(0);
            return match history.add(template, newest + 1, collisions).await? {
                Added::Made(revision) => Ok(revision.hash),
                Added::Taken(name) => {
                    self.count_collision(object, collisions + 1).await?;
                    Err(Error::Wait(format!("the name of revision {name} is taken")))
                }
            };
        };
        if current.number < newest {
            history.renumber(current, newest + 1).await?;
        }
        let pods = self.pods.by_owner(object.uid());
        let live = pods.iter().filter_map(|p| p.labels().get(HASH));
        let live: HashSet<&str> = live.chain([current.hash.as_str()]).collect();
        let limit = set.spec.revision_history_limit.unwrap_or(10);
        history
            .forget(&known, limit, |r| live.contains(r.hash.as_str()))
            .await?;
        Ok(current.hash.clone())
    }

    async fn count_collision(&self, object: &Object, collisions: i32) -> Result<(), Error> {
        let api: Api<DaemonSet> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        let old = json!({});
        let new = json!({ "collisionCount": collisions });
        update::status(&api, object, &old, &new).await.map(|_| ())
    }
}
