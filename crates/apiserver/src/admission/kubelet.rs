//! What a node may write that speaks to the API itself: its own Node, lease and CSINode, the status of the pods on it,
//! and tokens for them.

use serde_json::Value;

use crate::api::Api;
use crate::authz::node::speaking;
use crate::call::Call;
use crate::meta;
use crate::status::{Error, Result};

const MIRROR: &str = "kubernetes.io/config.mirror";
/// Labels with this prefix say which work a node may be given to see, and are the administrator's.
const ISOLATION: &str = "node-restriction.kubernetes.io/";
/// Labels of Kubernetes that a node may give itself, beside all that no domain of Kubernetes stands before.
const OWN_LABELS: [&str; 11] = [
    "kubernetes.io/hostname",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];

/// Judges what is created, or changed if `old` is given.
///
/// # Errors
/// It is not the node's to write.
pub(super) fn check(api: &Api, call: &Call, new: &Value, old: Option<&Value>) -> Result<()> {
    let Some(node) = speaking(&call.identity) else {
        return Ok(());
    };
    let name = meta::name(new);
    let refuse = |why: String| Err(Error::Forbidden(call.resource.about(name), why));
    if node.is_empty() {
        let user = &call.identity.user;
        return refuse(format!("could not determine node from user {user:?}"));
    }
    let resource = &*call.resource;
    let kind = (resource.group.as_str(), resource.plural.as_str());
    match (kind, call.request.subresource.as_str()) {
        (("", "nodes"), _) if name != node => refuse(format!(
            "node {node:?} is not allowed to modify node {name:?}"
        )),
        (("", "nodes"), _) => match foreign_label(new, old) {
            Some(label) => refuse(format!("is not allowed to modify labels: {label}")),
            None if old.is_some_and(|old| old["spec"]["taints"] != new["spec"]["taints"]) => {
                refuse(format!("node {node:?} is not allowed to modify taints"))
            }
            None => Ok(()),
        },
        (("", "pods"), "") if old.is_none() => match why_no_mirror(api, node, new) {
            Some(why) => refuse(why),
            None => Ok(()),
        },
        (("", "pods"), "status") if new["spec"]["nodeName"] != node => refuse(format!(
            "node {node:?} can only update pod status for pods with spec.nodeName set to itself"
        )),
        (("", "pods"), "status")
            if old.is_some_and(|old| old["metadata"]["labels"] != new["metadata"]["labels"]) =>
        {
            refuse(format!(
                "node {node:?} cannot update labels through pod status"
            ))
        }
        (("coordination.k8s.io", "leases") | ("storage.k8s.io", "csinodes"), _) if name != node => {
            refuse(format!(
                "can only access objects with the same name as the requesting node {node:?}"
            ))
        }
        _ => Ok(()),
    }
}

/// Judges the deletion of an object.
///
/// # Errors
/// It is not the node's.
pub(super) fn check_deletion(call: &Call, old: &Value) -> Result<()> {
    let Some(node) = speaking(&call.identity) else {
        return Ok(());
    };
    if call.resource.is("", "pods") && old["spec"]["nodeName"] != node {
        let why = format!("node {node:?} can only delete pods with spec.nodeName set to itself");
        return Err(Error::Forbidden(call.resource.about(meta::name(old)), why));
    }
    Ok(())
}

/// Judges a request that is answered and not stored: for a token, or to evict a pod.
///
/// # Errors
/// It is about a pod on another node.
pub(super) async fn check_answered(api: &Api, call: &Call, object: &Value) -> Result<()> {
    let Some(node) = speaking(&call.identity) else {
        return Ok(());
    };
    let refuse = |why: String| {
        let about = call.resource.about(&call.request.name);
        Err(Error::Forbidden(about, why))
    };
    let pod = match call.request.subresource.as_str() {
        "eviction" => call.request.name.as_str(),
        "token" => {
            let bound = &object["spec"]["boundObjectRef"];
            if bound["kind"] != "Pod" {
                return refuse("node requested token not bound to a pod".into());
            }
            bound["name"].as_str().unwrap_or_default()
        }
        _ => return Ok(()),
    };
    let path = format!("{}/{pod}", call.request.namespace);
    let pod = api.read("", "pods", &path).await?;
    if pod.is_some_and(|pod| pod["spec"]["nodeName"] == node) {
        return Ok(());
    }
    refuse(format!(
        "node {node:?} can only speak for pods with spec.nodeName set to itself"
    ))
}

/// A label that is not for a node to give itself, or to change.
fn foreign_label<'a>(new: &'a Value, old: Option<&'a Value>) -> Option<&'a str> {
    let labels = |object: &'a Value| object["metadata"]["labels"].as_object();
    let before = old.and_then(labels);
    let after = labels(new);
    let changed = |name: &str| {
        before.and_then(|labels| labels.get(name)) != after.and_then(|labels| labels.get(name))
    };
    let names = after
        .into_iter()
        .chain(before)
        .flatten()
        .map(|(name, _)| name.as_str());
    names
        .into_iter()
        .find(|name| changed(name) && !is_own(name))
}

fn is_own(label: &str) -> bool {
    let Some((domain, _)) = label.split_once('/') else {
        return true;
    };
    if label.starts_with(ISOLATION) {
        return false;
    }
    let of = |suffix: &str| domain == suffix || domain.ends_with(&format!(".{suffix}"));
    if !of("kubernetes.io") && !of("k8s.io") {
        return true;
    }
    OWN_LABELS.contains(&label) || of("kubelet.kubernetes.io") || of("node.kubernetes.io")
}

/// Why a pod that a node makes is not the mirror of one of its own.
fn why_no_mirror(api: &Api, node: &str, pod: &Value) -> Option<String> {
    let meta = &pod["metadata"];
    if meta["annotations"][MIRROR].is_null() {
        return Some(format!(
            "pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods"
        ));
    }
    if pod["spec"]["nodeName"] != node {
        return Some(format!(
            "node {node:?} can only create pods with spec.nodeName set to itself"
        ));
    }
    let uid = api.cache.kind("", "nodes").get(node);
    let uid = uid.and_then(|object| object.value().ok());
    let uid = uid.map(|node| node["metadata"]["uid"].clone());
    let owners = meta["ownerReferences"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let is_own = |owner: &Value| {
        owner["kind"] == "Node"
            && owner["name"] == node
            && owner["controller"] == true
            && Some(&owner["uid"]) == uid.as_ref()
    };
    match owners {
        [owner] if is_own(owner) => None,
        _ => Some(format!(
            "node {node:?} can only create pods with an owner reference set to itself"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_gives_itself_only_labels_that_are_its_own() {
        let labelled = |labels: Value| json!({ "metadata": { "labels": labels } });
        let old =
            labelled(json!({ "node-restriction.kubernetes.io/secret": "yes", "disk": "ssd" }));
        let check = |new: Value| foreign_label(&labelled(new), Some(&old)).map(str::to_owned);
        let kept = json!({ "node-restriction.kubernetes.io/secret": "yes" });
        assert_eq!(check(kept), None, "others are its own to drop");
        let own = json!({ "node-restriction.kubernetes.io/secret": "yes", "kubernetes.io/os": "linux",
            "acme.io/x": "y", "node.kubernetes.io/x": "y", "plain": "z" });
        assert_eq!(check(own), None);
        let dropped = Some("node-restriction.kubernetes.io/secret".to_owned());
        assert_eq!(check(json!({})), dropped);
        let stolen = json!({ "node-restriction.kubernetes.io/secret": "yes", "node-role.kubernetes.io/master": "" });
        assert_eq!(check(stolen).unwrap(), "node-role.kubernetes.io/master");
    }
}
