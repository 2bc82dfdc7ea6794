//! One function per command.

mod cluster;
mod join;
mod kubeconfig;
mod mission;
mod token;
mod trace;
pub(crate) mod tree;
mod uplink;
mod version;

pub(crate) use join::touch as tell_joined;
pub(crate) use token::pin_of;

use std::process::ExitCode;

use cedge_tasks::Shutdown;
use clap::CommandFactory as _;

use crate::cli::{Cli, Command};
use crate::{agent, attach, config, demo, output, server};

/// Does what was asked.
pub(crate) async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let kubeconfig = cli.kubeconfig;
    match cli.command {
        Command::Server(args) => {
            start_logging();
            let config = config::server(*args)?;
            Box::pin(server::run(config, until_signal())).await?;
        }
        Command::Agent(args) => {
            start_logging();
            Box::pin(agent::run(args, until_signal())).await?;
        }
        Command::Attach(args) => {
            start_logging();
            Box::pin(attach::run(args, kubeconfig, until_signal())).await?;
        }
        Command::Join(args) => join::run(args, kubeconfig).await?,
        Command::Token(command) => token::run(command, kubeconfig).await?,
        Command::Uplink(command) => uplink::run(command, kubeconfig).await?,
        Command::Tree(how) => tree::run(how, kubeconfig).await?,
        Command::Mission(command) => Box::pin(mission::run(command, kubeconfig)).await?,
        Command::Trace { what, output } => trace::run(&what, output, kubeconfig).await?,
        Command::Kubeconfig { path } => kubeconfig::run(&path, kubeconfig).await?,
        Command::Cluster(command) => cluster::run(command, kubeconfig).await?,
        Command::Demo(args) => return Box::pin(demo::run(args, until_signal())).await,
        Command::PowerOff { dir } => {
            let killed = cedge_runtime::power_off(&dir)?;
            output::line(format!("{killed} processes killed"));
        }
        Command::Version(how) => version::run(how)?,
        Command::Completion { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "cedge", &mut text);
            output::line(String::from_utf8_lossy(&text).trim_end());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A shutdown that Ctrl-C and SIGTERM ask for.
fn until_signal() -> Shutdown {
    let (trigger, shutdown) = cedge_tasks::shutdown();
    cedge_tasks::spawn("signals", async move {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt());
        let terminate = signal(SignalKind::terminate());
        if let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) {
            tokio::select! {
                biased;
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        trigger.ask();
    });
    shutdown
}

/// Structured logs to standard error; `CEDGE_LOG` chooses what (default `info`), `CEDGE_LOG_FORMAT=json` how.
fn start_logging() {
    use tracing_subscriber::EnvFilter;
    // Whoever asked the API tells of its failure, in words of its own.
    let usual = || EnvFilter::new("info,kube_client::client::builder=off,yamux=error");
    let filter = EnvFilter::try_from_env("CEDGE_LOG").unwrap_or_else(|_| usual());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A log on a full disk must not end the thread that has something to say about it.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let json = std::env::var("CEDGE_LOG_FORMAT").is_ok_and(|f| f == "json");
    // Fails only if logging was started before, which nothing does.
    let _ = if json {
        builder.json().try_init()
    } else {
        builder.with_ansi(false).try_init()
    };
}
