//! What this machine is and how it fares: the Node object.

mod machine;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cedge_pod_lifecycle::{Place, Resources, milli};
use cedge_runtime::Runtime;
use cedge_tasks::clock;
use k8s_openapi::api::core::v1::{
    Node as NodeObject, NodeAddress, NodeCondition, NodeStatus, NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::storage;
use crate::tables::{Reports, TableError};

/// How often the machine is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often the heartbeat times are sent although nothing has changed; the life of a node is its link's.
const BEAT_EVERY: Duration = Duration::from_secs(300);

/// By this word an API server of Kubernetes learns that it may pass a WebSocket on (exec, attach) as it is; else it
/// would speak SPDY, which our nodes do not.
const WEBSOCKETS: &str = "ExtendWebSocketsToKubelet";

/// Reports the Node object. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    config: Arc<Config>,
    runtime: String,
    table: Arc<dyn Reports>,
    place: Arc<watch::Sender<Place>>,
}

impl Reporter {
    pub(crate) fn new(
        config: &Config,
        runtime: &dyn Runtime,
        table: Arc<dyn Reports>,
    ) -> (Self, watch::Receiver<Place>) {
        let (place, receiver) = watch::channel(place(config));
        let reporter = Self {
            config: Arc::new(config.clone()),
            runtime: format!("{}://{}", runtime.name(), runtime.version()),
            table,
            place: Arc::new(place),
        };
        (reporter, receiver)
    }

    /// What pods may use, in thousandths.
    pub(crate) fn allocatable(&self) -> Resources {
        let list = allocatable(&self.config);
        list.into_iter()
            .filter_map(|(name, q)| Some((name, milli(&q)?)))
            .collect()
    }

    pub(crate) async fn run(self) -> Result<(), TableError> {
        let mut reported: Option<(NodeObject, Instant)> = None;
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let place = place(&self.config);
            self.place.send_if_modified(|known| {
                let changed = known.addresses != place.addresses;
                known.addresses.clone_from(&place.addresses);
                changed
            });
            let mut node = self.node(&place);
            if let Some((last, at)) = &reported {
                keep_times(&mut node, last);
                if node == *last && at.elapsed() < BEAT_EVERY {
                    continue;
                }
            }
            let now = Time(clock::now());
            for condition in node
                .status
                .iter_mut()
                .flat_map(|s| s.conditions.iter_mut().flatten())
            {
                condition.last_heartbeat_time = Some(now.clone());
            }
            match serde_json::to_vec(&node) {
                Ok(value) => self.table.put("node", Bytes::from(value)).await?,
                Err(error) => tracing::error!(%error, "the node cannot be written"),
            }
            reported = Some((node, Instant::now()));
        }
    }

    fn node(&self, place: &Place) -> NodeObject {
        let mut labels = self.config.labels.clone();
        let (arch, name) = (machine::architecture(), &self.config.node_name);
        for (key, value) in [
            ("kubernetes.io/hostname", name.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", arch),
        ] {
            labels
                .entry(key.to_owned())
                .or_insert_with(|| value.to_owned());
        }
        let internal = place.addresses.iter().map(|a| ("InternalIP", a.clone()));
        let all = internal.chain([("Hostname", name.clone())]);
        NodeObject {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some(labels),
                annotations: self.annotations(),
                ..ObjectMeta::default()
            },
            status: Some(NodeStatus {
                addresses: Some(
                    all.map(|(type_, address)| NodeAddress {
                        type_: type_.to_owned(),
                        address,
                    })
                    .collect(),
                ),
                capacity: Some(capacity(&self.config)),
                allocatable: Some(allocatable(&self.config)),
                conditions: Some(conditions(&self.config)),
                node_info: Some(self.info(arch)),
                declared_features: Some(vec![WEBSOCKETS.to_owned()]),
                ..NodeStatus::default()
            }),
            ..NodeObject::default()
        }
    }

    /// Where volumes of this node are, for whoever makes some.
    fn annotations(&self) -> Option<BTreeMap<String, String>> {
        let place = storage::root(&self.config.data_dir);
        let place = place.to_str()?.to_owned();
        Some([(storage::PLACE.to_owned(), place)].into())
    }

    fn info(&self, arch: &str) -> NodeSystemInfo {
        NodeSystemInfo {
            architecture: arch.to_owned(),
            boot_id: machine::line("/proc/sys/kernel/random/boot_id"),
            container_runtime_version: self.runtime.clone(),
            kernel_version: machine::line("/proc/sys/kernel/osrelease"),
            kubelet_version: self.config.version.clone(),
            machine_id: machine::line("/etc/machine-id"),
            operating_system: "linux".into(),
            os_image: machine::os_name(),
            system_uuid: machine::uuid(),
            ..NodeSystemInfo::default()
        }
    }
}

/// Processor time that this machine has worked, and the memory that it could not give away at once.
pub(crate) fn usage() -> (Duration, u64) {
    let taken = machine::memory("MemTotal").saturating_sub(machine::memory("MemAvailable"));
    (machine::busy(), taken)
}

fn place(config: &Config) -> Place {
    let addresses = if config.addresses.is_empty() {
        vec![machine::address()]
    } else {
        config.addresses.clone()
    };
    Place {
        addresses: addresses.iter().map(ToString::to_string).collect(),
    }
}

fn capacity(config: &Config) -> BTreeMap<String, Quantity> {
    let (disk, _) = machine::disk(&config.data_dir);
    let quantities = [
        ("cpu", machine::cores().to_string()),
        (
            "memory",
            format!("{}Ki", machine::memory("MemTotal") / 1024),
        ),
        ("ephemeral-storage", format!("{}Ki", disk / 1024)),
        ("pods", config.pods_max.to_string()),
    ];
    quantities
        .into_iter()
        .map(|(name, text)| (name.to_owned(), Quantity(text)))
        .collect()
}

fn allocatable(config: &Config) -> BTreeMap<String, Quantity> {
    let mut list = capacity(config);
    if config.reserved_cpu > 0 {
        let left = (machine::cores() * 1000).saturating_sub(config.reserved_cpu);
        list.insert("cpu".into(), Quantity(format!("{left}m")));
    }
    if config.reserved_memory > 0 {
        let left = machine::memory("MemTotal").saturating_sub(config.reserved_memory);
        list.insert("memory".into(), Quantity(format!("{}Ki", left / 1024)));
    }
    list
}

/// Below this much free disk there is pressure, however large the disk is: a tenth of a large one, the kubelet's
/// threshold, keeps room for images, and native processes bring none.
const DISK_MIN: u64 = 1 << 30;

/// The thresholds are the kubelet's for evicting pods, but for the disk's.
fn conditions(config: &Config) -> Vec<NodeCondition> {
    let memory = machine::memory("MemAvailable") < 100 << 20;
    let (total, free) = machine::disk(&config.data_dir);
    let disk = free < (total / 10).min(DISK_MIN);
    let processes = machine::processes_nearly_exhausted();
    let rows = [
        (
            "MemoryPressure",
            memory,
            ["KubeletHasInsufficientMemory", "KubeletHasSufficientMemory"],
            [
                "kubelet has insufficient memory available",
                "kubelet has sufficient memory available",
            ],
        ),
        (
            "DiskPressure",
            disk,
            ["KubeletHasDiskPressure", "KubeletHasNoDiskPressure"],
            ["kubelet has disk pressure", "kubelet has no disk pressure"],
        ),
        (
            "PIDPressure",
            processes,
            ["KubeletHasInsufficientPID", "KubeletHasSufficientPID"],
            [
                "kubelet has insufficient PID available",
                "kubelet has sufficient PID available",
            ],
        ),
        (
            "Ready",
            true,
            ["KubeletReady", ""],
            ["kubelet is posting ready status", ""],
        ),
    ];
    let now = Time(clock::now());
    let shown = rows.into_iter().map(|(type_, holds, reasons, messages)| {
        let i = usize::from(!holds);
        NodeCondition {
            type_: type_.to_owned(),
            status: if holds { "True" } else { "False" }.to_owned(),
            reason: Some(reasons[i].to_owned()),
            message: Some(messages[i].to_owned()),
            last_transition_time: Some(now.clone()),
            last_heartbeat_time: None,
        }
    });
    shown.collect()
}

/// What has not changed keeps its times, so that equal means equal.
fn keep_times(node: &mut NodeObject, last: &NodeObject) {
    let old: Vec<NodeCondition> = last
        .status
        .iter()
        .flat_map(|s| s.conditions.clone())
        .flatten()
        .collect();
    for condition in node
        .status
        .iter_mut()
        .flat_map(|s| s.conditions.iter_mut().flatten())
    {
        if let Some(before) = old.iter().find(|c| c.type_ == condition.type_) {
            condition
                .last_heartbeat_time
                .clone_from(&before.last_heartbeat_time);
            if before.status == condition.status {
                condition
                    .last_transition_time
                    .clone_from(&before.last_transition_time);
            }
        }
    }
}
