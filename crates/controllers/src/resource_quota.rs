//! ResourceQuotas: what a namespace uses of them. The API server charges what is created; this counts anew when something
//! goes away, when a quota changes, and now and then.
//!
//! A count that is lower than what was charged may only mean that an object is not here yet: it is written once the
//! quota has stood still for a moment.

mod kinds;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cedge_informer::{Cache, Change, Key, Next, Object, Queue};
use cedge_kinds::amounts::{self, Amounts};
use cedge_kinds::quota;
use cedge_tasks::clock;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::Api;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::context::Context;
use crate::error::Error;
use crate::update;
use kinds::Kinds;

/// How long a quota stands still before a lower count is written: an object that was charged for is stored within that.
const SETTLE: Duration = Duration::from_millis(250);
/// How long after something new a count is made: it was charged for, so there is no hurry.
const UNHURRIED: Duration = Duration::from_secs(2);
/// How often everything is counted anew, as in Kubernetes.
const RECOUNT: Duration = Duration::from_secs(5 * 60);
/// How soon a kind that was not served is looked for again, as in Kubernetes.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A kind whose list does not come must not hold up the others for longer.
const SYNC_MAX: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Quotas {
    ctx: Context,
    quotas: Cache,
    kinds: Kinds,
    queue: Queue<Key>,
    /// When each quota last changed, as seen here.
    changed: Arc<Mutex<HashMap<Key, Instant>>>,
}

pub(crate) fn start(ctx: &Context) {
    let this = Quotas {
        ctx: ctx.clone(),
        quotas: ctx.informers.of::<ResourceQuota>(),
        kinds: Kinds::default(),
        queue: Queue::new("resourcequota"),
        changed: Arc::default(),
    };
    this.quotas.subscribe({
        let this = this.clone();
        move |change| this.observe_quota(change)
    });
    kinds::forget_with_definitions(&this);
    let queue = this.queue.clone();
    ctx.work(
        &queue,
        &[&this.quotas.clone()],
        ctx.config.workers,
        move |key| {
            let this = this.clone();
            async move { Box::pin(this.reconcile(&key)).await }
        },
    );
}

impl Quotas {
    fn observe_quota(&self, change: &Change) {
        let key = change.object().key().clone();
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(change, Change::Deleted(_)) {
            changed.remove(&key);
            return;
        }
        changed.insert(key.clone(), Instant::now());
        drop(changed);
        // What the API server charges is no reason to count.
        let spec =
            |o: Option<&Arc<Object>>| o.and_then(|o| o.value().ok()).map(|o| o["spec"].clone());
        if spec(change.old()) != spec(Some(change.object())) {
            self.queue.add(key);
        }
    }

    /// Something that may count changed in a namespace.
    fn observe(&self, change: &Change) {
        let object = change.object();
        let delay = match change {
            Change::Deleted(_) => Duration::ZERO,
            Change::Added(_) => UNHURRIED,
            Change::Updated { old, new } if kinds::counts_otherwise(old, new) => Duration::ZERO,
            Change::Updated { .. } => return,
        };
        for quota in self.quotas.namespace(object.namespace()) {
            self.queue.add_after(quota.key().clone(), delay);
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.quotas.get_key(key) else {
            return Ok(Next::OnChange);
        };
        let quota = object.value()?;
        let hard = amounts::read(&quota["spec"]["hard"]);
        let (counted, all_known) = self.count(&quota, &hard).await?;
        // Only now: what was charged meanwhile is in the revision that the write insists on.
        let status = status(&quota, &hard, counted);
        if status == quota["status"] {
            return Ok(after(all_known));
        }
        if let Some(wait) = self.settling(key).filter(|_| lowers(&quota, &status)) {
            return Ok(Next::After(wait));
        }
        let api: Api<ResourceQuota> = Api::namespaced(self.ctx.client.clone(), &key.namespace);
        update::status(&api, &object, &quota["status"], &status).await?;
        Ok(after(all_known))
    }

    /// What is used, of all kinds that are served; and whether all that the quota names are.
    async fn count(&self, quota: &Value, hard: &Amounts) -> Result<(Amounts, bool), Error> {
        let mut used = Amounts::new();
        let mut all_known = true;
        let now = clock::now();
        let wanted: BTreeMap<_, _> = hard
            .keys()
            .filter_map(|n| Some((quota::kind_of(n)?, ())))
            .collect();
        for (plural, group) in wanted.into_keys() {
            let Some(cache) = self.kinds.follow(self, plural, group).await? else {
                all_known = false;
                continue;
            };
            if tokio::time::timeout(SYNC_MAX, cache.synced())
                .await
                .is_err()
            {
                return Err(Error::Wait(format!("the list of {plural} does not come")));
            }
            let namespace = quota["metadata"]["namespace"].as_str().unwrap_or_default();
            let objects = cache.namespace(namespace);
            // Of most kinds only headers are here: they are counted, not measured.
            let values = objects.iter().map(|o| match o.bytes().is_empty() {
                true => Ok(Value::Null),
                false => o.value(),
            });
            let values: Vec<Value> = values.collect::<Result<_, _>>()?;
            used.extend(quota::recount(quota, group, plural, values.iter(), now));
        }
        Ok((used, all_known))
    }

    /// What is left of the moment that a quota must stand still.
    fn settling(&self, key: &Key) -> Option<Duration> {
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = changed.get(key)?.elapsed();
        SETTLE.checked_sub(passed).filter(|left| !left.is_zero())
    }
}

fn after(all_known: bool) -> Next {
    Next::After(if all_known { RECOUNT } else { LOOK_AGAIN })
}

/// The status with what was counted; what could not be counted stays, what is not limited goes.
fn status(quota: &Value, hard: &Amounts, counted: Amounts) -> Value {
    let mut used = amounts::read(&quota["status"]["used"]);
    used.extend(counted);
    used.retain(|name, _| hard.contains_key(name));
    let mut status = json!({});
    for (field, amounts) in [("hard", hard), ("used", &used)] {
        if !amounts.is_empty() {
            status[field] = amounts::write(amounts);
        }
    }
    status
}

fn lowers(quota: &Value, status: &Value) -> bool {
    let before = amounts::read(&quota["status"]["used"]);
    let after = amounts::read(&status["used"]);
    before
        .iter()
        .any(|(name, amount)| after.get(name).is_some_and(|now| now < amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_counted_stays_and_what_is_not_limited_goes() {
        let quota = json!({"status": {"hard": {"pods": "1"}, "used": {"pods": "1", "count/widgets.x.io": "3"}}});
        let hard = amounts::read(&json!({"count/widgets.x.io": "5", "secrets": "2"}));
        let counted = amounts::read(&json!({"secrets": "1"}));
        let new = status(&quota, &hard, counted);
        assert_eq!(
            new,
            json!({"hard": {"count/widgets.x.io": "5", "secrets": "2"},
                "used": {"count/widgets.x.io": "3", "secrets": "1"}})
        );
        assert!(!lowers(&quota, &new));
        assert!(lowers(
            &quota,
            &json!({"used": {"count/widgets.x.io": "2"}})
        ));
    }
}
