//! Worker: the built-in controllers. Station 6 of the walk, *expand*: Deployment → ReplicaSet → Pod, and everything that
//! keeps a cluster as its objects say it should be.
//!
//! What it is: one module a controller, each in the form *read, plan (pure), act, write status, say when next*, fed by
//! the shared informers and by exact timers. It speaks to its cluster only through a [`kube::Client`], so the same code
//! runs beside any API server. What it never does: poll, keep decoded objects, know what a Mission is.
//!
//! Start reading at [`run`], then `replicaset.rs`: the others are built like it.

mod autoscaler;
mod certificates;
mod claim;
mod clients;
mod conditions;
mod config;
mod context;
mod cronjob;
mod daemonset;
mod deployment;
mod discovery;
mod disruption;
mod endpoints;
mod endpointslice;
mod error;
mod expectations;
mod gc;
mod grants;
mod history;
mod job;
mod mirror;
mod namespace;
mod node_lifecycle;
mod node_ttl;
mod nodes;
mod patch;
mod pod_gc;
mod pods;
mod replicaset;
mod resource_quota;
mod scale;
mod service_account;
mod slow_start;
mod statefulset;
mod token_secrets;
mod ttl;
mod update;
mod volumes;

use std::sync::Arc;
use std::time::Duration;

use cedge_informer::{Events, Informers};
use cedge_tasks::{Group, Shutdown};

pub use clients::Clients;
pub use config::{Config, Controller, UnknownController};
pub use grants::grants;

use context::Context;

/// How long running reconcilers get at shutdown.
const DRAIN: Duration = Duration::from_secs(2);

/// Runs the chosen controllers until `shutdown`, each in its own name.
pub async fn run(clients: Clients, config: Config, shutdown: Shutdown) {
    let group = Group::new(shutdown);
    let informers = Informers::new(clients.manager(), group.clone());
    run_with(clients, informers, config, group.clone()).await;
    group.wait(DRAIN).await;
}

/// As [`run`], with informers that are shared with others, and tasks in the caller's group, which the caller waits for:
/// this may be one of them. The client of `informers` is [`Clients::manager`]'s.
pub async fn run_with(clients: Clients, informers: Informers, config: Config, group: Group) {
    let shutdown = group.shutdown().clone();
    let config = Arc::new(config);
    for controller in config.which.clone() {
        let client = clients.of(controller);
        let ctx = Context {
            events: Events::start(client.clone(), &group),
            config: config.clone(),
            client,
            informers: informers.clone(),
            group: group.clone(),
        };
        start(controller, &ctx);
    }
    shutdown.wait().await;
}

fn start(controller: Controller, ctx: &Context) {
    tracing::debug!(controller = controller.name(), "controller started");
    match controller {
        Controller::Namespace => namespace::start(ctx),
        Controller::GarbageCollector => gc::start(ctx),
        Controller::Deployment => deployment::start(ctx),
        Controller::ReplicaSet => replicaset::start(ctx),
        Controller::ReplicationController => replicaset::start_old(ctx),
        Controller::StatefulSet => statefulset::start(ctx),
        Controller::Job => job::start(ctx),
        Controller::CronJob => cronjob::start(ctx),
        Controller::DaemonSet => daemonset::start(ctx),
        Controller::ServiceAccount => service_account::start_accounts(ctx),
        Controller::RootCa => service_account::start_root_ca(ctx),
        Controller::NodeLifecycle => node_lifecycle::start(ctx),
        Controller::TaintEviction => node_lifecycle::start_eviction(ctx),
        Controller::PodGc => pod_gc::start(ctx),
        Controller::TtlAfterFinished => ttl::start(ctx),
        Controller::ResourceQuota => resource_quota::start(ctx),
        Controller::Disruption => disruption::start(ctx),
        Controller::Autoscaler => autoscaler::start(ctx),
        Controller::CertificateApproving => certificates::start_approving(ctx),
        Controller::CertificateSigning => certificates::start_signing(ctx),
        Controller::CertificateCleaner => certificates::start_cleaner(ctx),
        Controller::NodeTtl => node_ttl::start(ctx),
        Controller::TokenSecrets => token_secrets::start(ctx),
        Controller::EndpointSlice => endpointslice::start(ctx),
        Controller::Endpoints => endpoints::start(ctx),
        Controller::EndpointSliceMirroring => mirror::start(ctx),
        Controller::VolumeBinder => volumes::start(ctx),
        Controller::EphemeralVolume => volumes::start_ephemeral(ctx),
        Controller::ClaimProtection => volumes::start_claim_protection(ctx),
        Controller::VolumeProtection => volumes::start_volume_protection(ctx),
        Controller::LocalPath => volumes::start_provisioner(ctx),
    }
}

#[cfg(test)]
mod tests {
    use kube::Client;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn controllers_that_share_a_group_end_with_it_at_once() {
        let nobody = tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::pending::<Result<http::Response<kube::client::Body>, std::io::Error>>()
        });
        let clients = Clients::new(move |_| Client::new(nobody, "default"));
        let (stop, shutdown) = cedge_tasks::shutdown();
        let group = Group::new(shutdown);
        let informers = Informers::new(clients.manager(), group.clone());
        let running = run_with(clients, informers, Config::default(), group.clone());
        group.spawn("controllers", running);
        stop.ask();
        assert!(group.wait(Duration::from_secs(1)).await);
    }
}
