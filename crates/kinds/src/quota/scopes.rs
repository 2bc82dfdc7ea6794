//! Which objects a quota with scopes is for.

use serde_json::Value;

use crate::read::Read;

/// Whether a quota's scopes take an object. One without scopes takes everything; kinds that have no scopes are taken
/// by no quota that has some.
#[must_use]
pub fn selects(quota: &Value, group: &str, plural: &str, object: &Value) -> bool {
    let spec = quota.field("spec");
    let scopes = spec.items("scopes").iter().filter_map(Value::as_str);
    let terms = spec.field("scopeSelector").items("matchExpressions").iter();
    let terms = terms.map(|t| Term {
        scope: t.text("scopeName"),
        operator: t.text("operator"),
        values: t.items("values"),
    });
    let plain = scopes.map(|scope| Term {
        scope,
        operator: "Exists",
        values: &[],
    });
    plain.chain(terms).all(|term| match (group, plural) {
        ("", "pods") => term.takes_pod(object),
        ("", "persistentvolumeclaims") => term.takes_claim(object),
        _ => false,
    })
}

/// Whether a pod ends by itself after some time.
pub(super) fn has_deadline(pod: &Value) -> bool {
    let deadline = pod.field("spec").int("activeDeadlineSeconds");
    deadline.is_some_and(|seconds| seconds >= 0)
}

struct Term<'a> {
    scope: &'a str,
    operator: &'a str,
    values: &'a [Value],
}

// === impl Term ===

impl Term<'_> {
    fn takes_pod(&self, pod: &Value) -> bool {
        match self.scope {
            "Terminating" => has_deadline(pod),
            "NotTerminating" => !has_deadline(pod),
            "BestEffort" => is_best_effort(pod),
            "NotBestEffort" => !is_best_effort(pod),
            "PriorityClass" => {
                let class = pod.field("spec").text("priorityClassName");
                self.holds(Some(class).filter(|c| !c.is_empty()))
            }
            "CrossNamespacePodAffinity" => looks_into_other_namespaces(pod),
            _ => false,
        }
    }

    fn takes_claim(&self, claim: &Value) -> bool {
        if self.scope != "VolumeAttributesClass" {
            return false;
        }
        let names = [
            claim.at("spec.volumeAttributesClassName"),
            claim.at("status.currentVolumeAttributesClassName"),
            claim.at("status.modifyVolumeStatus.targetVolumeAttributesClassName"),
        ];
        let names = names.iter().filter_map(|n| n.as_str());
        let names: Vec<&str> = names.filter(|n| !n.is_empty()).collect();
        if names.is_empty() {
            return self.holds(None);
        }
        names.into_iter().any(|name| self.holds(Some(name)))
    }

    /// Whether the term holds of a name that may be missing.
    fn holds(&self, name: Option<&str>) -> bool {
        let named = name.is_some_and(|name| self.values.iter().any(|v| v == name));
        match self.operator {
            "In" => named,
            "NotIn" => !named,
            "Exists" => name.is_some(),
            "DoesNotExist" => name.is_none(),
            _ => false,
        }
    }
}

/// By the class that is noted, or by what the containers state.
fn is_best_effort(pod: &Value) -> bool {
    let noted = pod.field("status").text("qosClass");
    if !noted.is_empty() {
        return noted == "BestEffort";
    }
    let spec = pod.field("spec");
    let lists = ["containers", "initContainers"];
    let containers = lists.iter().flat_map(|list| spec.items(list));
    let mut stated = containers
        .map(|c| c.field("resources"))
        .chain([spec.field("resources")]);
    !stated.any(|resources| {
        let mut all = resources
            .entries("requests")
            .chain(resources.entries("limits"));
        all.any(|(name, amount)| {
            let some = crate::Quantity::from_json(amount).is_ok_and(|q| !q.is_zero());
            matches!(name, "cpu" | "memory") && some
        })
    })
}

fn looks_into_other_namespaces(pod: &Value) -> bool {
    let affinity = pod.at("spec.affinity");
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let rules = affinity.field(kind);
        let required = rules
            .items("requiredDuringSchedulingIgnoredDuringExecution")
            .iter();
        let preferred = rules.items("preferredDuringSchedulingIgnoredDuringExecution");
        let preferred = preferred.iter().map(|p| p.field("podAffinityTerm"));
        required
            .chain(preferred)
            .any(|term| !term.items("namespaces").is_empty() || term.has("namespaceSelector"))
    })
}
