//! What is asked. It stands in `corpus/`: objects, whose kinds say what is done with them, and sequences in files.

use serde_json::json;

use crate::{Sequence, Step};

mod files;
mod objects;

/// Everything.
#[must_use]
pub fn all() -> Vec<Sequence> {
    let mut sequences = objects::all();
    sequences.extend(files::all());
    sequences
}

/// A sequence with a namespace of its own.
fn begin(name: &str) -> Sequence {
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "{ns}" } });
    // Without controllers nobody makes it, and pods are not admitted.
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" },
        "automountServiceAccountToken": false });
    Sequence {
        name: name.to_owned(),
        alone: false,
        steps: vec![
            Step::new("POST", "/api/v1/namespaces").with(namespace),
            Step::new("POST", "/api/v1/namespaces/{ns}/serviceaccounts").with(account),
        ],
    }
}
