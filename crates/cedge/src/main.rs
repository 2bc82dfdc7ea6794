//! `cedge`: Centaurus Edge in one binary. Start reading at [`server`] for what a site runs, at [`demo`] for a whole tree.

mod agent;
mod attach;
mod cli;
mod commands;
mod config;
mod connect;
mod demo;
mod output;
mod paths;
mod server;

use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Gives memory back within seconds and keeps few arenas: a site's server is idle most of its life (read by jemalloc at
/// start). The thread that does so is started later: a container's shim may have no threads.
#[unsafe(export_name = "_rjem_malloc_conf")]
#[expect(
    unsafe_code,
    reason = "the one way to set jemalloc's options inside the binary"
)]
static MALLOC_CONF: &[u8; 47] = b"narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0\0";

fn main() -> ExitCode {
    // A container's shim is this binary under another name of its first argument: before anything is allocated or
    // started that it does not need.
    if let Some(code) = cedge_runtime::shim::intercept() {
        return code;
    }
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        output::note(format!("memory is given back late: {error}"));
    }
    let cli = cli::Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: cli::Cli) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let code = runtime.block_on(Box::pin(commands::dispatch(cli)));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    code
}
