//! A new node is tainted until the node lifecycle controller finds it ready: nothing is scheduled to it before.

use serde_json::{Value, json};

use crate::meta;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const EFFECT: &str = "NoSchedule";

pub(super) fn on_create(node: &mut Value) {
    let spec = meta::fields(node, "spec");
    let taints = super::list(spec, "taints");
    let has = |t: &Value| t["key"] == NOT_READY && t["effect"] == EFFECT;
    if !taints.iter().any(has) {
        taints.push(json!({"key": NOT_READY, "effect": EFFECT}));
    }
}
