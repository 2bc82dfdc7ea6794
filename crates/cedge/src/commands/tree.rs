//! `cedge tree`.

use std::path::PathBuf;

use anyhow::Context as _;
use cedge_tree::shown::Shown;

use crate::cli::{Format, Output};
use crate::{connect, output};

pub(crate) async fn run(how: Output, flag: Option<PathBuf>) -> anyhow::Result<()> {
    let target = connect::target(flag).await?;
    let tree = fetch(&target).await?;
    match how.format {
        Some(Format::Name) => names(&tree),
        Some(format @ (Format::Json | Format::Yaml)) => output::value(&tree, format)?,
        Some(Format::Wide) | None => lines(&tree, how.format == Some(Format::Wide))
            .iter()
            .for_each(output::line),
    }
    Ok(())
}

/// The tree as the cluster's hub holds it.
pub(crate) async fn fetch(target: &connect::Target) -> anyhow::Result<Shown> {
    let hub = connect::hub_client(target).await?;
    let request = http::Request::get("/tree").body(Vec::new())?;
    hub.request::<Shown>(request)
        .await
        .context("could not ask the hub for the tree")
}

fn names(cluster: &Shown) {
    output::line(cluster.path.to_string());
    cluster.children.iter().for_each(names);
}

/// A table whose first column is the tree.
pub(crate) fn lines(tree: &Shown, wide: bool) -> Vec<String> {
    let mut rows = Vec::new();
    rows_of(tree, "", "", wide, &mut rows);
    let mut headings = vec!["CLUSTER", "STATE", "NODES", "FLAVOR", "VERSION", "AS OF"];
    if wide {
        headings.extend(["REASON", "LABELS"]);
    }
    output::table_lines(&headings, rows)
}

fn rows_of(cluster: &Shown, lead: &str, below: &str, wide: bool, rows: &mut Vec<Vec<String>>) {
    let mut row = vec![
        format!("{lead}{}", cluster.name),
        output::state(&format!("{:?}", cluster.state)),
        format!("{}/{}", cluster.nodes.ready, cluster.nodes.total),
        cluster.flavor.clone(),
        cluster.version.clone(),
        cluster.as_of.clone().unwrap_or_else(|| "now".to_owned()),
    ];
    if wide {
        let labels: Vec<String> = cluster
            .labels
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        row.push(cluster.reason.clone().unwrap_or_default());
        row.push(labels.join(","));
    }
    rows.push(row);
    for (i, child) in cluster.children.iter().enumerate() {
        let last = i + 1 == cluster.children.len();
        let (branch, trunk) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        rows_of(
            child,
            &format!("{below}{branch}"),
            &format!("{below}{trunk}"),
            wide,
            rows,
        );
    }
}
