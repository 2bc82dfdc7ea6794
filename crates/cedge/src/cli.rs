//! The command line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use cedge_api::{ClusterName, ClusterPath};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Centaurus Edge: a tree of clusters in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "cedge",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// Kubeconfig of the cluster to speak to [default: the server of this user or machine, else the running demo's root].
    #[arg(
        long,
        global = true,
        env = "KUBECONFIG",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub(crate) kubeconfig: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole cluster: API, controllers, scheduler, node, and its place in the tree.
    #[command(
        after_help = "Examples:\n  cedge server --name plant-7 --labels site=plant-7,tier=site\n  cedge server --name plant-7 --join cedge1.eyJ…\n  cedge server --without node"
    )]
    Server(Box<ServerArgs>),
    /// Run a node of a cluster elsewhere.
    #[command(after_help = "Examples:\n  cedge agent --name camera-3 --join cedge1.eyJ…")]
    Agent(AgentArgs),
    /// Hang a running cluster of any flavor into the tree.
    #[command(
        after_help = "Examples:\n  cedge attach --kubeconfig /etc/rancher/k3s/k3s.yaml --name shop-4 --join cedge1.eyJ…"
    )]
    Attach(AttachArgs),
    /// Join a parent, or another parent in its place.
    #[command(
        after_help = "Examples:\n  cedge join --data-dir /var/lib/cedge cedge1.eyJ…\n  cedge join --replace cedge1.eyJ…"
    )]
    Join(JoinArgs),
    /// Join tokens of this cluster.
    #[command(subcommand)]
    Token(TokenCommand),
    /// The link of this cluster to its parent.
    #[command(subcommand)]
    Uplink(UplinkCommand),
    /// Show the tree below this cluster.
    Tree(Output),
    /// Missions.
    #[command(subcommand)]
    Mission(MissionCommand),
    /// Print the stations that a Mission has passed, with times.
    #[command(after_help = "Examples:\n  cedge trace mission/hello")]
    Trace {
        /// `mission/NAME`.
        what: String,
        #[command(flatten)]
        output: Output,
    },
    /// Print a kubeconfig for this cluster, or for one below it.
    #[command(
        after_help = "Examples:\n  cedge kubeconfig europe/plant-7 > plant-7.kubeconfig\n  kubectl --kubeconfig plant-7.kubeconfig get pods"
    )]
    Kubeconfig {
        /// Path of the cluster from here; `.` is this one.
        #[arg(default_value = ".")]
        path: ClusterPath,
    },
    /// Children of this cluster.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Run a tree of six clusters on this machine.
    #[command(
        after_help = "Examples:\n  cedge demo\n  cedge demo cut plant-7\n  cedge demo status -o json"
    )]
    Demo(DemoArgs),
    /// Kill every process of the pods of a node's data directory, as loss of power would: for tests.
    #[command(name = "__power-off", hide = true)]
    PowerOff {
        /// The node's data.
        dir: PathBuf,
    },
    /// Print the version.
    Version(Output),
    /// Print a completion script.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How something is printed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// Output format.
    #[arg(short = 'o', long = "output", value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Yaml,
    Wide,
    Name,
}

/// `KEY=VALUE`, several divided by commas.
pub(crate) fn labels(text: &str) -> Result<BTreeMap<String, String>, String> {
    let pair = |part: &str| {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| format!("{part:?} is not KEY=VALUE"))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    text.split(',')
        .filter(|p| !p.is_empty())
        .map(pair)
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Module {
    Controllers,
    Scheduler,
    Node,
    Tree,
}

#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Configuration file (YAML); flags win over it. Every key is a flag's name in camelCase.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The cluster's name, a DNS label [default: this machine's host name].
    #[arg(long)]
    pub(crate) name: Option<ClusterName>,
    /// Labels of the cluster in the tree.
    #[arg(long, value_parser = labels, value_name = "KEY=VALUE,…")]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    /// Token of the parent to join; ignored once joined.
    #[arg(long, value_name = "TOKEN", env = "CEDGE_JOIN", hide_env_values = true)]
    pub(crate) join: Option<String>,
    /// Modules that this process does not run.
    #[arg(long, value_enum, value_name = "MODULE", value_delimiter = ',')]
    pub(crate) without: Vec<Module>,
    /// Where everything is kept [default: /var/lib/cedge, or ~/.local/share/cedge/server if not root].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where the API listens [default: 0.0.0.0:6443].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where the hub listens [default: 0.0.0.0:7443].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) hub_listen: Option<SocketAddr>,
    /// Names and addresses under which others reach this server; they stand in its certificate and in tokens.
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    pub(crate) advertise: Vec<String>,
    /// HTTP proxy (host:port) on the way to the parent.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) proxy: Option<String>,
    /// Seconds of silence after which a link is given up [default: 45].
    #[arg(long, value_name = "SECONDS")]
    pub(crate) silence_seconds: Option<u64>,
    /// Seconds without a word, or without a link, after which a node counts as lost and its pods may run elsewhere
    /// [default: 10].
    #[arg(long, value_name = "SECONDS")]
    pub(crate) node_grace_seconds: Option<u64>,
    /// ClusterRole of callers from above, until somebody here binds another [default: cluster-admin].
    #[arg(long, value_name = "ROLE")]
    pub(crate) parent_role: Option<String>,
    #[command(flatten)]
    pub(crate) audit: crate::config::AuditKeys,
}

#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// The node's name [default: this machine's host name].
    #[arg(long)]
    pub(crate) name: Option<ClusterName>,
    /// Labels of the node.
    #[arg(long, value_parser = labels, value_name = "KEY=VALUE,…")]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    /// Token of the cluster to join; ignored once joined.
    #[arg(long, value_name = "TOKEN", env = "CEDGE_JOIN", hide_env_values = true)]
    pub(crate) join: Option<String>,
    /// Where everything is kept [default: /var/lib/cedge-agent, or ~/.local/share/cedge/agent if not root].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address that is shown as the node's [default: found by the route to the parent].
    #[arg(long, value_name = "IP")]
    pub(crate) node_ip: Option<std::net::IpAddr>,
    /// HTTP proxy (host:port) on the way to the parent.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) proxy: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    /// The cluster's name in the tree [default: the name of the kubeconfig's cluster].
    #[arg(long)]
    pub(crate) name: Option<ClusterName>,
    /// Labels of the cluster in the tree.
    #[arg(long, value_parser = labels, value_name = "KEY=VALUE,…")]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    /// Token of the parent to join; ignored once joined.
    #[arg(long, value_name = "TOKEN", env = "CEDGE_JOIN", hide_env_values = true)]
    pub(crate) join: Option<String>,
    /// Where the tree's own data is kept [default: /var/lib/cedge-attach, or ~/.local/share/cedge/attach if not root].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where the hub listens [default: 0.0.0.0:7443].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) hub_listen: Option<SocketAddr>,
    /// Names and addresses under which children reach this hub.
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    pub(crate) advertise: Vec<String>,
    /// HTTP proxy (host:port) on the way to the parent.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) proxy: Option<String>,
    /// ClusterRole of callers from above, until somebody here binds another.
    #[arg(long, value_name = "ROLE", default_value = "cluster-admin")]
    pub(crate) parent_role: String,
}

#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// The parent's token.
    pub(crate) token: String,
    /// Leave the present parent for this one; what runs keeps running.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Data of the server that joins [default: that of this user or machine].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// HTTP proxy (host:port) on the way to the parent.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) proxy: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token with which a cluster or a node joins this cluster.
    Create {
        /// How often it may be used.
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// How long, such as 30m, 24h.
        #[arg(long, default_value = "24h", value_parser = duration)]
        ttl: jiff::SignedDuration,
        /// Whoever joins waits until somebody approves it.
        #[arg(long)]
        manual: bool,
        /// Labels given to whoever joins.
        #[arg(long, value_parser = labels, value_name = "KEY=VALUE,…")]
        labels: Option<BTreeMap<String, String>>,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
        /// Addresses (host:port) where children dial [default: those that the hub advertises].
        #[arg(long, value_delimiter = ',')]
        address: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// List tokens.
    List(Output),
    /// Revoke a token; who joined with it stays.
    Revoke {
        /// Its id.
        id: String,
    },
}

fn duration(text: &str) -> Result<jiff::SignedDuration, String> {
    text.parse()
        .map_err(|e| format!("{text:?} is not a duration such as 30m or 24h: {e}"))
}

#[derive(Debug, Subcommand)]
pub(crate) enum UplinkCommand {
    /// How the link to the parent is.
    Status(Output),
    /// Let held deletions go.
    Confirm,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MissionCommand {
    /// The Missions of this cluster.
    List(Output),
    /// One Mission, with its state at every cluster.
    Status {
        /// Its name.
        name: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Take a child out of the tree; what runs there keeps running. It may join again with a token.
    Detach {
        /// The child.
        name: ClusterName,
    },
    /// Revoke a child: its certificate is worth nothing from now on.
    Evict {
        /// The child.
        name: ClusterName,
    },
    /// Place nothing new at or below a child.
    Cordon {
        /// The child.
        name: ClusterName,
    },
    /// Place again.
    Uncordon {
        /// The child.
        name: ClusterName,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where everything is kept [default: ~/.local/share/cedge/demo].
    #[arg(long, value_name = "DIR", global = true, env = "CEDGE_DEMO_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<DemoCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoCommand {
    /// Sever the link between a cluster and its parent.
    Cut {
        /// Name or path.
        cluster: String,
    },
    /// Let it through again.
    Heal {
        /// Name or path.
        cluster: String,
    },
    /// Power loss: `kill -9` of the cluster's processes and of its pods'.
    Kill {
        /// Name or path.
        cluster: String,
    },
    /// Boot it again.
    Start {
        /// Name or path.
        cluster: String,
    },
    /// Every cluster with its state and the kubeconfig that speaks to it directly.
    Status(Output),
}
