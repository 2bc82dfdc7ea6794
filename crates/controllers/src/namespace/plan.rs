//! What was found in a namespace, and what its conditions say about it. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::NamespaceCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ApiResource;

/// What one round of emptying found.
pub(super) struct Findings {
    discovery: Vec<String>,
    deletion: Vec<String>,
    /// `pods.` → how many.
    remaining: BTreeMap<String, usize>,
    finalizers: BTreeMap<String, usize>,
}

impl Findings {
    pub(super) fn new(discovery: Vec<String>) -> Self {
        Self {
            discovery,
            deletion: Vec::new(),
            remaining: BTreeMap::new(),
            finalizers: BTreeMap::new(),
        }
    }

    /// Notes objects that are still there, each as the list of its finalizers.
    pub(super) fn remain(&mut self, resource: &ApiResource, objects: Vec<Vec<String>>) {
        if objects.is_empty() {
            return;
        }
        let name = format!("{}.{}", resource.plural, resource.group);
        self.remaining.insert(name, objects.len());
        for finalizer in objects.into_iter().flatten() {
            *self.finalizers.entry(finalizer).or_default() += 1;
        }
    }

    pub(super) fn fail(&mut self, resource: &ApiResource, text: &str) {
        self.deletion.push(format!("{}: {text}", resource.plural));
    }

    pub(super) fn anything_remains(&self) -> bool {
        !self.remaining.is_empty()
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.discovery.is_empty() || !self.deletion.is_empty()
    }

    /// Nothing is left, and nobody could not be asked.
    pub(super) fn is_clean(&self) -> bool {
        !self.anything_remains() && !self.has_failed()
    }

    pub(super) fn failures(&self) -> String {
        let all: Vec<&str> = self
            .discovery
            .iter()
            .chain(&self.deletion)
            .map(String::as_str)
            .collect();
        format!("the namespace cannot be emptied: {}", all.join(", "))
    }

    /// The conditions of the namespace; one that says the same as before keeps its time.
    pub(super) fn conditions(
        &self,
        old: Option<Vec<NamespaceCondition>>,
        now: Timestamp,
    ) -> Vec<NamespaceCondition> {
        let mut conditions = old.unwrap_or_default();
        for (kind, reason, message, bad) in self.words() {
            let new = NamespaceCondition {
                type_: kind.to_owned(),
                status: if bad { "True" } else { "False" }.to_owned(),
                reason: Some(reason.to_owned()),
                message: Some(message),
                last_transition_time: Some(Time(now)),
            };
            match conditions.iter_mut().find(|c| c.type_ == kind) {
                None => conditions.push(new),
                Some(c) => {
                    let since = c.last_transition_time.take();
                    let is_same = c.status == new.status;
                    *c = new;
                    if is_same {
                        c.last_transition_time = since;
                    }
                }
            }
        }
        conditions
    }

    /// Type, reason, message, whether it is a trouble.
    fn words(&self) -> [(&'static str, &'static str, String, bool); 5] {
        let word = |kind, bad: Option<(&'static str, String)>, good: &'static str, text: &str| {
            let is_bad = bad.is_some();
            let (reason, message) = bad.unwrap_or_else(|| (good, text.to_owned()));
            (kind, reason, message, is_bad)
        };
        let some = |list: &[String], reason| (!list.is_empty()).then(|| (reason, list.join(", ")));
        let counts = |counts: &BTreeMap<String, usize>, joint: &str| {
            let parts: Vec<String> = counts
                .iter()
                .map(|(name, n)| format!("{name} {joint} {n} resource instances"))
                .collect();
            parts.join(", ")
        };
        let remaining = self.anything_remains().then(|| {
            let list = counts(&self.remaining, "has");
            let text = format!("Some resources are remaining: {list}");
            ("SomeResourcesRemain", text)
        });
        let finalizers = (!self.finalizers.is_empty()).then(|| {
            let list = counts(&self.finalizers, "in");
            let text = format!("Some content in the namespace has finalizers remaining: {list}");
            ("SomeFinalizersRemain", text)
        });
        [
            word(
                "NamespaceDeletionDiscoveryFailure",
                some(&self.discovery, "DiscoveryFailed"),
                "ResourcesDiscovered",
                "All resources successfully discovered",
            ),
            word(
                "NamespaceDeletionGroupVersionParsingFailure",
                None,
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed",
            ),
            word(
                "NamespaceDeletionContentFailure",
                some(&self.deletion, "ContentDeletionFailed"),
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
            word(
                "NamespaceContentRemaining",
                remaining,
                "ContentRemoved",
                "All content successfully removed",
            ),
            word(
                "NamespaceFinalizersRemaining",
                finalizers,
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_name_what_holds_the_namespace() {
        let pods = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
        let mut findings = Findings::new(Vec::new());
        findings.remain(&pods, vec![vec!["a/b".into()], vec![]]);
        assert!(!findings.is_clean() && !findings.has_failed());
        let first = findings.conditions(None, Timestamp::UNIX_EPOCH);
        let text = |c: &[NamespaceCondition], i: usize| c[i].message.clone().unwrap();
        assert_eq!(first.len(), 5);
        assert_eq!(
            text(&first, 3),
            "Some resources are remaining: pods. has 2 resource instances"
        );
        assert_eq!(
            text(&first, 4),
            "Some content in the namespace has finalizers remaining: a/b in 1 resource instances"
        );
        let later = Timestamp::from_second(9).unwrap();
        let second = Findings::new(Vec::new()).conditions(Some(first), later);
        assert_eq!((&*second[3].status, &*second[0].status), ("False", "False"));
        assert_eq!(
            second[0].last_transition_time,
            Some(Time(Timestamp::UNIX_EPOCH))
        );
        assert_eq!(second[3].last_transition_time, Some(Time(later)));
    }
}
