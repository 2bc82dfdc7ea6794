//! `cedge join TOKEN`: for a server whose data lies on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use cedge_api::edgeuplink::{EdgeUplink, NAME};
use cedge_pki::{Authority, Kubeconfig};
use cedge_tasks::clock;
use cedge_tree::uplink::{Uplink, Wish};
use kube::Api;
use kube::api::{Patch, PatchParams};

use crate::cli::JoinArgs;
use crate::{connect, output, paths};

/// `flag` is `--kubeconfig`: the tree beside a cluster (`cedge attach`) has no such file of its own.
pub(crate) async fn run(args: JoinArgs, flag: Option<PathBuf>) -> anyhow::Result<()> {
    let dir = args.data_dir.unwrap_or_else(paths::server);
    anyhow::ensure!(
        dir.join("identity").exists(),
        "{} holds no server: start one first (cedge server), or name its --data-dir",
        dir.display()
    );
    let own = dir.join("kubeconfig");
    let kubeconfig = match flag {
        Some(flag) if !own.exists() => flag,
        Some(_) | None => own.clone(),
    };
    let authority = Arc::new(Authority::load_or_create(&dir.join("identity"))?);
    let tree = dir.join("tree");
    cedge_pki::files::private_dir(&tree)?;
    let uplink = Uplink::new(&tree, authority);
    let before = uplink.load()?;
    let name = match &before {
        Some(joined) => joined.name.clone(),
        None => own_name(&own, &kubeconfig).await.context(
            "the server has not said its name yet: start it, then join; beside another cluster (cedge attach), name the \
             cluster with --kubeconfig",
        )?,
    };
    let wish = Wish {
        token: args.token,
        name: name.parse()?,
        labels: std::collections::BTreeMap::new(),
        proxy: args.proxy.or(before.and_then(|b| b.proxy)),
        replace: args.replace,
    };
    let joined = cedge_tree::uplink::join(&uplink, wish).await?;
    output::line(format!("joined {} as {}", joined.parent_name, joined.name));
    match touch(&kubeconfig).await {
        Ok(()) => output::note("the running server has been told"),
        Err(error) => output::note(format!(
            "the server does not run ({error:#}); it takes it up when it starts"
        )),
    }
    Ok(())
}

/// The cluster's name: as the server wrote it, else as the hub beside another cluster says it.
async fn own_name(own: &Path, kubeconfig: &Path) -> anyhow::Result<String> {
    let written = Kubeconfig::read(own).ok();
    if let Some(named) = written.and_then(|k| k.clusters.into_iter().next()) {
        return Ok(named.name);
    }
    let client = connect::client(kubeconfig).await?;
    Ok(connect::hub(&client).await?.name)
}

/// Makes the running server look at its file again.
pub(crate) async fn touch(kubeconfig: &Path) -> anyhow::Result<()> {
    let client = connect::client(kubeconfig).await?;
    let api: Api<EdgeUplink> = Api::all(client);
    let object = serde_json::json!({
        "apiVersion": format!("{}/{}", cedge_api::GROUP, cedge_api::VERSION), "kind": "EdgeUplink",
        "metadata": { "name": NAME, "annotations": { "edge.centaurus.io/joined": clock::now().to_string() } },
        "spec": {},
    });
    api.patch(
        NAME,
        &PatchParams::apply("cedge-join").force(),
        &Patch::Apply(object),
    )
    .await?;
    Ok(())
}
