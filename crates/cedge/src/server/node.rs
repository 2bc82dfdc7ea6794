//! The module `node` of a server: a node like any other, that joins the hub beside it.

use std::net::{IpAddr, SocketAddr};

use cedge_api::SYSTEM_NAMESPACE;
use cedge_apiserver::ApiServer;
use cedge_pki::Authority;
use cedge_rbac::{Grant, Rule};
use cedge_tasks::{Group, OnError};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};

use crate::agent::{self, Node};
use crate::cli::Module;
use crate::config::Server;

/// Secret in which a hub in another process leaves a token for the node beside it.
pub(crate) const TOKEN_SECRET: &str = "local-node-token";

/// Who sets the node up.
const USER: &str = "system:cedge:node-setup";

/// What that takes: it makes a token to join with, or waits for the one that a hub in another process leaves.
pub(super) fn grants() -> [Grant; 2] {
    let namespace = Rule {
        resource_names: vec![SYSTEM_NAMESPACE.to_owned()],
        ..Rule::on("", &["namespaces"], &["list", "watch"])
    };
    let left = Rule {
        resource_names: vec![TOKEN_SECRET.to_owned()],
        ..Rule::on("", &["secrets"], &["list", "watch"])
    };
    let made = Rule::on("", &["secrets"], &["create"]);
    let of = |namespace: &str, rules| Grant {
        user: USER.to_owned(),
        namespace: namespace.to_owned(),
        rules,
    };
    [
        of("", vec![namespace]),
        of(SYSTEM_NAMESPACE, vec![left, made]),
    ]
}

/// Starts the node. It needs a hub once, to join; from then on its pods run whatever else does.
pub(super) fn start(config: &Server, api: &ApiServer, authority: &Authority, tasks: &Group) {
    let client = api.client(USER, [""; 0]);
    let (config, pin, shutdown) = (config.clone(), authority.pin(), tasks.shutdown().clone());
    tasks.supervise("node", OnError::Restart, move || {
        let (config, client, shutdown) = (config.clone(), client.clone(), shutdown.clone());
        async move {
            let node = node(&config);
            cedge_pki::files::private_dir(&node.data_dir)?;
            if !agent::has_joined(&node.data_dir) {
                let token = token(&config, &client, pin).await?;
                agent::join(&node, &token).await?;
            }
            node.run(shutdown).await
        }
    });
}

fn node(config: &Server) -> Node {
    Node {
        // The server's own node bears the cluster's name.
        name: config.name.clone(),
        labels: std::collections::BTreeMap::new(),
        data_dir: config.data_dir.join("node"),
        node_ip: config
            .advertise
            .iter()
            .find_map(|h| h.parse().ok())
            // Nobody can be told to find a pod at a loopback address: the node then looks for another.
            .or_else(|| {
                let ip = config.listen.ip();
                (!ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
            }),
        proxy: None,
        masks: vec![config.data_dir.clone()],
        silence: config.silence,
    }
}

async fn token(config: &Server, client: &Client, pin: cedge_pki::Pin) -> anyhow::Result<String> {
    if config.runs(Module::Tree) {
        // The tree makes it when it starts, beside this.
        let namespaces: Api<Namespace> = Api::all(client.clone());
        await_condition(namespaces, SYSTEM_NAMESPACE, |n: Option<&Namespace>| {
            n.is_some()
        })
        .await?;
        let grant = local_grant(config, config.hub_listen.port());
        return Ok(cedge_tree::token::create(client, pin, &grant)
            .await?
            .to_string());
    }
    tracing::info!("the node waits for the hub of `cedge attach` beside this server");
    let api: Api<Secret> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let there = await_condition(api, TOKEN_SECRET, |s: Option<&Secret>| {
        s.is_some_and(|s| s.data.is_some())
    });
    let secret = there.await?;
    let data = secret
        .and_then(|s| s.data)
        .and_then(|mut d| d.remove("token"));
    let token = data.and_then(|t| String::from_utf8(t.0).ok());
    token.ok_or_else(|| anyhow::anyhow!("Secret {SYSTEM_NAMESPACE}/{TOKEN_SECRET} has no token"))
}

/// A token for the node of a server: dialled on this machine first, as it mostly is on the same.
pub(crate) fn local_grant(config: &Server, hub_port: u16) -> cedge_tree::token::Grant {
    let ip = config.hub_listen.ip();
    let local = match ip.is_unspecified() {
        true => IpAddr::from([127, 0, 0, 1]),
        false => ip,
    };
    let local = SocketAddr::new(local, hub_port).to_string();
    let mut addresses = vec![local];
    addresses.extend(config.hub_addresses());
    let mut seen = std::collections::BTreeSet::new();
    addresses.retain(|address| seen.insert(address.clone()));
    cedge_tree::token::Grant {
        addresses,
        uses: 1,
        lifetime: SignedDuration::from_hours(1),
        approve: true,
        labels: std::collections::BTreeMap::new(),
        description: "the node of this machine".to_owned(),
    }
}
