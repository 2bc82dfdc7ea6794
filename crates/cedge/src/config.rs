//! The configuration of a server: one file, flags win, checked as a whole before any port opens.

mod audit;

pub(crate) use audit::AuditKeys;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use cedge_api::ClusterName;
use cedge_apiserver::AuditConfig;
use serde::Deserialize;

use crate::cli::{Module, ServerArgs};
use crate::paths;

/// The file; every key is the name of a flag in camelCase.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    name: Option<ClusterName>,
    labels: Option<BTreeMap<String, String>>,
    join: Option<String>,
    #[serde(default)]
    without: Vec<Module>,
    data_dir: Option<PathBuf>,
    listen: Option<SocketAddr>,
    hub_listen: Option<SocketAddr>,
    #[serde(default)]
    advertise: Vec<String>,
    proxy: Option<String>,
    silence_seconds: Option<u64>,
    node_grace_seconds: Option<u64>,
    parent_role: Option<String>,
    audit_policy_file: Option<PathBuf>,
    audit_log_path: Option<PathBuf>,
    audit_log_maxsize: Option<u64>,
    audit_log_maxbackup: Option<usize>,
    audit_log_maxage: Option<u64>,
}

// === impl File ===

impl File {
    fn audit_keys(&self) -> AuditKeys {
        AuditKeys {
            audit_policy_file: self.audit_policy_file.clone(),
            audit_log_path: self.audit_log_path.clone(),
            audit_log_maxsize: self.audit_log_maxsize,
            audit_log_maxbackup: self.audit_log_maxbackup,
            audit_log_maxage: self.audit_log_maxage,
        }
    }
}

const KEYS: &[&str] = &[
    "name",
    "labels",
    "join",
    "without",
    "dataDir",
    "listen",
    "hubListen",
    "advertise",
    "proxy",
    "silenceSeconds",
    "nodeGraceSeconds",
    "parentRole",
    "auditPolicyFile",
    "auditLogPath",
    "auditLogMaxsize",
    "auditLogMaxbackup",
    "auditLogMaxage",
];

/// A server's configuration.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) name: ClusterName,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) join: Option<String>,
    pub(crate) without: Vec<Module>,
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) hub_listen: SocketAddr,
    pub(crate) advertise: Vec<String>,
    pub(crate) proxy: Option<String>,
    pub(crate) silence: Duration,
    pub(crate) node_grace: Duration,
    pub(crate) parent_role: String,
    pub(crate) audit: Option<AuditConfig>,
}

impl Server {
    pub(crate) fn runs(&self, module: Module) -> bool {
        !self.without.contains(&module)
    }

    /// Hosts under which this server is reached, this machine's own first.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let mut hosts = self.advertise.clone();
        for listen in [self.listen, self.hub_listen] {
            if !listen.ip().is_unspecified() {
                hosts.push(listen.ip().to_string());
            }
        }
        hosts.extend(["127.0.0.1", "localhost", "::1"].map(str::to_owned));
        hosts.push(paths::host_name());
        hosts.extend(own_address().map(|ip| ip.to_string()));
        let mut seen = std::collections::BTreeSet::new();
        hosts.retain(|h| seen.insert(h.clone()));
        hosts
    }

    /// Where children dial, best first.
    pub(crate) fn hub_addresses(&self) -> Vec<String> {
        let port = self.hub_listen.port();
        let mut hosts: Vec<String> = self.advertise.clone();
        if hosts.is_empty() {
            let ip = if self.hub_listen.ip().is_unspecified() {
                own_address().unwrap_or(IpAddr::from([127, 0, 0, 1]))
            } else {
                self.hub_listen.ip()
            };
            hosts.push(ip.to_string());
        }
        hosts
            .into_iter()
            .map(|h| {
                if h.contains(':') && !h.starts_with('[') {
                    format!("[{h}]:{port}")
                } else {
                    format!("{h}:{port}")
                }
            })
            .collect()
    }
}

/// The address with which this machine would speak to others. Nothing is sent.
pub(crate) fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket
        .local_addr()
        .ok()
        .map(|a| a.ip())
        .filter(|ip| !ip.is_unspecified())
}

/// Puts file, flags and defaults together.
pub(crate) fn server(args: ServerArgs) -> anyhow::Result<Server> {
    let file = match &args.config {
        None => File::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("configuration {}", path.display()))?;
            parse(&text).with_context(|| format!("configuration {}", path.display()))?
        }
    };
    let audit_keys = file.audit_keys();
    let default_name = || {
        paths::host_name()
            .parse()
            .expect("a host name is made into a DNS label")
    };
    let listen = args
        .listen
        .or(file.listen)
        .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 6443)));
    let hub_listen = args
        .hub_listen
        .or(file.hub_listen)
        .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 7443)));
    anyhow::ensure!(
        listen != hub_listen,
        "--listen and --hub-listen are both {listen}: the API and the hub need a port each"
    );
    let silence = args.silence_seconds.or(file.silence_seconds).unwrap_or(45);
    anyhow::ensure!(
        (5..=86_400).contains(&silence),
        "--silence-seconds {silence}: between 5 and 86400"
    );
    let node_grace = args
        .node_grace_seconds
        .or(file.node_grace_seconds)
        .unwrap_or(cedge_tree::NODE_GRACE.as_secs());
    anyhow::ensure!(
        (3..=86_400).contains(&node_grace),
        "--node-grace-seconds {node_grace}: between 3 and 86400"
    );
    let labels = args.labels.or(file.labels).unwrap_or_default();
    for (key, value) in &labels {
        check_label(key, value)?;
    }
    let without = if args.without.is_empty() {
        file.without
    } else {
        args.without
    };
    let join = args.join.or(file.join);
    anyhow::ensure!(
        join.is_none() || !without.contains(&Module::Tree),
        "--join is for the module tree, which --without tree leaves out: give the token to `cedge attach`"
    );
    let data_dir = args
        .data_dir
        .or(file.data_dir)
        .unwrap_or_else(paths::server);
    let audit = args.audit.over(audit_keys).read(&data_dir)?;
    Ok(Server {
        name: args.name.or(file.name).unwrap_or_else(default_name),
        labels,
        join,
        without,
        data_dir,
        audit,
        listen,
        hub_listen,
        advertise: if args.advertise.is_empty() {
            file.advertise
        } else {
            args.advertise
        },
        proxy: args.proxy.or(file.proxy),
        silence: Duration::from_secs(silence),
        node_grace: Duration::from_secs(node_grace),
        parent_role: args
            .parent_role
            .or(file.parent_role)
            .unwrap_or_else(|| "cluster-admin".to_owned()),
    })
}

pub(crate) fn check_label(key: &str, value: &str) -> anyhow::Result<()> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let name = key.rsplit('/').next().unwrap_or_default();
    let fits = |text: &str| text.len() <= 63 && text.bytes().all(good);
    anyhow::ensure!(
        !name.is_empty() && fits(name),
        "label key {key:?}: at most 63 letters, digits, '-', '_' and '.'"
    );
    anyhow::ensure!(
        fits(value),
        "label {key}={value}: a value has at most 63 letters, digits, '-', '_' and '.'"
    );
    Ok(())
}

fn parse(text: &str) -> anyhow::Result<File> {
    if text.trim().is_empty() {
        return Ok(File::default());
    }
    let tree: serde_json::Value = serde_saphyr::from_str(text)?;
    for key in tree.as_object().into_iter().flat_map(|o| o.keys()) {
        if !KEYS.contains(&key.as_str()) {
            anyhow::bail!("unknown key {key:?}; did you mean {:?}?", nearest(key));
        }
    }
    Ok(serde_saphyr::from_str(text)?)
}

/// The known key with the fewest edits between it and `key`.
fn nearest(key: &str) -> &'static str {
    KEYS.iter()
        .copied()
        .min_by_key(|known| distance(key, known))
        .unwrap_or("name")
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = before + usize::from(!x.eq_ignore_ascii_case(y));
            before = row[j + 1];
            row[j + 1] = change.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_is_refused_with_the_nearest_right_one() {
        let error = parse("datadir: /x").unwrap_err().to_string();
        assert_eq!(error, "unknown key \"datadir\"; did you mean \"dataDir\"?");
        assert!(
            parse("hub-listen: 1.2.3.4:1")
                .unwrap_err()
                .to_string()
                .contains("hubListen")
        );
        assert!(parse("name: Plant 7").is_err());
        assert_eq!(
            parse("name: plant-7\nwithout: [node]").unwrap().without,
            [Module::Node]
        );
    }

    #[test]
    fn a_token_for_a_module_that_is_left_out_is_refused() {
        use clap::Parser as _;
        let args = |without: &str| {
            let line = [
                "cedge",
                "server",
                "--join",
                "cedge1.x",
                "--without",
                without,
            ];
            match crate::cli::Cli::try_parse_from(line).unwrap().command {
                crate::cli::Command::Server(args) => *args,
                other => panic!("{other:?}"),
            }
        };
        let error = server(args("tree")).unwrap_err().to_string();
        assert!(error.contains("cedge attach"), "{error}");
        assert!(server(args("node")).is_ok());
    }
}
