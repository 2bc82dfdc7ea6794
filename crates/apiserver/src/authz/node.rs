//! What nodes may do that speak to the API themselves, as kubelets do: read what the pods on them need, speak of
//! themselves, and nothing else. Beside RBAC: who is refused here may still be allowed there.
//!
//! What a write may say is judged in `admission/kubelet.rs`.

use std::sync::LazyLock;

use cedge_pki::Identity;
use cedge_rbac::{Object, Policy, bootstrap};
use serde_json::{Value, json};

use super::{Attributes, user};
use crate::api::Api;
use crate::selector::Filter;

const GROUP: &str = "system:nodes";
const USER: &str = "system:node:";
const LEASES: &str = "kube-node-lease";

/// What every node may do, whichever it is: the rules of the role that Kubernetes binds to nobody.
static RULES: LazyLock<Policy> = LazyLock::new(|| {
    let objects = bootstrap::objects();
    let own = objects.filter(|object| object["metadata"]["name"] == "system:node");
    let bound = own.filter_map(|mut object| {
        let kind = object["kind"].as_str()?.to_owned();
        if kind == "ClusterRoleBinding" {
            let group =
                json!({ "kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": GROUP });
            object["subjects"] = json!([group]);
        }
        Object::read(&kind, &object).ok()
    });
    Policy::of(bound.collect::<Vec<_>>())
});

/// The node that somebody speaks for. `Some("")`: a node, but none that can be told.
pub(crate) fn speaking(identity: &Identity) -> Option<&str> {
    let is_node = identity.groups.iter().any(|group| group == GROUP);
    is_node.then(|| identity.user.strip_prefix(USER).unwrap_or_default())
}

/// Whether a node may; else why not. `fields` is the field selector of a list or watch.
pub(super) fn check(
    api: &Api,
    identity: &Identity,
    node: &str,
    attributes: &Attributes,
    fields: &str,
) -> Result<(), String> {
    if node.is_empty() {
        return Err(format!("unknown node for user {:?}", identity.user));
    }
    let Attributes {
        verb,
        group,
        resource,
        subresource,
        name,
        ..
    } = attributes;
    let reads = matches!(verb.as_str(), "get" | "list" | "watch");
    let own = |why: &str| (name == node).then_some(()).ok_or(why.to_owned());
    match (group.as_str(), resource.as_str(), subresource.as_str()) {
        ("", "secrets" | "configmaps", "") if reads => needed(api, node, attributes),
        ("", "persistentvolumeclaims" | "persistentvolumes", "") if verb == "get" => {
            needed(api, node, attributes)
        }
        ("", "persistentvolumeclaims", "status") if matches!(verb.as_str(), "update" | "patch") => {
            needed(api, node, attributes)
        }
        ("", "serviceaccounts", "") if verb == "get" => needed(api, node, attributes),
        ("", "serviceaccounts", "token") if verb == "create" => needed(api, node, attributes),
        ("", "secrets" | "configmaps", _) => Err("can only read resources of this type".into()),
        ("", "persistentvolumeclaims" | "persistentvolumes", _) => {
            Err("can only get individual resources of this type".into())
        }
        ("", "serviceaccounts", _) => {
            Err("can only create tokens for individual service accounts".into())
        }
        ("coordination.k8s.io", "leases", "") if attributes.namespace != LEASES => Err(format!(
            "can only access leases in the {LEASES:?} system namespace"
        )),
        ("coordination.k8s.io", "leases", "") | ("storage.k8s.io", "csinodes", "")
            if verb != "create" =>
        {
            own("can only access objects with the same name as the requesting node")?;
            by_rules(identity, attributes)
        }
        ("", "nodes", "") if reads => of_itself(node, attributes, "metadata.name", fields),
        ("", "pods", "") if matches!(verb.as_str(), "list" | "watch") => {
            of_itself(node, attributes, "spec.nodeName", fields)
        }
        ("", "pods", "") if verb == "get" => {
            let path = format!("{}/{name}", attributes.namespace);
            let pod = value(api, "pods", &path);
            let is_there = pod.is_some_and(|pod| pod["spec"]["nodeName"] == node);
            is_there.then_some(()).ok_or_else(|| unrelated(node))
        }
        _ => by_rules(identity, attributes),
    }
}

fn by_rules(identity: &Identity, attributes: &Attributes) -> Result<(), String> {
    let decision = RULES.authorize(&user(identity), &attributes.request());
    decision.is_allowed().then_some(()).ok_or_else(String::new)
}

/// Whether one reads oneself, or only what is selected as one's own.
fn of_itself(node: &str, asked: &Attributes, field: &str, fields: &str) -> Result<(), String> {
    let selects = |part: &str| {
        let value = part
            .strip_prefix(field)
            .map(|rest| rest.trim_start_matches('='));
        value == Some(node)
    };
    if asked.name == node || fields.split(',').any(selects) {
        return Ok(());
    }
    let own = match asked.resource.as_str() {
        "nodes" => "Node object",
        other => other,
    };
    Err(format!(
        "node '{node}' cannot read all {}, only its own {own}",
        asked.resource
    ))
}

fn unrelated(node: &str) -> String {
    format!("no relationship found between node '{node}' and this object")
}

/// Whether a pod on the node needs an object.
fn needed(api: &Api, node: &str, asked: &Attributes) -> Result<(), String> {
    if asked.name.is_empty() {
        return Err("No Object name found".into());
    }
    let is_needed = pods(api, node, &asked.namespace).iter().any(|pod| {
        let spec = &pod["spec"];
        match asked.resource.as_str() {
            "serviceaccounts" => spec["serviceAccountName"] == asked.name.as_str(),
            "persistentvolumeclaims" => claims(pod).any(|claim| claim == asked.name),
            "persistentvolumes" => claims(pod).any(|claim| {
                let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
                let path = format!("{namespace}/{claim}");
                let claim = value(api, "persistentvolumeclaims", &path);
                claim.is_some_and(|claim| claim["spec"]["volumeName"] == asked.name.as_str())
            }),
            "secrets" => names(spec, &SECRETS, &asked.name),
            _ => names(spec, &CONFIG_MAPS, &asked.name) || asked.name == "kube-root-ca.crt",
        }
    });
    is_needed.then_some(()).ok_or_else(|| unrelated(node))
}

fn claims(pod: &Value) -> impl Iterator<Item = String> {
    let own = pod["metadata"]["name"].as_str().unwrap_or_default();
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes.filter_map(move |volume| {
        let named = volume["persistentVolumeClaim"]["claimName"].as_str();
        let name = volume["name"].as_str().unwrap_or_default();
        let made = volume["ephemeral"]
            .is_object()
            .then(|| format!("{own}-{name}"));
        named.map(str::to_owned).or(made)
    })
}

/// Fields of a pod's specification, wherever they stand, that name an object: the field, and the key in it.
const SECRETS: [(&str, &str); 5] = [
    ("secretKeyRef", "name"),
    ("secretRef", "name"),
    ("secret", "secretName"),
    // In a projected volume.
    ("secret", "name"),
    ("imagePullSecrets", "name"),
];
const CONFIG_MAPS: [(&str, &str); 3] = [
    ("configMapKeyRef", "name"),
    ("configMapRef", "name"),
    ("configMap", "name"),
];

fn names(value: &Value, fields: &[(&str, &str)], name: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| names(item, fields, name)),
        Value::Object(object) => object.iter().any(|(key, inner)| {
            let here = fields.iter().filter(|(field, _)| field == key);
            let mut here = here.map(|(_, named)| named);
            here.any(|named| match inner {
                Value::Array(items) => items.iter().any(|item| item[*named] == name),
                one => one[*named] == name,
            }) || names(inner, fields, name)
        }),
        _ => false,
    }
}

/// The pods on a node; of all namespaces if that is empty.
fn pods(api: &Api, node: &str, namespace: &str) -> Vec<Value> {
    let kind = api.cache.kind("", "pods");
    let filter = Filter {
        namespace: namespace.to_owned(),
        ..Filter::default()
    };
    let all = kind.list(&filter, None, 0, 0).objects.into_iter();
    let here = all.filter_map(|pod| pod.value().ok());
    here.filter(|pod| pod["spec"]["nodeName"] == node).collect()
}

fn value(api: &Api, plural: &str, path: &str) -> Option<Value> {
    api.cache.kind("", plural).get(path)?.value().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pod_names_is_found_wherever_it_stands() {
        let spec = json!({
            "imagePullSecrets": [{ "name": "pull" }],
            "containers": [{
                "env": [{ "valueFrom": { "secretKeyRef": { "name": "key", "key": "k" } } }],
                "envFrom": [{ "configMapRef": { "name": "all" } }, { "secretRef": { "name": "env" } }],
            }],
            "volumes": [
                { "name": "v", "secret": { "secretName": "volume" } },
                { "projected": { "sources": [
                    { "secret": { "name": "projected" } }, { "configMap": { "name": "part" } },
                ] } },
            ],
        });
        for name in ["pull", "key", "env", "volume", "projected"] {
            assert!(names(&spec, &SECRETS, name), "{name}");
            assert!(!names(&spec, &CONFIG_MAPS, name), "{name}");
        }
        for name in ["all", "part"] {
            assert!(names(&spec, &CONFIG_MAPS, name), "{name}");
            assert!(!names(&spec, &SECRETS, name), "{name}");
        }
        assert!(!names(&spec, &SECRETS, "v"));
    }

    #[test]
    fn rules_for_all_nodes_are_those_of_the_role() {
        let node = Identity {
            user: "system:node:n".into(),
            groups: vec![GROUP.into()],
            ..Identity::default()
        };
        let may = |verb: &str, group: &str, resource: &str| {
            let attributes = Attributes {
                verb: verb.into(),
                group: group.into(),
                version: "v1".into(),
                resource: resource.into(),
                ..Attributes::default()
            };
            by_rules(&node, &attributes).is_ok()
        };
        assert!(may("list", "", "services"));
        assert!(may("create", "", "events"));
        assert!(may("create", "", "nodes"));
        assert!(!may("delete", "", "nodes"));
        assert!(!may("list", "", "namespaces"));
        assert_eq!(speaking(&node), Some("n"));
        assert_eq!(speaking(&Identity::default()), None);
    }
}
