//! What a node is told about itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use cedge_runtime::Isolation;

/// How a node runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it keeps everything; only for its own user.
    pub data_dir: PathBuf,
    /// Its name in the cluster.
    pub node_name: String,
    /// Labels of its Node object, beside those that are facts.
    pub labels: BTreeMap<String, String>,
    /// Its addresses, the preferred one first; found out if empty.
    pub addresses: Vec<IpAddr>,
    /// The program whose first act is `cedge_runtime::shim::intercept`; this one by default.
    pub shim: PathBuf,
    /// Directories that no pod may see, beside `data_dir`: keys, stores.
    pub masks: Vec<PathBuf>,
    /// How many pods it takes. Default 110, as the kubelet.
    pub pods_max: u32,
    /// Thousandths of a core that pods do not get.
    pub reserved_cpu: u64,
    /// Bytes of memory that pods do not get.
    pub reserved_memory: u64,
    /// What the Node object states as `kubeletVersion`.
    pub version: String,
    /// What to make of this machine; found out if not given.
    pub isolation: Option<Isolation>,
}

impl Config {
    /// A node with defaults.
    #[must_use]
    pub fn new(data_dir: PathBuf, node_name: String) -> Self {
        Self {
            data_dir,
            node_name,
            labels: BTreeMap::new(),
            addresses: Vec::new(),
            shim: PathBuf::from("/proc/self/exe"),
            masks: Vec::new(),
            pods_max: 110,
            reserved_cpu: 0,
            reserved_memory: 0,
            version: "v1.37.2+cedge".into(),
            isolation: None,
        }
    }
}
