//! Names: which pod is which, how it is called and what storage it has. Pure.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, PodTemplateSpec, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::pods;

const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";
/// The label of a pod that names its version.
pub(super) const REVISION: &str = "controller-revision-hash";

/// Parent and number in a name such as `web-3`.
fn split(name: &str) -> Option<(&str, i32)> {
    let digits = name.rfind(|c: char| !c.is_ascii_digit())? + 1;
    let parent = name[..digits].strip_suffix('-')?;
    Some((parent, name[digits..].parse().ok()?))
}

/// Whether a pod of this name is one of the set's.
pub(super) fn is_member(set: &str, pod: &str) -> bool {
    split(pod).is_some_and(|(parent, _)| parent == set)
}

/// The number of a pod.
pub(super) fn ordinal(pod: &Pod) -> Option<i32> {
    split(pods::name(pod)).map(|(_, n)| n)
}

/// Whether a claim of this name is one that `template` makes for some pod of the set.
pub(super) fn is_claim_of(template: &PersistentVolumeClaim, set: &str, claim: &str) -> bool {
    let template = template.metadata.name.as_deref().unwrap_or("");
    let member = claim
        .strip_prefix(template)
        .and_then(|c| c.strip_prefix('-'));
    member.is_some_and(|m| is_member(set, m))
}

pub(super) fn revision(pod: &Pod) -> &str {
    let labels = pod.metadata.labels.as_ref();
    labels
        .and_then(|l| l.get(REVISION))
        .map_or("", String::as_str)
}

/// A set's pod number `ordinal`, of a version of its template.
pub(super) fn pod(
    set: &StatefulSet,
    template: &PodTemplateSpec,
    revision: &str,
    ordinal: i32,
    owner: OwnerReference,
) -> Pod {
    let namespace = set.metadata.namespace.as_deref().unwrap_or("");
    let mut pod = pods::from_template(template, namespace, owner);
    let name = format!("{}-{ordinal}", set_name(set));
    pod.metadata.name = Some(name.clone());
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(REVISION.to_owned(), revision.to_owned());
    let spec = pod.spec.get_or_insert_default();
    spec.hostname = Some(name);
    spec.subdomain = set.spec.service_name.clone().filter(|s| !s.is_empty());
    set_identity(&mut pod);
    set_storage(set, &mut pod);
    pod
}

/// Puts the labels of its name on a pod.
pub(super) fn set_identity(pod: &mut Pod) {
    let name = pods::name(pod).to_owned();
    let number = ordinal(pod).unwrap_or(0).to_string();
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(POD_NAME.to_owned(), name);
    labels.insert(POD_INDEX.to_owned(), number);
}

/// Makes a pod's volumes those of its claims; one of the template's with such a name gives way.
pub(super) fn set_storage(set: &StatefulSet, pod: &mut Pod) {
    let claims = claims(set, pod);
    if claims.is_empty() {
        return;
    }
    let mut volumes: Vec<Volume> = claims
        .iter()
        .map(|(volume, claim)| Volume {
            name: volume.clone(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim_name(claim).to_owned(),
                read_only: None,
            }),
            ..Volume::default()
        })
        .collect();
    let spec = pod.spec.get_or_insert_default();
    let others = spec.volumes.take().unwrap_or_default();
    let others = others
        .into_iter()
        .filter(|v| claims.iter().all(|(name, _)| *name != v.name));
    volumes.extend(others);
    spec.volumes = Some(volumes);
}

/// Whether a pod has the labels of its name.
pub(super) fn has_identity(pod: &Pod) -> bool {
    let labels = pod.metadata.labels.as_ref();
    labels.and_then(|l| l.get(POD_NAME)) == pod.metadata.name.as_ref()
}

/// Whether a pod has a volume for each of its claims.
pub(super) fn has_storage(set: &StatefulSet, pod: &Pod) -> bool {
    let volumes = pod.spec.as_ref().and_then(|s| s.volumes.as_deref());
    let volumes = volumes.unwrap_or(&[]);
    claims(set, pod).iter().all(|(name, claim)| {
        let volume = volumes.iter().find(|v| v.name == *name);
        let source = volume.and_then(|v| v.persistent_volume_claim.as_ref());
        source.is_some_and(|s| s.claim_name == claim_name(claim))
    })
}

/// The claims of a pod, each with the name of its volume.
pub(super) fn claims(set: &StatefulSet, pod: &Pod) -> Vec<(String, PersistentVolumeClaim)> {
    let templates = set.spec.volume_claim_templates.iter().flatten();
    let claims = templates.map(|template| {
        let volume = template.metadata.name.clone().unwrap_or_default();
        let mut claim = template.clone();
        claim.status = None;
        let metadata = &mut claim.metadata;
        metadata.name = Some(format!("{volume}-{}", pods::name(pod)));
        metadata.namespace.clone_from(&set.metadata.namespace);
        let selected = set.spec.selector.match_labels.clone().unwrap_or_default();
        if !selected.is_empty() {
            metadata.labels.get_or_insert_default().extend(selected);
        }
        (volume, claim)
    });
    claims.collect()
}

pub(super) fn claim_name(claim: &PersistentVolumeClaim) -> &str {
    claim.metadata.name.as_deref().unwrap_or("")
}

pub(super) fn set_name(set: &StatefulSet) -> &str {
    set.metadata.name.as_deref().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_a_member_if_only_a_number_follows_the_sets() {
        for (set, pod, member) in [
            ("web", "web-0", true),
            ("web", "web-12", true),
            ("web", "web-x", false),
            ("web", "web-1-2", false),
            ("web-1", "web-1-2", true),
            ("web", "web", false),
            ("web", "web-99999999999", false),
            ("web", "web7", false),
        ] {
            assert_eq!(is_member(set, pod), member, "{set} {pod}");
        }
    }

    #[test]
    fn a_pod_has_its_name_in_labels_host_name_and_claims() {
        let set: StatefulSet = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "a", "uid": "s"},
            "spec": {"serviceName": "peers", "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [], "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]}},
                "volumeClaimTemplates": [{"metadata": {"name": "data", "labels": {"x": "y"}}, "spec": {}}]}}))
        .unwrap();
        let pod = pod(
            &set,
            &set.spec.template,
            "web-abc",
            3,
            OwnerReference::default(),
        );
        let value = serde_json::to_value(&pod).unwrap();
        assert_eq!(value["metadata"]["name"], "web-3");
        assert_eq!(
            value["metadata"]["labels"],
            json!({"app": "web", REVISION: "web-abc", POD_NAME: "web-3", POD_INDEX: "3"})
        );
        assert_eq!(value["spec"]["hostname"], "web-3");
        assert_eq!(value["spec"]["subdomain"], "peers");
        assert_eq!(
            value["spec"]["volumes"],
            json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data-web-3"}}, {"name": "tmp", "emptyDir": {}}])
        );
        assert!(has_identity(&pod) && has_storage(&set, &pod));
        let (_, claim) = claims(&set, &pod).remove(0);
        assert_eq!(
            serde_json::to_value(claim.metadata).unwrap(),
            json!({"name": "data-web-3", "namespace": "a", "labels": {"app": "web", "x": "y"}})
        );
        assert!(is_claim_of(
            &set.spec.volume_claim_templates.unwrap()[0],
            "web",
            "data-web-3"
        ));
    }
}
