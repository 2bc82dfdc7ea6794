//! `cedge uplink`.

use std::path::PathBuf;

use anyhow::Context as _;
use cedge_api::edgeuplink::{EdgeUplink, NAME};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::cli::{Format, UplinkCommand};
use crate::{connect, output};

pub(crate) async fn run(command: UplinkCommand, flag: Option<PathBuf>) -> anyhow::Result<()> {
    let target = connect::target(flag).await?;
    let api: Api<EdgeUplink> = Api::all(target.client);
    let found = api
        .get_opt(NAME)
        .await
        .context("could not ask for the uplink")?;
    let uplink = found.context("this cluster has no parent; join one with `cedge join TOKEN`")?;
    match command {
        UplinkCommand::Status(how) => match how.format {
            Some(Format::Name) => output::line(format!("edgeuplink/{NAME}")),
            Some(format @ (Format::Json | Format::Yaml)) => output::value(&uplink, format)?,
            Some(Format::Wide) | None => show(&uplink),
        },
        UplinkCommand::Confirm => {
            let status = uplink.status.unwrap_or_default();
            let batch = status
                .held_batch
                .context("nothing is held; there is nothing to confirm")?;
            let patch = json!({ "spec": { "confirmedBatch": batch } });
            api.patch(NAME, &PatchParams::default(), &Patch::Merge(patch))
                .await?;
            let count = status.held_deletions.unwrap_or(0);
            output::line(format!("confirmed: {count} Missions will be withdrawn"));
        }
    }
    Ok(())
}

fn show(uplink: &EdgeUplink) {
    let status = uplink.status.clone().unwrap_or_default();
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    for (name, value) in [
        ("Parent", text(&status.parent_name)),
        ("Parent identity", text(&status.parent_identity)),
        ("Name", text(&status.name)),
        ("Path", text(&status.path)),
        ("Identity", text(&status.identity)),
        ("Address", text(&status.address)),
        ("Certificate until", text(&status.certificate_expires)),
    ] {
        output::line(format!("{name:<18} {value}"));
    }
    output::line("");
    let rows = status.conditions.iter().map(|c| {
        vec![
            c.type_.clone(),
            c.status.clone(),
            c.reason.clone(),
            c.last_transition_time.0.to_string(),
            c.message.clone(),
        ]
    });
    output::table(
        &["CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"],
        rows.collect(),
    );
}
