//! Joining the parent whose token was given, once.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use cedge_pki::Authority;
use cedge_tasks::{Group, OnError};

use crate::config::Server;

/// Joins at the first start. A token that cannot be right ends the start; a parent that is not there does not: the
/// cluster works without it, and it is tried again.
pub(crate) async fn first_join(config: &Server, authority: &Arc<Authority>) -> anyhow::Result<()> {
    match join_parent(config, authority).await {
        Err(error) if is_passing(&error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "the parent is not reached; it is tried again"
            );
            Ok(())
        }
        other => other.map(drop),
    }
}

fn is_passing(error: &anyhow::Error) -> bool {
    use cedge_link::{JoinError, RefusalReason};
    let cause = error.chain().find_map(|c| c.downcast_ref::<JoinError>());
    match cause {
        Some(JoinError::Unreachable(_)) => true,
        Some(JoinError::Refused(refusal)) => {
            matches!(
                refusal.reason,
                RefusalReason::Unavailable | RefusalReason::AwaitingApproval
            )
        }
        _ => false,
    }
}

/// Joins the parent when it was not reached at the start. `kubeconfig` speaks to this cluster.
pub(crate) fn keep_joining(
    config: &Server,
    authority: &Arc<Authority>,
    kubeconfig: PathBuf,
    tasks: &Group,
) {
    let (config, authority) = (config.clone(), authority.clone());
    tasks.supervise("tree/join", OnError::Restart, move || {
        let (config, authority) = (config.clone(), authority.clone());
        let kubeconfig = kubeconfig.clone();
        async move {
            if join_parent(&config, &authority).await? {
                crate::commands::tell_joined(&kubeconfig).await?;
            }
            anyhow::Ok(())
        }
    });
}

/// Joins the parent whose token was given, unless that is done; says whether it did.
async fn join_parent(config: &Server, authority: &Arc<Authority>) -> anyhow::Result<bool> {
    let dir = config.data_dir.join("tree");
    cedge_pki::files::private_dir(&dir)?;
    let uplink = cedge_tree::uplink::Uplink::new(&dir, authority.clone());
    let Some(token) = config
        .join
        .clone()
        .filter(|_| !matches!(uplink.load(), Ok(Some(_))))
    else {
        return Ok(false);
    };
    let wish = cedge_tree::uplink::Wish {
        token,
        name: config.name.clone(),
        labels: config.labels.clone(),
        proxy: config.proxy.clone(),
        replace: false,
    };
    let joined = cedge_tree::uplink::join(&uplink, wish)
        .await
        .context("could not join the parent")?;
    tracing::info!(parent = joined.parent_name, "joined");
    Ok(true)
}
