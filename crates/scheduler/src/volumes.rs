//! What the scheduler knows of storage: claims, the volumes behind them, classes, and what nodes can attach; and what
//! it has just promised (*assumed*) and the cluster does not show yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedge_informer::{Key, Labels, Object, Selector};
use cedge_kinds::Quantity as Amount;
use k8s_openapi::api::core::v1::{NodeSelector, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::{CSINode, StorageClass};

use crate::terms::compile;

/// The class of claims and volumes before there was a field for it.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
/// Written by whoever binds claims: the claim has its volume for good.
pub(crate) const BOUND_ANNOTATION: &str = "pv.kubernetes.io/bind-completed";
/// Written by a scheduler: for which node a volume is to be made.
pub(crate) const NODE_ANNOTATION: &str = "volume.kubernetes.io/selected-node";
/// The class whose volumes nobody makes.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
/// Labels of volumes that say where they are, newest first.
const PLACE_LABELS: [&str; 4] = [
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];

#[derive(Debug, Default)]
pub(crate) struct Volumes {
    pub(crate) claims: HashMap<Key, Claim>,
    pub(crate) volumes: BTreeMap<String, Volume>,
    pub(crate) classes: HashMap<String, Class>,
    /// Most volumes of each driver that a node attaches.
    pub(crate) limits: HashMap<String, HashMap<String, i64>>,
    /// Volumes that are being given to a claim.
    assumed_volumes: HashMap<String, Key>,
    /// Claims for which a node is being named.
    assumed_nodes: HashMap<Key, Arc<str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claim {
    pub(crate) uid: String,
    pub(crate) class: String,
    pub(crate) volume: Option<String>,
    /// Whether claim and volume both say so.
    pub(crate) is_bound: bool,
    pub(crate) is_lost: bool,
    pub(crate) is_deleting: bool,
    /// The pod that it belongs to, if one.
    pub(crate) owner: Option<String>,
    pub(crate) modes: Vec<String>,
    selected_node: Option<String>,
    request: i64,
    volume_mode: String,
    attributes_class: String,
    selector: Option<Selector>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Volume {
    pub(crate) affinity: Option<NodeSelector>,
    /// Driver and handle of a volume that is attached by a driver.
    pub(crate) attached: Option<(String, String)>,
    /// Where it is, by label.
    pub(crate) places: Vec<(&'static str, Vec<String>)>,
    class: String,
    capacity: i64,
    modes: Vec<String>,
    volume_mode: String,
    attributes_class: String,
    labels: Labels,
    claim: Option<(Key, Option<String>)>,
    is_available: bool,
    is_deleting: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Class {
    pub(crate) provisioner: String,
    /// Whether claims wait for their first pod.
    pub(crate) waits: bool,
    /// Labels that a node must have: any of these terms, and all of its expressions.
    topologies: Vec<Vec<(String, Vec<String>)>>,
}

/// What must be written so that a pod's claims get their volumes on the chosen node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bindings {
    /// Volumes that are there, and who gets them.
    pub(crate) given: Vec<(String, Key)>,
    /// Claims for which one is to be made.
    pub(crate) made: Vec<Key>,
}

// === impl Volumes ===

impl Volumes {
    /// The node that was named for a claim, by the cluster or by us just now.
    pub(crate) fn node_of(&self, key: &Key, claim: &Claim) -> Option<String> {
        let assumed = self.assumed_nodes.get(key).map(ToString::to_string);
        assumed.or_else(|| claim.selected_node.clone())
    }

    /// The smallest volume that is free for a claim where `fits` holds, and that is not `taken` by another claim of the
    /// same pod. One that is reserved for the claim is the only choice.
    pub(crate) fn find(
        &self,
        key: &Key,
        claim: &Claim,
        taken: &[(String, Key)],
        fits: impl Fn(&Volume) -> bool,
    ) -> Option<&str> {
        let mut best: Option<(&str, &Volume)> = None;
        for (name, volume) in &self.volumes {
            let is_reserved = volume.is_reserved_for(key, &claim.uid);
            let promised = self.assumed_volumes.get(name).is_some_and(|to| to != key);
            if promised
                || (volume.claim.is_some() && !is_reserved)
                || taken.iter().any(|(other, _)| other == name)
                || !volume.suffices(claim)
            {
                continue;
            }
            if is_reserved {
                return fits(volume).then_some(name);
            }
            let smaller = best.is_none_or(|(_, b)| volume.capacity < b.capacity);
            if smaller && volume.answers(claim) && fits(volume) {
                best = Some((name, volume));
            }
        }
        best.map(|(name, _)| name)
    }

    /// Keeps what was decided, until the cluster shows it or it is given up.
    pub(crate) fn assume(&mut self, bindings: &Bindings, node: &Arc<str>) {
        for (volume, claim) in &bindings.given {
            self.assumed_volumes.insert(volume.clone(), claim.clone());
        }
        for claim in &bindings.made {
            self.assumed_nodes.insert(claim.clone(), node.clone());
        }
    }

    pub(crate) fn forget(&mut self, bindings: &Bindings) {
        for (volume, _) in &bindings.given {
            self.assumed_volumes.remove(volume);
        }
        for claim in &bindings.made {
            self.assumed_nodes.remove(claim);
        }
    }
}

// === impl Claim ===

impl Claim {
    pub(crate) fn read(object: &Object) -> Option<Self> {
        let claim: PersistentVolumeClaim = decode(object)?;
        let annotations = claim.metadata.annotations.unwrap_or_default();
        let spec = claim.spec.unwrap_or_default();
        let status = claim.status.unwrap_or_default();
        let volume = spec.volume_name.filter(|name| !name.is_empty());
        let requests = spec.resources.and_then(|r| r.requests).unwrap_or_default();
        Some(Self {
            uid: object.uid().to_owned(),
            class: class(&annotations, spec.storage_class_name),
            is_bound: volume.is_some() && annotations.contains_key(BOUND_ANNOTATION),
            volume,
            is_lost: status.phase.as_deref() == Some("Lost"),
            is_deleting: object.is_deleting(),
            owner: object.controller().map(|owner| owner.uid.to_string()),
            modes: spec.access_modes.unwrap_or_default(),
            selected_node: annotations.get(NODE_ANNOTATION).cloned(),
            request: amount(requests.get("storage").map(|q| &*q.0)),
            volume_mode: mode(spec.volume_mode),
            attributes_class: spec.volume_attributes_class_name.unwrap_or_default(),
            selector: spec.selector.as_ref().map(compile),
        })
    }

    pub(crate) fn request(&self) -> i64 {
        self.request
    }

    /// Whether only one pod of the whole cluster may use it at a time.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.modes.iter().any(|mode| mode == "ReadWriteOncePod")
    }
}

// === impl Volume ===

impl Volume {
    pub(crate) fn read(object: &Object) -> Option<Self> {
        let volume: PersistentVolume = decode(object)?;
        let annotations = volume.metadata.annotations.unwrap_or_default();
        let spec = volume.spec.unwrap_or_default();
        let status = volume.status.unwrap_or_default();
        let capacity = spec.capacity.unwrap_or_default();
        let claim = spec.claim_ref.map(|claim| {
            let namespace = claim.namespace.unwrap_or_default();
            let key = Key::new(&namespace, &claim.name.unwrap_or_default());
            (key, claim.uid.filter(|uid| !uid.is_empty()))
        });
        let labels = object.labels().clone();
        Some(Self {
            affinity: spec.node_affinity.and_then(|affinity| affinity.required),
            attached: spec.csi.map(|csi| (csi.driver, csi.volume_handle)),
            places: places(&labels),
            class: class(&annotations, spec.storage_class_name),
            capacity: amount(capacity.get("storage").map(|q| &*q.0)),
            modes: spec.access_modes.unwrap_or_default(),
            volume_mode: mode(spec.volume_mode),
            attributes_class: spec.volume_attributes_class_name.unwrap_or_default(),
            labels,
            claim,
            is_available: status.phase.as_deref() == Some("Available"),
            is_deleting: object.is_deleting(),
        })
    }

    fn is_reserved_for(&self, key: &Key, uid: &str) -> bool {
        self.claim
            .as_ref()
            .is_some_and(|(to, id)| to == key && id.as_deref().is_none_or(|id| id == uid))
    }

    /// Whether it is what a claim needs, whoever it belongs to.
    fn suffices(&self, claim: &Claim) -> bool {
        !self.is_deleting
            && self.capacity >= claim.request
            && self.volume_mode == claim.volume_mode
            && self.attributes_class == claim.attributes_class
    }

    /// Whether it is free, and what a claim asks for.
    fn answers(&self, claim: &Claim) -> bool {
        self.is_available
            && self.class == claim.class
            && claim
                .selector
                .as_ref()
                .is_none_or(|selector| selector.matches(&self.labels))
            && claim.modes.iter().all(|mode| self.modes.contains(mode))
    }
}

// === impl Class ===

impl Class {
    pub(crate) fn read(object: &Object) -> Option<Self> {
        let class: StorageClass = decode(object)?;
        let terms = class.allowed_topologies.unwrap_or_default().into_iter();
        let topologies = terms.map(|term| {
            let expressions = term.match_label_expressions.unwrap_or_default();
            expressions.into_iter().map(|e| (e.key, e.values)).collect()
        });
        Some(Self {
            provisioner: class.provisioner,
            waits: class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
            topologies: topologies.collect(),
        })
    }

    /// Whether somebody makes volumes of this class.
    pub(crate) fn is_made(&self) -> bool {
        !self.provisioner.is_empty() && self.provisioner != NO_PROVISIONER
    }

    /// Whether its volumes can be on a node with these labels.
    pub(crate) fn reaches(&self, labels: &BTreeMap<String, String>) -> bool {
        let holds = |(key, values): &(String, Vec<String>)| {
            labels.get(key).is_some_and(|value| values.contains(value))
        };
        self.topologies.is_empty()
            || self
                .topologies
                .iter()
                .any(|term| !term.is_empty() && term.iter().all(holds))
    }
}

// === impl Bindings ===

impl Bindings {
    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty() && self.made.is_empty()
    }
}

/// How many volumes a node attaches, by driver.
pub(crate) fn read_limits(object: &Object) -> Option<HashMap<String, i64>> {
    let node: CSINode = decode(object)?;
    let limits = node.spec.drivers.into_iter().filter_map(|driver| {
        let count = driver.allocatable?.count?;
        Some((driver.name, i64::from(count)))
    });
    Some(limits.collect())
}

fn class(annotations: &BTreeMap<String, String>, field: Option<String>) -> String {
    let annotation = annotations.get(CLASS_ANNOTATION).cloned();
    annotation.or(field).unwrap_or_default()
}

fn mode(field: Option<String>) -> String {
    field.unwrap_or_else(|| "Filesystem".to_owned())
}

fn amount(text: Option<&str>) -> i64 {
    let amount: Option<Amount> = text.and_then(|text| text.parse().ok());
    amount.map_or(0, |amount| amount.units())
}

/// Several places in one label are parted by two underscores.
fn places(labels: &Labels) -> Vec<(&'static str, Vec<String>)> {
    let of = |label: &'static str| {
        let value = labels.get(label)?;
        Some((label, value.split("__").map(str::to_owned).collect()))
    };
    PLACE_LABELS.into_iter().filter_map(of).collect()
}

fn decode<T: serde::de::DeserializeOwned>(object: &Object) -> Option<T> {
    match object.decode() {
        Ok(value) => Some(value),
        Err(e) => {
            tracing::warn!(error = %e, "an object of storage is left out of scheduling");
            None
        }
    }
}
