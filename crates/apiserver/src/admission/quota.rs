//! What the ResourceQuotas of a namespace say to a write, and what they are charged with.
//!
//! A charge is written before what it is for. Nobody can exceed a quota by being fast: writes of a namespace are charged one
//! after another, and the controller that counts anew is told apart by the revision. Whoever is charged and then not
//! stored is paid back; if that fails too, the controller counts within minutes.

use std::hash::{BuildHasher as _, RandomState};

use cedge_kinds::amounts::{self, Amounts};
use cedge_kinds::quota::{self, Change};
use cedge_store::Durability;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::api::{Api, WriteFailure};
use crate::cache::Object;
use crate::call::Call;
use crate::meta;
use crate::selector::Filter;
use crate::status::{Error, Result};

/// How often a charge is tried again when the controller writes meanwhile.
const ATTEMPTS: usize = 10;
/// Namespaces share a few locks: enough that they seldom meet.
const LOCKS: usize = 16;

/// Lets charges to one namespace happen one after another.
#[derive(Debug)]
pub(crate) struct Tills {
    locks: [Mutex<()>; LOCKS],
    hasher: RandomState,
}

/// What was charged, until the object is stored.
#[derive(Debug, Default)]
pub(super) struct Charged {
    /// By the quota's path.
    quotas: Vec<(String, Amounts)>,
}

// === impl Tills ===

impl Default for Tills {
    fn default() -> Self {
        Self {
            locks: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

impl Tills {
    fn of(&self, namespace: &str) -> &Mutex<()> {
        let hash = self.hasher.hash_one(namespace);
        &self.locks[usize::try_from(hash % LOCKS as u64).unwrap_or(0)]
    }
}

/// Charges the quotas that a write counts for.
pub(super) async fn charge(
    api: &Api,
    call: &Call,
    new: &Value,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<Charged> {
    let resource = &*call.resource;
    let change = Change {
        group: &resource.group,
        plural: &resource.plural,
        subresource: match call.request.subresource.as_str() {
            "scale" => "",
            other => other,
        },
        new,
        old,
        now: call.now,
    };
    let namespace = meta::namespace(new);
    if !resource.namespaced || !change.counts() || api.quotas_of(namespace).is_empty() {
        return Ok(Charged::default());
    }
    let _turn = api.tills.of(namespace).lock().await;
    for _ in 0..ATTEMPTS {
        api.cache.fresh().await?;
        let objects = api.quotas_of(namespace);
        let quotas = objects.iter().map(|o| o.value());
        let quotas: Vec<Value> = quotas.collect::<Result<_>>()?;
        let changed =
            quota::charge(&quotas, &change).map_err(|why| super::forbidden(call, new, why))?;
        if dry_run {
            return Ok(Charged::default());
        }
        let mut charged = Charged::default();
        let mut missed = false;
        for (i, used) in changed {
            let before = amounts::read(&quotas[i]["status"]["used"]);
            match api.set_used(&objects[i], &quotas[i], &used).await {
                Ok(()) => charged.note(objects[i].path(), &used, &before),
                Err(WriteFailure::Conflict) => missed = true,
                Err(WriteFailure::Other(error)) => {
                    charged.pay_back(api).await;
                    return Err(error);
                }
            }
        }
        if !missed {
            return Ok(charged);
        }
        charged.pay_back(api).await;
    }
    Err(Error::Conflict(
        resource.about(meta::name(new)),
        "the quotas of the namespace change too often; please try again".into(),
    ))
}

// === impl Charged ===

impl Charged {
    fn note(&mut self, path: &str, after: &Amounts, before: &Amounts) {
        let delta = after.iter().map(|(name, amount)| {
            let less = before.get(name).copied();
            (name.clone(), less.map_or(*amount, |less| *amount - less))
        });
        let delta = delta.filter(|(_, amount)| !amount.is_zero()).collect();
        self.quotas.push((path.to_owned(), delta));
    }

    /// Nothing was stored after all.
    pub(super) async fn pay_back(self, api: &Api) {
        for (path, delta) in self.quotas {
            if let Err(failure) = api.pay_back(&path, &delta).await {
                tracing::debug!(?failure, quota = path, "a charge was not paid back");
            }
        }
    }
}

// === impl Api ===

impl Api {
    fn quotas_of(&self, namespace: &str) -> Vec<std::sync::Arc<Object>> {
        let filter = Filter {
            namespace: namespace.to_owned(),
            ..Filter::default()
        };
        let quotas = self.cache.kind("", "resourcequotas");
        quotas.list(&filter, None, 0, 0).objects
    }

    async fn set_used(
        &self,
        object: &Object,
        quota: &Value,
        used: &Amounts,
    ) -> Result<(), WriteFailure> {
        let resource = self.registry.built_in("", "v1", "resourcequotas");
        let mut quota = quota.clone();
        meta::fields(&mut quota, "status").insert("used".into(), amounts::write(used));
        // What is charged for is written durably afterwards, and the log keeps the order.
        self.replace_with(&resource, &quota, object.revision(), Durability::Relaxed)
            .await?;
        Ok(())
    }

    async fn pay_back(&self, path: &str, delta: &Amounts) -> Result<(), WriteFailure> {
        for _ in 0..ATTEMPTS {
            let found = self
                .get(&self.cache.kind("", "resourcequotas"), path)
                .await?;
            let Some(object) = found else {
                return Ok(());
            };
            let quota = object.value()?;
            let mut used = amounts::read(&quota["status"]["used"]);
            for (name, amount) in delta {
                if let Some(used) = used.get_mut(name) {
                    *used = *used - *amount;
                }
            }
            used.retain(|_, amount| !amount.is_negative());
            match self.set_used(&object, &quota, &used).await {
                Err(WriteFailure::Conflict) => {}
                done => return done,
            }
        }
        Err(WriteFailure::Conflict)
    }
}
