//! The scheduler alone, against whatever cluster KUBECONFIG names:
//! `RUST_LOG=info KUBECONFIG=FILE cargo run -p cedge-scheduler --example scheduler`.

use cedge_informer::{Events, Informers};
use cedge_tasks::{Group, shutdown};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let client = kube::Client::try_default().await?;
    let (trigger, signal) = shutdown();
    let group = Group::new(signal);
    let informers = Informers::new(client.clone(), group.clone());
    let events = Events::start(client.clone(), &group);
    let scheduler = cedge_scheduler::run(client, informers, events, group.clone());
    tokio::select! {
        () = scheduler => {}
        stopped = tokio::signal::ctrl_c() => stopped?,
    }
    trigger.ask();
    Ok(())
}
