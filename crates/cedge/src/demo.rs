//! `cedge demo`: a tree of four layers and six clusters on this machine, each a `cedge server` of its own.
//!
//! The process that the user started supervises: it starts servers, joins them, applies `examples/`, shows the tree, and
//! holds the links in its hand: each goes through a [`relay`] that it can close. A second terminal speaks to it through
//! a socket in the demo's folder ([`control`]). Ctrl-C stops everything; what was is there at the next start.

mod control;
mod examples;
mod plan;
mod relay;
mod site;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cedge_tasks::{Group, Shutdown};
use serde::{Deserialize, Serialize};

use crate::cli::{DemoArgs, DemoCommand, Format};
use crate::{output, paths};
use site::Site;

/// How often the live view looks again.
const LOOK: Duration = Duration::from_secs(2);

/// One cluster, as `cedge demo status` tells it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) path: String,
    /// `Running`, `Starting`, `Cut` or `Killed`.
    pub(crate) state: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) api: String,
}

/// The kubeconfig of a running demo's root, if there is one where demos are by default.
pub(crate) fn root_kubeconfig() -> Option<PathBuf> {
    let dir = std::env::var_os("CEDGE_DEMO_DIR").map_or_else(paths::demo, PathBuf::from);
    control::is_up(&dir).then(|| dir.join("root/kubeconfig"))
}

pub(crate) async fn run(args: DemoArgs, shutdown: Shutdown) -> anyhow::Result<ExitCode> {
    let dir = args.data_dir.unwrap_or_else(paths::demo);
    match args.command {
        None => Box::pin(supervise(dir, shutdown)).await?,
        Some(DemoCommand::Status(how)) => {
            let told: Vec<Told> = serde_json::from_value(control::ask(&dir, "status", "").await?)?;
            match how.format {
                Some(Format::Name) => told.iter().for_each(|t| output::line(&t.path)),
                Some(format @ (Format::Json | Format::Yaml)) => output::value(&told, format)?,
                Some(Format::Wide) | None => show(&told),
            }
        }
        Some(DemoCommand::Cut { cluster }) => tell(&dir, "cut", &cluster).await?,
        Some(DemoCommand::Heal { cluster }) => tell(&dir, "heal", &cluster).await?,
        Some(DemoCommand::Kill { cluster }) => tell(&dir, "kill", &cluster).await?,
        Some(DemoCommand::Start { cluster }) => tell(&dir, "start", &cluster).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn tell(dir: &std::path::Path, verb: &str, cluster: &str) -> anyhow::Result<()> {
    let answer = control::ask(dir, verb, cluster).await?;
    output::line(answer.as_str().unwrap_or_default());
    Ok(())
}

fn show(told: &[Told]) {
    let rows = told.iter().map(|t| {
        vec![
            t.path.clone(),
            output::state(&t.state),
            t.api.clone(),
            t.kubeconfig.display().to_string(),
        ]
    });
    output::table(&["CLUSTER", "STATE", "API", "KUBECONFIG"], rows.collect());
}

/// Starts everything and holds it until it is time to stop.
async fn supervise(dir: PathBuf, shutdown: Shutdown) -> anyhow::Result<()> {
    cedge_pki::files::private_dir(&dir)
        .with_context(|| format!("demo folder {}", dir.display()))?;
    let control = control::Control::bind(&dir)?;
    let plan = plan::load(&dir)?;
    let tasks = Group::new(shutdown.clone());
    let sites: Arc<Vec<Site>> = Arc::new(plan.into_iter().map(|p| Site::new(&dir, p)).collect());
    let progress = view::Progress::start(sites.len());
    let brought_up = shutdown
        .or(Box::pin(bring_up(&sites, &progress, &tasks)))
        .await;
    let result = match brought_up {
        None => Ok(()),
        Some(Err(error)) => Err(error),
        Some(Ok(())) => {
            progress.done();
            control.serve(sites.clone(), &tasks);
            view::instructions(&dir, &sites);
            view::live(&sites, LOOK, &shutdown).await;
            Ok(())
        }
    };
    output::note("stopping the demo …");
    futures::future::join_all(sites.iter().map(Site::stop)).await;
    tasks.wait(Duration::from_secs(3)).await;
    drop(control);
    result
}

/// Parents before children; each child joins through its relay.
async fn bring_up(
    sites: &Arc<Vec<Site>>,
    progress: &view::Progress,
    tasks: &Group,
) -> anyhow::Result<()> {
    for site in sites.iter() {
        progress.say(&format!("starting {}", site.path()));
        site.open_relay(sites, tasks).await?;
        let token = match site.needs_token() {
            true => Some(site.token_of_parent(sites).await?),
            false => None,
        };
        site.start(token.as_deref())?;
        progress.step();
    }
    for site in sites.iter() {
        progress.say(&format!("waiting for {}", site.path()));
        site.until_ready().await?;
        progress.step();
    }
    progress.say("applying examples");
    examples::apply(&sites[0]).await?;
    progress.step();
    Ok(())
}
