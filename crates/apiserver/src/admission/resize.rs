//! A pod is resized where it is: its node must be there, and have that much.

use cedge_kinds::{Quantity, amounts};
use serde_json::Value;

use super::forbidden;
use crate::api::Api;
use crate::call::Call;
use crate::status::Result;

/// # Errors
/// The node is not there, runs something else, or is too small.
pub(super) async fn check(api: &Api, call: &Call, new: &Value, old: &Value) -> Result<()> {
    let name = new["spec"]["nodeName"].as_str().unwrap_or_default();
    if name.is_empty() || new["metadata"]["generation"] == old["metadata"]["generation"] {
        return Ok(());
    }
    let Some(node) = api.read("", "nodes", name).await? else {
        return Err(forbidden(call, new, format!("node {name:?} not found")));
    };
    if let Some(system) = node["metadata"]["labels"]["kubernetes.io/os"]
        .as_str()
        .filter(|system| *system != "linux")
    {
        let why =
            format!("pod resize is only supported on linux nodes, node {name:?} is {system:?}");
        return Err(forbidden(call, new, why));
    }
    let there = amounts::read(&node["status"]["allocatable"]);
    let requested = amounts::of_pod(new, amounts::List::Requests);
    let of = |all: &amounts::Amounts, name: &str| all.get(name).copied().unwrap_or(Quantity::ZERO);
    let mut missing = Vec::new();
    for (resource, shown) in [
        ("cpu", Quantity::millis as fn(&Quantity) -> i64),
        ("memory", Quantity::units),
    ] {
        let (wanted, has) = (of(&requested, resource), of(&there, resource));
        if wanted > has {
            let (wanted, has) = (shown(&wanted), shown(&has));
            missing.push(format!(
                "{resource}, requested: {wanted}, allocatable: {has}"
            ));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!(
        "node didn't have enough allocatable resources: {}",
        missing.join("; ")
    );
    Err(forbidden(call, new, why))
}
