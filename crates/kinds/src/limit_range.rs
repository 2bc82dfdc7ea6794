//! What a LimitRange adds to a pod, and what it forbids to pods and claims.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::amounts::{self, Amounts, List};
use crate::quantity::Quantity;
use crate::read::Read;

/// Where a pod says what was added to it.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";
/// Above this many units amounts are compared in units, below in thousandths.
const MILLIS_MAX: i64 = i64::MAX / 1000;

/// Gives the containers of a new pod what they do not state themselves.
pub fn complete(range: &Value, pod: &mut Value) {
    let mut defaults: BTreeMap<&str, Amounts> = BTreeMap::new();
    for item in range.field("spec").items("limits") {
        if item.text("type") == "Container" {
            for (list, from) in [("requests", "defaultRequest"), ("limits", "default")] {
                let given = amounts::read(item.field(from));
                defaults.entry(list).or_default().extend(given);
            }
        }
    }
    if defaults.values().all(BTreeMap::is_empty) {
        return;
    }
    let mut notes = Vec::new();
    for (list, word) in [
        ("containers", "container"),
        ("initContainers", "init container"),
    ] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            for (field, what) in [("requests", "request"), ("limits", "limit")] {
                let added = fill(container, field, &defaults[field]);
                if !added.is_empty() {
                    let name = container.text("name");
                    notes.push(format!("{} {what} for {word} {name}", added.join(", ")));
                }
            }
        }
    }
    if !notes.is_empty() {
        let note = format!("LimitRanger plugin set: {}", notes.join("; "));
        if !pod["metadata"]["annotations"].is_object() {
            pod["metadata"]["annotations"] = json!({});
        }
        pod["metadata"]["annotations"][ANNOTATION] = json!(note);
    }
}

/// Adds what is missing to one list of a container; the names of what was added.
fn fill<'a>(container: &mut Value, field: &str, defaults: &'a Amounts) -> Vec<&'a str> {
    let mut added = Vec::new();
    for (name, amount) in defaults {
        if container["resources"][field].get(name).is_none() {
            if !container["resources"].is_object() {
                container["resources"] = json!({});
            }
            if !container["resources"][field].is_object() {
                container["resources"][field] = json!({});
            }
            container["resources"][field][name] = json!(amount.to_string());
            added.push(name.as_str());
        }
    }
    added
}

/// What a range has against a pod.
#[must_use]
pub fn against_pod(range: &Value, pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for item in range.field("spec").items("limits") {
        match item.text("type") {
            "Container" => {
                let spec = pod.field("spec");
                let lists = ["containers", "initContainers"];
                for container in lists.iter().flat_map(|list| spec.items(list)) {
                    let of = |list| amounts::of_container(container, list);
                    check(item, &of(List::Requests), &of(List::Limits), &mut found);
                }
            }
            "Pod" => {
                let of = |list| amounts::of_pod(pod, list);
                check(item, &of(List::Requests), &of(List::Limits), &mut found);
            }
            _ => {}
        }
    }
    found
}

/// What a range has against a claim for storage.
#[must_use]
pub fn against_claim(range: &Value, claim: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let requests = amounts::read(claim.at("spec.resources.requests"));
    for item in range.field("spec").items("limits") {
        if item.text("type") != "PersistentVolumeClaim" {
            continue;
        }
        let of = Of {
            kind: item.text("type"),
            requests: &requests,
            limits: &Amounts::new(),
        };
        for (name, bound) in amounts::read(item.field("min")) {
            found.extend(of.too_little(&name, bound));
        }
        for (name, bound) in amounts::read(item.field("max")) {
            found.extend(of.requests_too_much(&name, bound));
        }
    }
    found
}

fn check(item: &Value, requests: &Amounts, limits: &Amounts, found: &mut Vec<String>) {
    let of = Of {
        kind: item.text("type"),
        requests,
        limits,
    };
    for (name, bound) in amounts::read(item.field("min")) {
        found.extend(of.too_little(&name, bound));
    }
    for (name, bound) in amounts::read(item.field("max")) {
        found.extend(of.too_much(&name, bound));
    }
    for (name, bound) in amounts::read(item.field("maxLimitRequestRatio")) {
        found.extend(of.too_far_apart(&name, bound));
    }
}

/// What is held against an item of a range.
struct Of<'a> {
    kind: &'a str,
    requests: &'a Amounts,
    limits: &'a Amounts,
}

// === impl Of ===

impl Of<'_> {
    fn too_little(&self, name: &str, bound: Quantity) -> Option<String> {
        let rule = format!("minimum {name} usage per {} is {bound}", self.kind);
        let Some(request) = self.requests.get(name) else {
            return Some(format!("{rule}.  No request is specified"));
        };
        if comparable(*request, bound).0 < comparable(*request, bound).1 {
            return Some(format!("{rule}, but request is {request}"));
        }
        let limit = self.limits.get(name)?;
        let (has, least) = comparable(*limit, bound);
        (has < least).then(|| format!("{rule}, but limit is {limit}"))
    }

    fn too_much(&self, name: &str, bound: Quantity) -> Option<String> {
        let rule = format!("maximum {name} usage per {} is {bound}", self.kind);
        let Some(limit) = self.limits.get(name) else {
            return Some(format!("{rule}.  No limit is specified"));
        };
        let (has, most) = comparable(*limit, bound);
        if has > most {
            return Some(format!("{rule}, but limit is {limit}"));
        }
        let request = self.requests.get(name)?;
        let (has, most) = comparable(*request, bound);
        (has > most).then(|| format!("{rule}, but request is {request}"))
    }

    fn requests_too_much(&self, name: &str, bound: Quantity) -> Option<String> {
        let rule = format!("maximum {name} usage per {} is {bound}", self.kind);
        let Some(request) = self.requests.get(name) else {
            return Some(format!("{rule}.  No request is specified"));
        };
        let (has, most) = comparable(*request, bound);
        (has > most).then(|| format!("{rule}, but request is {request}"))
    }

    fn too_far_apart(&self, name: &str, bound: Quantity) -> Option<String> {
        let rule = format!(
            "{name} max limit to request ratio per {} is {bound}",
            self.kind
        );
        let amount = |list: &Amounts| list.get(name).copied().filter(|q| !q.is_zero());
        let Some(request) = amount(self.requests) else {
            return Some(format!(
                "{rule}, but no request is specified or request is 0"
            ));
        };
        let Some(limit) = amount(self.limits) else {
            return Some(format!("{rule}, but no limit is specified or limit is 0"));
        };
        let (limit, request) = comparable(limit, request);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a ratio that is shown with six digits"
        )]
        let (ratio, most) = (
            limit as f64 / request as f64,
            bound.nanos() as f64 / 1_000_000_000.0,
        );
        (ratio > most).then(|| format!("{rule}, but provided ratio is {ratio:.6}"))
    }
}

/// Two amounts at the precision at which they can be compared.
fn comparable(a: Quantity, b: Quantity) -> (i64, i64) {
    if a.units() <= MILLIS_MAX && b.units() <= MILLIS_MAX {
        (a.millis(), b.millis())
    } else {
        (a.units(), b.units())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(item: Value) -> Value {
        json!({"spec": {"limits": [item]}})
    }

    #[test]
    fn containers_get_what_they_do_not_state_and_the_pod_says_so() {
        let range = range(
            json!({"type": "Container", "default": {"cpu": "500m", "memory": "64Mi"},
            "defaultRequest": {"cpu": "100m"}}),
        );
        let mut pod = json!({"metadata": {}, "spec": {
            "containers": [{"name": "a"}, {"name": "b", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}}],
            "initContainers": [{"name": "i"}]}});
        complete(&range, &mut pod);
        assert_eq!(
            pod["spec"]["containers"][0]["resources"],
            json!({"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": "100m"}})
        );
        assert_eq!(
            pod["spec"]["containers"][1]["resources"]["limits"],
            json!({"cpu": "1", "memory": "64Mi"})
        );
        assert_eq!(
            pod["metadata"]["annotations"][ANNOTATION],
            "LimitRanger plugin set: cpu request for container a; cpu, memory limit for container a; memory limit for \
             container b; cpu request for init container i; cpu, memory limit for init container i"
        );
    }

    #[test]
    fn each_bound_is_told_in_its_own_words() {
        let pod = json!({"spec": {"containers": [{"name": "a", "resources":
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "3"}}}]}});
        let item = json!({"type": "Container", "min": {"cpu": "200m", "memory": "1Mi"}, "max": {"cpu": "2", "memory": "1Gi"},
            "maxLimitRequestRatio": {"cpu": "4"}});
        assert_eq!(
            against_pod(&range(item), &pod),
            [
                "minimum cpu usage per Container is 200m, but request is 100m",
                "minimum memory usage per Container is 1Mi.  No request is specified",
                "maximum cpu usage per Container is 2, but limit is 3",
                "maximum memory usage per Container is 1Gi.  No limit is specified",
                "cpu max limit to request ratio per Container is 4, but provided ratio is 30.000000",
            ]
        );
        let whole = json!({"type": "Pod", "max": {"cpu": "4"}});
        assert!(against_pod(&range(whole), &pod).is_empty());
    }

    #[test]
    fn claims_are_held_against_what_they_request() {
        let claim = json!({"spec": {"resources": {"requests": {"storage": "3Gi"}}}});
        let item = json!({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}});
        assert_eq!(
            against_claim(&range(item), &claim),
            ["maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"]
        );
    }
}
