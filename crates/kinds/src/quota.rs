//! What counts against a ResourceQuota: which amounts it tracks of a kind, how much an object uses, and whether a write
//! still fits.

mod scopes;
#[cfg(test)]
mod tests;
mod usage;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::amounts::{self, Amounts, List};
use crate::quantity::Quantity;
use crate::read::Read;

pub use scopes::selects;
pub use usage::usage;

/// A write that may count.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// API group.
    pub group: &'a str,
    /// Plural name.
    pub plural: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// What is to be stored.
    pub new: &'a Value,
    /// What is stored; `None` for a new object.
    pub old: Option<&'a Value>,
    /// When.
    pub now: Timestamp,
}

/// Amounts that nobody may leave open where a quota tracks them.
const MUST_BE_STATED: [&str; 6] = [
    "cpu",
    "limits.cpu",
    "limits.memory",
    "memory",
    "requests.cpu",
    "requests.memory",
];
const POD: [&str; 11] = [
    "count/pods",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "pods",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const SERVICE: [&str; 4] = [
    "count/services",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];
const CLAIM: [&str; 2] = ["persistentvolumeclaims", "requests.storage"];
/// Between the name of a storage class and what is counted of it.
const CLASS: &str = ".storageclass.storage.k8s.io/";
/// Kinds that were counted under their own name before all were.
const OLD_NAMES: [&str; 4] = [
    "configmaps",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
];

// === impl Change ===

impl Change<'_> {
    /// Whether a write of this sort is looked at by quotas.
    #[must_use]
    pub fn counts(&self) -> bool {
        let plain = self.subresource.is_empty();
        match (self.group, self.plural, self.old) {
            ("" | "events.k8s.io", "events", _) => false,
            ("", "pods", None) => plain,
            ("", "pods", Some(old)) => {
                let ends = scopes::has_deadline;
                self.subresource == "resize" || plain && ends(old) != ends(self.new)
            }
            ("", "services", _) => plain,
            ("", "persistentvolumeclaims", _) => plain || self.subresource == "status",
            (_, _, old) => plain && old.is_none(),
        }
    }

    fn is_of_pod(&self) -> bool {
        self.group.is_empty() && self.plural == "pods"
    }

    fn usage(&self, object: &Value) -> Amounts {
        usage(self.group, self.plural, object, self.now)
    }

    /// What a quota is charged with for this write.
    fn charge(&self, quota: &Value) -> Amounts {
        let mut delta = self.usage(self.new);
        if let Some(old) = self.old
            && selects(quota, self.group, self.plural, old)
        {
            for (name, before) in self.usage(old) {
                if let Some(amount) = delta.get_mut(&name) {
                    let less = *amount - before;
                    *amount = if less.is_negative() {
                        Quantity::ZERO
                    } else {
                        less
                    };
                }
            }
        }
        delta.retain(|_, amount| !amount.is_zero());
        delta
    }
}

/// The names in `hard` that objects of a kind count for.
#[must_use]
pub fn tracked(group: &str, plural: &str, hard: &Amounts) -> Vec<String> {
    let names = hard.keys();
    names
        .filter(|name| is_tracked(group, plural, name))
        .cloned()
        .collect()
}

fn is_tracked(group: &str, plural: &str, name: &str) -> bool {
    match (group, plural) {
        ("" | "events.k8s.io", "events") => false,
        ("", "pods") => POD.contains(&name) || is_huge_page(name) || is_extended(name),
        ("", "services") => SERVICE.contains(&name),
        ("", "persistentvolumeclaims") => {
            let of_class = name.split_once(CLASS).map(|(_, rest)| rest);
            name == "count/persistentvolumeclaims" || CLAIM.contains(&of_class.unwrap_or(name))
        }
        ("", old) if OLD_NAMES.contains(&old) && name == old => true,
        _ => name.strip_prefix("count/") == Some(&*qualified(group, plural)),
    }
}

/// `deployments.apps`, or `pods`.
fn qualified(group: &str, plural: &str) -> String {
    if group.is_empty() {
        plural.to_owned()
    } else {
        format!("{plural}.{group}")
    }
}

/// The kind that an entry of a quota counts, as (plural, group).
#[must_use]
pub fn kind_of(name: &str) -> Option<(&str, &str)> {
    if let Some(counted) = name.strip_prefix("count/") {
        return Some(counted.split_once('.').unwrap_or((counted, "")));
    }
    let core = |plural| Some((plural, ""));
    if is_tracked("", "pods", name) {
        core("pods")
    } else if is_tracked("", "services", name) {
        core("services")
    } else if is_tracked("", "persistentvolumeclaims", name) {
        core("persistentvolumeclaims")
    } else {
        OLD_NAMES.contains(&name).then_some((name, ""))
    }
}

fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-") || name.starts_with("requests.hugepages-")
}

/// Resources beyond Kubernetes' own are counted by their requests only.
fn is_extended(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("requests.") else {
        return false;
    };
    rest.contains('/') && !name.contains("kubernetes.io/")
        || rest.starts_with("deviceclass.resource.kubernetes.io/")
}

/// What `quotas` say to a write: the new `status.used` of those that it changes, by their place; or why it is refused.
///
/// # Errors
/// In the words of Kubernetes, to stand behind `is forbidden: `.
pub fn charge(quotas: &[Value], change: &Change<'_>) -> Result<Vec<(usize, Amounts)>, String> {
    let mut concerned = Vec::new();
    for (i, quota) in quotas.iter().enumerate() {
        let hard = amounts::read(quota.at("status.hard"));
        let names = tracked(change.group, change.plural, &hard);
        if names.is_empty() || !selects(quota, change.group, change.plural, change.new) {
            continue;
        }
        let of = quota.field("metadata").text("name");
        if change.is_of_pod() {
            all_stated(change.new, &names).map_err(|why| format!("failed quota: {of}: {why}"))?;
        }
        let used = amounts::read(quota.at("status.used"));
        if names.iter().any(|name| !used.contains_key(name)) {
            let names = names.join(",");
            return Err(format!(
                "status unknown for quota: {of}, resources: {names}"
            ));
        }
        concerned.push((i, hard, used));
    }
    let negative = change.usage(change.new).into_iter();
    let negative = negative.filter(|(_, amount)| amount.is_negative());
    let negative: Vec<String> = negative.map(|(name, _)| name).collect();
    if !negative.is_empty() {
        let names = negative.join(",");
        return Err(format!("quota usage is negative for resource(s): {names}"));
    }
    let mut changed = Vec::new();
    for (i, hard, mut used) in concerned {
        let mut delta = change.charge(&quotas[i]);
        delta.retain(|name, _| hard.contains_key(name));
        if delta.is_empty() {
            continue;
        }
        let before = used.clone();
        amounts::add(&mut used, &delta);
        // A status tells what is so; it is counted, not judged.
        if change.subresource != "status" {
            let of = quotas[i].field("metadata").text("name");
            fits(of, &delta, &before, &used, &hard)?;
        }
        changed.push((i, used));
    }
    Ok(changed)
}

fn fits(
    of: &str,
    delta: &Amounts,
    before: &Amounts,
    after: &Amounts,
    hard: &Amounts,
) -> Result<(), String> {
    let over = |name: &&String| after.get(*name) > hard.get(*name);
    let over: BTreeSet<&String> = delta.keys().filter(over).collect();
    if over.is_empty() {
        return Ok(());
    }
    let shown = |amounts: &Amounts| {
        let of_those = amounts.iter().filter(|(name, _)| over.contains(name));
        let words: Vec<String> = of_those
            .map(|(name, amount)| format!("{name}={amount}"))
            .collect();
        words.join(",")
    };
    Err(format!(
        "exceeded quota: {of}, requested: {}, used: {}, limited: {}",
        shown(delta),
        shown(before),
        shown(hard)
    ))
}

/// Every container states what is tracked, unless the pod does as a whole.
fn all_stated(pod: &Value, tracked: &[String]) -> Result<(), String> {
    if amounts::is_stated_for_pod(pod) {
        return Ok(());
    }
    let spec = pod.field("spec");
    let containers = || {
        ["containers", "initContainers"]
            .iter()
            .flat_map(|list| spec.items(list))
    };
    let mut missing = Vec::new();
    for name in MUST_BE_STATED
        .iter()
        .filter(|n| tracked.iter().any(|t| t == *n))
    {
        let states = |container: &Value| {
            let of = |list| amounts::of_container(container, list);
            usage::of_lists(&of(List::Requests), &of(List::Limits)).contains_key(*name)
        };
        let without: BTreeSet<&str> = containers()
            .filter(|c| !states(c))
            .map(|c| c.text("name"))
            .collect();
        if !without.is_empty() {
            let without: Vec<&str> = without.into_iter().collect();
            missing.push(format!("{name} for: {}", without.join(",")));
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("must specify {}", missing.join("; ")))
    }
}

/// What all objects of one kind use of what a quota tracks of that kind, from nothing.
#[must_use]
pub fn recount<'a>(
    quota: &Value,
    group: &str,
    plural: &str,
    objects: impl Iterator<Item = &'a Value>,
    now: Timestamp,
) -> Amounts {
    let names = tracked(group, plural, &amounts::read(quota.at("spec.hard")));
    let mut used: Amounts = names
        .into_iter()
        .map(|name| (name, Quantity::ZERO))
        .collect();
    for object in objects.filter(|o| selects(quota, group, plural, o)) {
        let mut more = usage(group, plural, object, now);
        more.retain(|name, _| used.contains_key(name));
        amounts::add(&mut used, &more);
    }
    used
}
