//! `cedge kubeconfig [PATH]`.

use std::path::PathBuf;

use anyhow::Context as _;
use cedge_api::ClusterPath;
use cedge_pki::Kubeconfig;

use crate::{connect, output};

pub(crate) async fn run(path: &ClusterPath, flag: Option<PathBuf>) -> anyhow::Result<()> {
    let file = connect::kubeconfig(flag)?;
    let own = Kubeconfig::read(&file).with_context(|| format!("kubeconfig {}", file.display()))?;
    if path.is_here() {
        output::line(own.to_yaml().trim_end());
        return Ok(());
    }
    let client = connect::client(&file).await?;
    let hub = connect::hub(&client).await?;
    output::line(connect::through(&own, &hub, path)?.to_yaml().trim_end());
    Ok(())
}
