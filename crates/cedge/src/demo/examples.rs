//! The Missions of `examples/`, carried in the binary, applied at the root.

use std::time::Duration;

use anyhow::Context as _;
use cedge_api::Mission;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};

use super::site::Site;
use crate::connect;

const EXAMPLES: &[(&str, &str)] = &[
    (
        "hello.yaml",
        include_str!("../../../../examples/hello.yaml"),
    ),
    (
        "line-control.yaml",
        include_str!("../../../../examples/line-control.yaml"),
    ),
    (
        "self-test.yaml",
        include_str!("../../../../examples/self-test.yaml"),
    ),
];
/// The definitions are there a moment after the API is.
const LIMIT: Duration = Duration::from_secs(30);

/// Applies what is not there; what is there may have been changed by people and stays.
pub(super) async fn apply(root: &Site) -> anyhow::Result<()> {
    let client = connect::client(&root.kubeconfig()).await?;
    let api: Api<Mission> = Api::all(client);
    for (file, text) in EXAMPLES {
        let mission: Mission =
            serde_saphyr::from_str(text).with_context(|| format!("examples/{file}"))?;
        let name = mission.name_any();
        let apply = async {
            loop {
                match api.get_opt(&name).await {
                    Ok(Some(_)) => return Ok(()),
                    Ok(None) => {
                        let params = PatchParams::apply("cedge-demo").force();
                        match api.patch(&name, &params, &Patch::Apply(&mission)).await {
                            Ok(_) => return Ok(()),
                            Err(kube::Error::Api(status)) if status.code == 404 => {}
                            Err(error) => return Err(error),
                        }
                    }
                    Err(kube::Error::Api(status)) if status.code == 404 => {}
                    Err(error) => return Err(error),
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let done = tokio::time::timeout(LIMIT, apply).await;
        done.with_context(|| format!("examples/{file}: the root does not take Missions"))?
            .with_context(|| format!("examples/{file}"))?;
    }
    Ok(())
}
