//! Amounts of what a node has and a pod asks for.

use std::collections::BTreeMap;

use cedge_kinds::Quantity as Amount;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// What a container that says nothing is taken to use when nodes are compared, as Kubernetes takes it: otherwise all
/// pods without requests would go to one node.
const USUAL_MILLI_CPU: i64 = 100;
const USUAL_MEMORY: i64 = 200 << 20;

/// Amounts by resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resources {
    pub(crate) milli_cpu: i64,
    pub(crate) memory: i64,
    pub(crate) ephemeral_storage: i64,
    /// Pods that a node takes; a pod asks for none.
    pub(crate) pods: i64,
    /// All others: huge pages, devices.
    pub(crate) extended: BTreeMap<String, i64>,
}

/// What a pod asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// What must fit.
    pub(crate) resources: Resources,
    /// What counts when nodes are compared.
    pub(crate) scored: Resources,
}

// === impl Resources ===

impl Resources {
    pub(crate) fn from_list(list: &BTreeMap<String, Quantity>) -> Self {
        let mut resources = Self::default();
        for (name, quantity) in list {
            // The API refuses what is no quantity; what comes all the same counts as nothing.
            let amount: Amount = quantity.0.parse().unwrap_or(Amount::ZERO);
            resources.set(name, amount);
        }
        resources
    }

    pub(crate) fn of(requirements: Option<&ResourceRequirements>) -> Self {
        requirements
            .and_then(|r| r.requests.as_ref())
            .map(Self::from_list)
            .unwrap_or_default()
    }

    /// The same, with the usual where a container says nothing.
    pub(crate) fn of_or_usual(requirements: Option<&ResourceRequirements>) -> Self {
        let asked = |name| {
            requirements
                .and_then(|r| r.requests.as_ref())
                .is_some_and(|list| list.contains_key(name))
        };
        let mut resources = Self::of(requirements);
        if !asked("cpu") {
            resources.milli_cpu = USUAL_MILLI_CPU;
        }
        if !asked("memory") {
            resources.memory = USUAL_MEMORY;
        }
        resources
    }

    fn set(&mut self, name: &str, amount: Amount) {
        match name {
            "cpu" => self.milli_cpu = amount.millis(),
            "memory" => self.memory = amount.units(),
            "ephemeral-storage" => self.ephemeral_storage = amount.units(),
            "pods" => self.pods = amount.units(),
            other => {
                self.extended.insert(other.to_owned(), amount.units());
            }
        }
    }

    /// What a pod asks for as a whole stands instead of what its containers ask for.
    pub(crate) fn replace_with_pod_level(&mut self, requests: &BTreeMap<String, Quantity>) {
        for (name, quantity) in requests {
            if matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-") {
                self.set(name, quantity.0.parse().unwrap_or(Amount::ZERO));
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.combine(other, i64::saturating_add);
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.combine(other, i64::saturating_sub);
    }

    pub(crate) fn raise_to(&mut self, other: &Self) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Self, with: impl Fn(i64, i64) -> i64) {
        self.milli_cpu = with(self.milli_cpu, other.milli_cpu);
        self.memory = with(self.memory, other.memory);
        self.ephemeral_storage = with(self.ephemeral_storage, other.ephemeral_storage);
        self.pods = with(self.pods, other.pods);
        for (name, amount) in &other.extended {
            let own = self.extended.entry(name.clone()).or_default();
            *own = with(*own, *amount);
        }
    }
}
