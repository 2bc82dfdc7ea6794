//! `cedge version`.

use crate::cli::Output;
use crate::output;

pub(crate) fn run(how: Output) -> anyhow::Result<()> {
    let version = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "kubernetes": cedge_apiserver::GIT_VERSION,
        "api": format!("{}/{}", cedge_api::GROUP, cedge_api::VERSION),
    });
    match how.format {
        Some(format) => output::value(&version, format),
        None => {
            output::line(format!(
                "cedge {} (Kubernetes {})",
                env!("CARGO_PKG_VERSION"),
                cedge_apiserver::GIT_VERSION
            ));
            Ok(())
        }
    }
}
