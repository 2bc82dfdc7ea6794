//! `cedge mission`.

use std::path::PathBuf;

use anyhow::Context as _;
use cedge_api::mission::{MissionStatus, State};
use cedge_api::names::received_name;
use cedge_api::{ClusterId, ClusterPath, Mission, marks};
use cedge_tree::shown::Shown;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde::Serialize;

use crate::cli::{Format, MissionCommand, Output};
use crate::commands::tree;
use crate::{connect, output};

pub(crate) async fn run(command: MissionCommand, flag: Option<PathBuf>) -> anyhow::Result<()> {
    let target = connect::target(flag).await?;
    match command {
        MissionCommand::List(how) => list(&target, how).await,
        MissionCommand::Status { name, output: how } => Box::pin(status(&target, &name, how)).await,
    }
}

async fn list(target: &connect::Target, how: Output) -> anyhow::Result<()> {
    let api: Api<Mission> = Api::all(target.client.clone());
    let missions = api.list(&ListParams::default()).await?.items;
    match how.format {
        Some(Format::Name) => missions
            .iter()
            .for_each(|m| output::line(format!("mission/{}", m.name_any()))),
        Some(format @ (Format::Json | Format::Yaml)) => output::value(&missions, format)?,
        Some(Format::Wide) | None => {
            let rows = missions.iter().map(row).collect();
            output::table(
                &[
                    "NAME",
                    "ORIGIN",
                    "STATE",
                    "MATCHED",
                    "AT-TARGET",
                    "HEALTHY",
                    "MESSAGE",
                ],
                rows,
            );
        }
    }
    Ok(())
}

/// The name that its author gave a Mission.
fn shown_name(mission: &Mission) -> String {
    mission
        .annotations()
        .get(marks::ORIGIN_NAME)
        .cloned()
        .unwrap_or_else(|| mission.name_any())
}

fn row(mission: &Mission) -> Vec<String> {
    let status = mission.status.clone().unwrap_or_default();
    let subtree = status.subtree.clone().unwrap_or_default();
    let own = status.own.clone().unwrap_or_default();
    let healthy = subtree.states.get(&State::Healthy).copied().unwrap_or(0);
    let origin = mission
        .annotations()
        .get(marks::ORIGIN)
        .map_or("here", |o| o.get(..6).unwrap_or(o));
    vec![
        shown_name(mission),
        origin.to_owned(),
        output::state(&format!("{:?}", own.state)),
        subtree.matched.to_string(),
        subtree.at_target.to_string(),
        format!("{healthy}/{}", subtree.matched),
        own.message
            .or_else(|| status.exceptions.first().and_then(|e| e.message.clone()))
            .unwrap_or_default(),
    ]
}

/// One cluster's line in the drawing of a Mission.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    name: String,
    path: ClusterPath,
    state: String,
    reason: Option<String>,
    message: Option<String>,
    summary: Option<String>,
    as_of: Option<String>,
    children: Vec<Line>,
}

async fn status(target: &connect::Target, name: &str, how: Output) -> anyhow::Result<()> {
    let api: Api<Mission> = Api::all(target.client.clone());
    let found = api.get_opt(name).await?;
    let mission = found.with_context(|| {
        format!("there is no Mission {name:?} here; `cedge mission list` shows them")
    })?;
    let hub = connect::hub(&target.client).await?;
    let origin = match mission.annotations().get(marks::ORIGIN) {
        Some(origin) => origin.parse::<ClusterId>()?,
        None => identity_of(&hub.ca)?,
    };
    let below = received_name(&shown_name(&mission), &origin);
    let shape = tree::fetch(target).await?;
    let own = mission.status.clone().unwrap_or_default();
    let drawn = Box::pin(draw(target, &shape, Some(own.clone()), &own, &below)).await;
    match how.format {
        Some(Format::Name) => output::line(format!("mission/{name}")),
        Some(format @ (Format::Json | Format::Yaml)) => output::value(&drawn, format)?,
        Some(Format::Wide) | None => {
            head(&mission, &own);
            let mut rows = Vec::new();
            rows_of(&drawn, "", "", &mut rows);
            output::table(&["CLUSTER", "STATE", "SUMMARY", "AS OF", "MESSAGE"], rows);
        }
    }
    Ok(())
}

fn identity_of(ca_pem: &str) -> anyhow::Result<ClusterId> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let der =
        CertificateDer::from_pem_slice(ca_pem.as_bytes()).context("the hub's CA cannot be read")?;
    Ok(cedge_pki::PeerCertificate::parse(&der)?.id())
}

fn head(mission: &Mission, status: &MissionStatus) {
    let subtree = status.subtree.clone().unwrap_or_default();
    output::line(format!(
        "Mission {}, generation {}",
        shown_name(mission),
        mission.metadata.generation.unwrap_or(0)
    ));
    output::line(format!(
        "matched {}, at target {}",
        subtree.matched, subtree.at_target
    ));
    for c in &status.conditions {
        let dash = if c.message.is_empty() {
            String::new()
        } else {
            format!(": {}", c.message)
        };
        output::line(format!("  {} {} ({}){dash}", c.type_, c.status, c.reason));
    }
    output::line("");
}

/// Asks each cluster that can be reached; of the others, what their nearest reachable ancestor last heard.
async fn draw(
    target: &connect::Target,
    cluster: &Shown,
    own: Option<MissionStatus>,
    above: &MissionStatus,
    name: &str,
) -> Line {
    let reachable = own.is_some();
    let exception = above.exceptions.iter().find(|e| e.path == cluster.path);
    let (state, reason, message, summary) = match (&own, exception) {
        (Some(status), _) => {
            let own = status.own.clone().unwrap_or_default();
            (
                format!("{:?}", own.state),
                own.reason,
                own.message,
                own.summary,
            )
        }
        (None, Some(e)) => (
            format!("{:?}", e.state),
            e.reason.clone(),
            e.message.clone(),
            None,
        ),
        (None, None) => ("-".to_owned(), None, None, None),
    };
    let as_of = if reachable {
        None
    } else {
        cluster.as_of.clone()
    };
    let mut children = Vec::new();
    for child in &cluster.children {
        let status = if reachable && child.as_of.is_none() {
            ask(target, &child.path, name).await
        } else {
            None
        };
        children.push(Box::pin(draw(target, child, status, above, name)).await);
    }
    Line {
        name: cluster.name.clone(),
        path: cluster.path.clone(),
        state,
        reason,
        message,
        summary,
        as_of,
        children,
    }
}

/// How long one cluster may take to answer.
const ASK_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

async fn ask(target: &connect::Target, path: &ClusterPath, name: &str) -> Option<MissionStatus> {
    let asked = async {
        let api: Api<Mission> = Api::all(connect::below(target, path).await?);
        anyhow::Ok(api.get_opt(name).await?)
    };
    match tokio::time::timeout(ASK_LIMIT, asked).await {
        // Reached, and the Mission is not for it or anybody below.
        Ok(Ok(None)) => Some(MissionStatus::default()),
        Ok(Ok(Some(mission))) => Some(mission.status.unwrap_or_default()),
        Ok(Err(_)) | Err(_) => None,
    }
}

fn rows_of(line: &Line, lead: &str, below: &str, rows: &mut Vec<Vec<String>>) {
    rows.push(vec![
        format!("{lead}{}", line.name),
        output::state(&line.state),
        line.summary.clone().unwrap_or_default(),
        line.as_of.clone().unwrap_or_else(|| "now".to_owned()),
        line.message.clone().unwrap_or_default(),
    ]);
    for (i, child) in line.children.iter().enumerate() {
        let last = i + 1 == line.children.len();
        let (branch, trunk) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        rows_of(
            child,
            &format!("{below}{branch}"),
            &format!("{below}{trunk}"),
            rows,
        );
    }
}
