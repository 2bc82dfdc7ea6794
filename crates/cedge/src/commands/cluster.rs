//! `cedge cluster`.

use std::path::PathBuf;

use cedge_api::{ClusterName, EdgeCluster};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::cli::ClusterCommand;
use crate::{connect, output};

/// Annotation that makes a deletion a detachment.
const DETACH: &str = "edge.centaurus.io/detach";

pub(crate) async fn run(command: ClusterCommand, flag: Option<PathBuf>) -> anyhow::Result<()> {
    let target = connect::target(flag).await?;
    let api: Api<EdgeCluster> = Api::all(target.client);
    match command {
        ClusterCommand::Cordon { name } => {
            patch(&api, &name, json!({ "spec": { "cordoned": true } })).await?;
            output::line(format!("{name} cordoned"));
        }
        ClusterCommand::Uncordon { name } => {
            patch(&api, &name, json!({ "spec": { "cordoned": false } })).await?;
            output::line(format!("{name} uncordoned"));
        }
        ClusterCommand::Detach { name } => {
            patch(
                &api,
                &name,
                json!({ "metadata": { "annotations": { DETACH: "true" } } }),
            )
            .await?;
            api.delete(name.as_str(), &DeleteParams::default()).await?;
            output::line(format!("{name} detached; what runs there keeps running"));
        }
        ClusterCommand::Evict { name } => {
            patch(
                &api,
                &name,
                json!({ "metadata": { "annotations": { DETACH: null } } }),
            )
            .await?;
            api.delete(name.as_str(), &DeleteParams::default()).await?;
            output::line(format!("{name} evicted; its certificate is revoked"));
        }
    }
    Ok(())
}

async fn patch(api: &Api<EdgeCluster>, name: &ClusterName, patch: Value) -> anyhow::Result<()> {
    match api
        .patch(name.as_str(), &PatchParams::default(), &Patch::Merge(patch))
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => {
            anyhow::bail!(
                "there is no child {name} here; `cedge tree` shows what is below (only direct children are changed here)"
            )
        }
        Err(error) => Err(error.into()),
    }
}
