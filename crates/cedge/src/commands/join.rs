//! `cedge join TOKEN`: for a server whose data lies on this machine.

use std::sync::Arc;

use anyhow::Context as _;
use cedge_api::edgeuplink::{EdgeUplink, NAME};
use cedge_pki::{Authority, Kubeconfig};
use cedge_tasks::clock;
use cedge_tree::uplink::{Uplink, Wish};
use kube::Api;
use kube::api::{Patch, PatchParams};

use crate::cli::JoinArgs;
use crate::{output, paths};

pub(crate) async fn run(args: JoinArgs) -> anyhow::Result<()> {
    let dir = args.data_dir.unwrap_or_else(paths::server);
    anyhow::ensure!(
        dir.join("identity").exists(),
        "{} holds no server: start one first (cedge server), or name its --data-dir",
        dir.display()
    );
    let authority = Arc::new(Authority::load_or_create(&dir.join("identity"))?);
    let tree = dir.join("tree");
    cedge_pki::files::private_dir(&tree)?;
    let uplink = Uplink::new(&tree, authority);
    let before = uplink.load()?;
    let name = match &before {
        Some(joined) => joined.name.clone(),
        None => Kubeconfig::read(&dir.join("kubeconfig"))
            .ok()
            .and_then(|k| k.current().map(|_| k.clusters[0].name.clone()))
            .context("the server has not said its name yet: start it once, then join")?,
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
    match touch(&dir).await {
        Ok(()) => output::note("the running server has been told"),
        Err(error) => output::note(format!(
            "the server does not run ({error:#}); it takes it up when it starts"
        )),
    }
    Ok(())
}

/// Makes the running server look at its file again.
pub(crate) async fn touch(dir: &std::path::Path) -> anyhow::Result<()> {
    let client = crate::connect::client(&dir.join("kubeconfig")).await?;
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
