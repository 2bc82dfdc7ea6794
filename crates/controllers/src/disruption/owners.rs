//! How many pods there ought to be: the sum of what their owners are scaled to.

use std::collections::HashMap;

use cedge_informer::{Cache, Object};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudgetSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use serde_json::Value;

use super::{Budgets, Failure};
use crate::error::Error;
use crate::pods;
use crate::scale::{self, Found, Target};

impl Budgets {
    /// The sum over all owners of the pods. Pods without an owner are told about, and count for nothing.
    pub(super) async fn expected(
        &self,
        object: &Object,
        spec: &PodDisruptionBudgetSpec,
        pods: &[Pod],
    ) -> Result<i32, Failure> {
        let mut scales: HashMap<String, i32> = HashMap::new();
        let mut unmanaged = false;
        for pod in pods {
            let owners = pod.metadata.owner_references.iter().flatten();
            let Some(owner) = owners.into_iter().find(|o| o.controller == Some(true)) else {
                unmanaged = true;
                continue;
            };
            if scales.contains_key(&owner.uid) {
                continue;
            }
            let Some((uid, scale)) = self.owner(object.namespace(), owner).await? else {
                let name = pods::name(pod);
                let why = format!("found no controllers for pod {name:?}");
                return Err(Failure::Words(why));
            };
            scales.insert(uid, scale);
        }
        if unmanaged {
            let text = format!(
                "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the \
                 status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account \
                 for these pods please set \".spec.minAvailable\" field of the PDB to an integer value.",
                shown(spec.selector.as_ref())
            );
            self.recorder
                .warning(object.reference(), "UnmanagedPods", text);
        }
        Ok(scales.values().fold(0, |sum, n| sum.saturating_add(*n)))
    }

    /// Who is scaled to how many: the Deployment of a ReplicaSet, or the owner itself.
    async fn owner(
        &self,
        namespace: &str,
        owner: &OwnerReference,
    ) -> Result<Option<(String, i32)>, Failure> {
        let group = owner
            .api_version
            .split_once('/')
            .map_or("", |(group, _)| group);
        let known = match (group, owner.kind.as_str()) {
            ("apps", "ReplicaSet") => {
                let set = self.sets.get(namespace, &owner.name);
                let set = set.filter(|set| set.uid() == owner.uid);
                match set.as_ref().and_then(|set| set.controller()) {
                    Some(above) if &*above.kind == "Deployment" => {
                        replicas(&self.deployments, namespace, &above.name, &above.uid)?
                    }
                    _ => replicas(&self.sets, namespace, &owner.name, &owner.uid)?,
                }
            }
            ("apps", "StatefulSet") => {
                replicas(&self.stateful, namespace, &owner.name, &owner.uid)?
            }
            ("", "ReplicationController") => {
                replicas(&self.old_sets, namespace, &owner.name, &owner.uid)?
            }
            _ => None,
        };
        if known.is_some() {
            return Ok(known);
        }
        let target = Target {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            namespace: namespace.to_owned(),
            name: owner.name.clone(),
        };
        match scale::get(&self.ctx.client, &target).await? {
            Found::Scale(scale) if scale.uid() == owner.uid => {
                Ok(Some((owner.uid.clone(), scale.wanted())))
            }
            Found::Scale(_) | Found::Nothing => Ok(None),
            Found::NoScale(resource) => Err(Failure::Words(format!(
                "{resource} does not implement the scale subresource"
            ))),
            Found::NoKind => Err(Failure::Words(format!(
                "no matches for kind {:?} in version {:?}",
                owner.kind, owner.api_version
            ))),
        }
    }
}

fn replicas(
    cache: &Cache,
    namespace: &str,
    name: &str,
    uid: &str,
) -> Result<Option<(String, i32)>, Error> {
    let Some(object) = cache.get(namespace, name).filter(|o| o.uid() == uid) else {
        return Ok(None);
    };
    let value: Value = object.value()?;
    let replicas = value["spec"]["replicas"].as_i64().unwrap_or(1);
    Ok(Some((
        uid.to_owned(),
        i32::try_from(replicas).unwrap_or(i32::MAX),
    )))
}

/// A selector as Go prints it.
fn shown(selector: Option<&LabelSelector>) -> String {
    let Some(selector) = selector else {
        return "nil".to_owned();
    };
    let labels = selector.match_labels.iter().flatten();
    let labels: String = labels.map(|(k, v)| format!("{k}: {v},")).collect();
    let terms = selector.match_expressions.iter().flatten().map(|e| {
        let values = e.values.iter().flatten().map(String::as_str);
        let values: Vec<&str> = values.collect();
        format!(
            "LabelSelectorRequirement{{Key:{},Operator:{},Values:[{}],}},",
            e.key,
            e.operator,
            values.join(" ")
        )
    });
    let terms: String = terms.collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{terms}}},}}"
    )
}
