//! What the demo shows: progress while it starts, then the tree with its Missions and pods.

use std::path::Path;
use std::time::Duration;

use cedge_api::Mission;
use cedge_api::mission::State;
use cedge_tasks::Shutdown;
use indicatif::{ProgressBar, ProgressStyle};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::site::Site;
use crate::commands::tree;
use crate::{connect, output};

/// Progress while it starts.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn start(sites: usize) -> Self {
        let steps = u64::try_from(sites * 2 + 1).unwrap_or(0);
        let bar = ProgressBar::new(steps);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub(super) fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
        if self.0.is_hidden() {
            output::note(format!("{what} …"));
        }
    }

    pub(super) fn step(&self) {
        self.0.inc(1);
    }

    pub(super) fn done(&self) {
        self.0.finish_and_clear();
    }
}

/// How to talk to the clusters.
pub(super) fn instructions(dir: &Path, sites: &[Site]) {
    output::line("The tree is up. In a second terminal:");
    output::line("");
    output::line("  cedge tree                          # the tree; cedge mission status hello");
    output::line("  cedge trace mission/hello           # the stations of a Mission");
    output::line("  cedge demo cut plant-7              # sever a link; heal, kill, start, status");
    output::line("");
    output::line("Each cluster is a Kubernetes API:");
    output::line("");
    for site in sites {
        output::line(format!(
            "  kubectl --kubeconfig {} get pods  # {}",
            site.kubeconfig().display(),
            site.path()
        ));
    }
    output::line("");
    output::line(format!(
        "Data and logs: {}. Ctrl-C stops everything; the next start goes on from there.",
        dir.display()
    ));
    output::line("");
}

/// The live tree, until it is time to stop. On a terminal it is drawn anew; else whenever something in it has changed.
pub(super) async fn live(sites: &[Site], every: Duration, shutdown: &Shutdown) {
    let mut drawn = Vec::new();
    loop {
        // Dropped at the end: it only reads.
        let Some(drawing) = shutdown.or(Box::pin(draw(sites))).await else {
            return;
        };
        if let Ok(lines) = drawing {
            if output::is_terminal() {
                output::redraw(drawn.len(), &lines);
            } else if lines != drawn {
                lines.iter().for_each(output::line);
                output::line("");
            }
            drawn = lines;
        }
        if shutdown.or(tokio::time::sleep(every)).await.is_none() {
            return;
        }
    }
}

async fn draw(sites: &[Site]) -> anyhow::Result<Vec<String>> {
    let target = connect::target(Some(sites[0].kubeconfig())).await?;
    let shape = tree::fetch(&target).await?;
    let mut lines = tree::lines(&shape, false);
    lines.push(String::new());
    let api: Api<Mission> = Api::all(target.client.clone());
    let mut rows = Vec::new();
    for mission in api.list(&ListParams::default()).await? {
        let subtree = mission
            .status
            .as_ref()
            .and_then(|s| s.subtree.clone())
            .unwrap_or_default();
        let states: Vec<String> = subtree
            .states
            .iter()
            .map(|(s, n)| format!("{n} {s:?}"))
            .collect();
        let healthy = subtree.states.get(&State::Healthy).copied().unwrap_or(0);
        rows.push(vec![
            mission.name_any(),
            format!("{healthy}/{}", subtree.matched),
            states.join(", "),
        ]);
    }
    lines.extend(output::table_lines(
        &["MISSION", "HEALTHY", "CLUSTERS"],
        rows,
    ));
    lines.push(String::new());
    let mut rows = Vec::new();
    for site in sites {
        let cell = match pods(site).await {
            Some((running, total)) => format!("{running}/{total} running"),
            None => "-".to_owned(),
        };
        rows.push(vec![
            site.path().to_owned(),
            output::state(&site.told().state),
            cell,
        ]);
    }
    lines.extend(output::table_lines(&["CLUSTER", "PROCESS", "PODS"], rows));
    Ok(lines)
}

async fn pods(site: &Site) -> Option<(usize, usize)> {
    if !site.is_running() {
        return None;
    }
    let client = connect::client(&site.kubeconfig()).await.ok()?;
    let api: Api<Pod> = Api::all(client);
    let pods = tokio::time::timeout(Duration::from_secs(2), api.list(&ListParams::default()))
        .await
        .ok()?
        .ok()?;
    let phase =
        |p: &Pod, wanted: &str| p.status.as_ref().and_then(|s| s.phase.as_deref()) == Some(wanted);
    let running = pods.iter().filter(|p| phase(p, "Running")).count();
    Some((running, pods.items.len()))
}
