//! A node that takes its pods from a directory and writes its reports to another: for tests that kill it, and for trying
//! out a pod without a cluster.
//!
//! `cedge-node-lab DATA TABLES`: `TABLES/pods/NS/NAME/UID` and `TABLES/objects/configmaps/NS/NAME` hold JSON; what is reported appears below `TABLES/node`,
//! `TABLES/podstatus` and `TABLES/events`; `TABLES/node.sock` takes the streams of a hub.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = cedge_runtime::shim::intercept() {
        return code;
    }
    let mut args = std::env::args_os().skip(1);
    let (Some(data), Some(tables)) = (args.next(), args.next()) else {
        return ExitCode::from(64);
    };
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        return ExitCode::FAILURE;
    };
    match runtime.block_on(cedge_agent::lab::run(
        PathBuf::from(data),
        PathBuf::from(tables),
    )) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the node cannot run");
            ExitCode::FAILURE
        }
    }
}
