//! `cedge trace mission/NAME`: the stations of the walk, at every cluster that can be asked, in the order of their times.

use std::path::PathBuf;

use anyhow::Context as _;
use cedge_api::{ClusterPath, Mission, marks};
use cedge_tree::shown::Shown;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use serde::Serialize;

use crate::cli::{Format, Output};
use crate::commands::tree;
use crate::{connect, output};

/// One station passed.
#[derive(Debug, Serialize)]
struct Passed {
    time: Timestamp,
    cluster: ClusterPath,
    number: u8,
    station: String,
    detail: String,
}

pub(crate) async fn run(what: &str, how: Output, flag: Option<PathBuf>) -> anyhow::Result<()> {
    let name = what
        .strip_prefix("mission/")
        .or_else(|| what.strip_prefix("missions/"))
        .with_context(|| format!("{what:?}: write mission/NAME"))?;
    let target = connect::target(flag).await?;
    let api: Api<Mission> = Api::all(target.client.clone());
    let found = api.get_opt(name).await?;
    let mission = found.with_context(|| {
        format!("there is no Mission {name:?} here; `cedge mission list` shows them")
    })?;
    let origin_name = mission
        .annotations()
        .get(marks::ORIGIN_NAME)
        .cloned()
        .unwrap_or_else(|| name.to_owned());
    let shape = tree::fetch(&target).await?;
    let mut passed = Vec::new();
    gather(&target.client, &ClusterPath::here(), name, &mut passed).await;
    Box::pin(below(&target, &shape, &origin_name, &mut passed)).await;
    passed.sort_by(|a, b| a.time.cmp(&b.time).then(a.number.cmp(&b.number)));
    match how.format {
        Some(format @ (Format::Json | Format::Yaml)) => output::value(&passed, format),
        Some(Format::Wide | Format::Name) | None => {
            show(&passed);
            Ok(())
        }
    }
}

fn show(passed: &[Passed]) {
    let begin = passed.first().map(|p| p.time);
    let rows = passed.iter().map(|p| {
        let after = begin.map_or(0, |b| p.time.as_millisecond() - b.as_millisecond());
        vec![
            p.time.strftime("%H:%M:%S%.3f").to_string(),
            format!("+{after} ms"),
            p.number.to_string(),
            p.station.clone(),
            p.cluster.to_string(),
            p.detail.clone(),
        ]
    });
    output::table(
        &["TIME", "AFTER", "NO", "STATION", "CLUSTER", "DETAIL"],
        rows.collect(),
    );
}

async fn below(
    target: &connect::Target,
    cluster: &Shown,
    origin_name: &str,
    passed: &mut Vec<Passed>,
) {
    for child in &cluster.children {
        if child.as_of.is_some() {
            continue;
        }
        if let Ok(client) = connect::below(target, &child.path).await
            && let Some(name) = copy(&client, origin_name).await
        {
            gather(&client, &child.path, &name, passed).await;
        }
        Box::pin(below(target, child, origin_name, passed)).await;
    }
}

/// The name under which a cluster holds its copy.
async fn copy(client: &Client, origin_name: &str) -> Option<String> {
    let api: Api<Mission> = Api::all(client.clone());
    let held = api
        .list(&ListParams::default().labels(marks::RECEIVED))
        .await
        .ok()?;
    let mut named = held.items.iter().filter(|m| {
        m.annotations()
            .get(marks::ORIGIN_NAME)
            .is_some_and(|n| n == origin_name)
    });
    named.next().map(kube::ResourceExt::name_any)
}

const STATIONS: &[(&str, u8)] = &[
    ("Accept", 1),
    ("Route", 2),
    ("HandOver", 3),
    ("Receive", 4),
    ("Deploy", 5),
    ("Summarise", 10),
    ("Report", 11),
    ("Merge", 12),
];

/// The stations of one cluster: Events on the Mission for ours, and what pods say of theirs for Kubernetes' own.
async fn gather(client: &Client, cluster: &ClusterPath, name: &str, passed: &mut Vec<Passed>) {
    let events: Api<Event> = Api::namespaced(client.clone(), "default");
    let about = format!("involvedObject.kind=Mission,involvedObject.name={name}");
    let found = events.list(&ListParams::default().fields(&about)).await;
    for event in found.map(|l| l.items).unwrap_or_default() {
        let station = event.reason.clone().unwrap_or_default();
        let Some((_, number)) = STATIONS.iter().find(|(s, _)| *s == station) else {
            continue;
        };
        let Some(time) = event.event_time.as_ref().map(|t| t.0) else {
            continue;
        };
        let detail = event.message.clone().unwrap_or_default();
        passed.push(Passed {
            time,
            cluster: cluster.clone(),
            number: *number,
            station,
            detail,
        });
    }
    pods(client, cluster, name, passed).await;
}

/// Stations 6 to 9, from the pods of the Mission's workloads.
async fn pods(client: &Client, cluster: &ClusterPath, name: &str, passed: &mut Vec<Passed>) {
    let api: Api<Pod> = Api::all(client.clone());
    let owned = deployed_names(client, name).await;
    for pod in api
        .list(&ListParams::default())
        .await
        .map(|l| l.items)
        .unwrap_or_default()
    {
        let belongs = pod.labels().get(marks::MISSION).is_some_and(|m| m == name)
            || owned.iter().any(|(ns, n)| {
                pod.namespace().as_deref() == Some(ns)
                    && pod.name_any().starts_with(&format!("{n}-"))
            });
        if !belongs {
            continue;
        }
        let detail = format!(
            "pod {}/{}",
            pod.namespace().unwrap_or_default(),
            pod.name_any()
        );
        let mut add = |number: u8, station: &str, time: Option<Timestamp>, more: String| {
            if let Some(time) = time {
                let detail = format!("{detail}{more}");
                passed.push(Passed {
                    time,
                    cluster: cluster.clone(),
                    number,
                    station: station.to_owned(),
                    detail,
                });
            }
        };
        add(
            6,
            "Expand",
            pod.metadata.creation_timestamp.as_ref().map(|t| t.0),
            String::new(),
        );
        let status = pod.status.clone().unwrap_or_default();
        let when = |kind: &str| {
            let c = status
                .conditions
                .iter()
                .flatten()
                .find(|c| c.type_ == kind && c.status == "True");
            c.and_then(|c| c.last_transition_time.as_ref()).map(|t| t.0)
        };
        let node = pod
            .spec
            .as_ref()
            .and_then(|s| s.node_name.clone())
            .unwrap_or_default();
        add(7, "Bind", when("PodScheduled"), format!(" to {node}"));
        let started = status.container_statuses.iter().flatten().find_map(|c| {
            c.state
                .as_ref()?
                .running
                .as_ref()?
                .started_at
                .as_ref()
                .map(|t| t.0)
        });
        add(8, "Run", started, format!(" on {node}"));
        add(9, "Observe", when("Ready"), " ready".to_owned());
    }
}

/// Namespaces and names of a Mission's workloads: their pods' names begin so.
async fn deployed_names(client: &Client, name: &str) -> Vec<(String, String)> {
    let api: Api<Mission> = Api::all(client.clone());
    let inventory = api
        .get_opt(name)
        .await
        .ok()
        .flatten()
        .and_then(|m| m.status)
        .map(|s| s.inventory);
    let workloads = [
        "Deployment",
        "ReplicaSet",
        "DaemonSet",
        "Job",
        "StatefulSet",
    ];
    let entries = inventory
        .unwrap_or_default()
        .into_iter()
        .filter(|e| workloads.contains(&e.kind.as_str()));
    entries.map(|e| (e.namespace, e.name)).collect()
}
