//! What `--field-selector` can select on.

use serde_json::Value;

use crate::read::Read;
use crate::registry::Kind;

/// A label that the kind cannot be selected on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedField {
    /// The plain wording.
    #[error("field label not supported: {0}")]
    Plain(String),
    /// The wording of kinds without selectable fields of their own.
    #[error("{0:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")]
    MetadataOnly(String),
    /// The wording of Jobs.
    #[error("field label {0:?} not supported for Job")]
    Job(String),
    /// The wording of ResourceSlices.
    #[error("field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {0}")]
    ResourceSlice(String),
}

/// Where a selectable field's value comes from.
#[derive(Debug, Clone, Copy)]
enum From {
    /// The text (or number, or boolean) at the label's own path.
    Path,
    /// A number that is 0 if absent.
    Count(&'static str),
    /// A boolean that is false if absent.
    Flag(&'static str),
    /// The first of two texts that is not empty.
    Either(&'static str, &'static str),
}

struct Selectable {
    group: &'static str,
    kind: &'static str,
    fields: &'static [(&'static str, From)],
}

/// Kinds with selectable fields beside `metadata.name` and `metadata.namespace`.
const SELECTABLE: &[Selectable] = &[
    Selectable {
        group: "",
        kind: "Pod",
        fields: &[
            ("spec.nodeName", From::Path),
            ("spec.restartPolicy", From::Path),
            ("spec.schedulerName", From::Path),
            ("spec.serviceAccountName", From::Path),
            ("spec.hostNetwork", From::Flag("spec.hostNetwork")),
            ("status.phase", From::Path),
            ("status.podIP", From::Path),
            ("status.podIPs", From::Path),
            ("status.nominatedNodeName", From::Path),
        ],
    },
    Selectable {
        group: "",
        kind: "Node",
        fields: &[("spec.unschedulable", From::Flag("spec.unschedulable"))],
    },
    Selectable {
        group: "",
        kind: "ReplicationController",
        fields: &[("status.replicas", From::Count("status.replicas"))],
    },
    Selectable {
        group: "apps",
        kind: "ReplicaSet",
        fields: &[("status.replicas", From::Count("status.replicas"))],
    },
    Selectable {
        group: "",
        kind: "Event",
        fields: &[
            ("involvedObject.kind", From::Path),
            ("involvedObject.namespace", From::Path),
            ("involvedObject.name", From::Path),
            ("involvedObject.uid", From::Path),
            ("involvedObject.apiVersion", From::Path),
            ("involvedObject.resourceVersion", From::Path),
            ("involvedObject.fieldPath", From::Path),
            ("reason", From::Path),
            ("reportingComponent", From::Path),
            (
                "source",
                From::Either("source.component", "reportingComponent"),
            ),
            ("type", From::Path),
        ],
    },
    Selectable {
        group: "events.k8s.io",
        kind: "Event",
        fields: &[
            ("regarding.kind", From::Path),
            ("regarding.namespace", From::Path),
            ("regarding.name", From::Path),
            ("regarding.uid", From::Path),
            ("regarding.apiVersion", From::Path),
            ("regarding.resourceVersion", From::Path),
            ("regarding.fieldPath", From::Path),
            ("reason", From::Path),
            ("reportingController", From::Path),
            ("type", From::Path),
        ],
    },
    Selectable {
        group: "",
        kind: "Namespace",
        fields: &[("status.phase", From::Path)],
    },
    Selectable {
        group: "",
        kind: "Secret",
        fields: &[("type", From::Path)],
    },
    Selectable {
        group: "",
        kind: "Service",
        fields: &[("spec.clusterIP", From::Path), ("spec.type", From::Path)],
    },
    Selectable {
        group: "batch",
        kind: "Job",
        fields: &[("status.successful", From::Count("status.succeeded"))],
    },
    Selectable {
        group: "certificates.k8s.io",
        kind: "CertificateSigningRequest",
        fields: &[("spec.signerName", From::Path)],
    },
    Selectable {
        group: "certificates.k8s.io",
        kind: "ClusterTrustBundle",
        fields: &[("spec.signerName", From::Path)],
    },
    Selectable {
        group: "certificates.k8s.io",
        kind: "PodCertificateRequest",
        fields: &[
            ("spec.signerName", From::Path),
            ("spec.podName", From::Path),
            ("spec.nodeName", From::Path),
        ],
    },
    Selectable {
        group: "resource.k8s.io",
        kind: "ResourceSlice",
        fields: &[("spec.driver", From::Path), ("spec.nodeName", From::Path)],
    },
];

/// Labels that old clients use, and what they mean now.
const ALIASES: &[(&str, &str, &str)] = &[("Pod", "spec.host", "spec.nodeName")];

/// Kinds that refuse `metadata.namespace`; all others take it, whether they have namespaces or not.
const NO_NAMESPACE: &[&str] = &[
    "Node",
    "Namespace",
    "CertificateSigningRequest",
    "ClusterTrustBundle",
    "PodCertificateRequest",
    "ResourceSlice",
];

fn selectable(kind: &Kind) -> &'static [(&'static str, From)] {
    SELECTABLE
        .iter()
        .find(|s| s.kind == kind.kind && s.group == kind.group)
        .map_or(&[], |s| s.fields)
}

/// Every selectable field of an object with its value.
#[must_use]
pub fn fields(kind: &Kind, object: &Value) -> Vec<(&'static str, String)> {
    let mut all = vec![("metadata.name", object["metadata"].text("name").to_owned())];
    if kind.namespaced {
        let namespace = object["metadata"].text("namespace").to_owned();
        all.push(("metadata.namespace", namespace));
    }
    for (label, from) in selectable(kind) {
        all.push((label, read(object, label, *from)));
    }
    all
}

/// The value of one field; `None` if the kind cannot be selected on it.
#[must_use]
pub fn field(kind: &Kind, object: &Value, label: &str) -> Option<String> {
    match label {
        "metadata.name" | "metadata.namespace" => {
            let name = label.trim_start_matches("metadata.");
            Some(object["metadata"].text(name).to_owned())
        }
        _ => selectable(kind)
            .iter()
            .find(|(name, _)| *name == label)
            .map(|(name, from)| read(object, name, *from)),
    }
}

/// The label under which a selector's field is known.
///
/// # Errors
/// If objects of this kind cannot be selected on it.
pub fn check_field<'a>(kind: &Kind, label: &'a str) -> Result<&'a str, UnsupportedField> {
    if label == "metadata.name" {
        return Ok(label);
    }
    if label == "metadata.namespace" && !NO_NAMESPACE.contains(&kind.kind) {
        return Ok(label);
    }
    if let Some((_, _, now)) = ALIASES
        .iter()
        .find(|(k, old, _)| *k == kind.kind && *old == label)
    {
        return Ok(now);
    }
    let fields = selectable(kind);
    if fields.iter().any(|(name, _)| *name == label) && !kind.is("apps", "ReplicaSet") {
        return Ok(label);
    }
    let label = label.to_owned();
    Err(match (kind.group, kind.kind) {
        ("batch", "Job") => UnsupportedField::Job(label),
        ("resource.k8s.io", "ResourceSlice") => UnsupportedField::ResourceSlice(label),
        ("apps", "ReplicaSet") => UnsupportedField::MetadataOnly(label),
        _ if fields.is_empty() => UnsupportedField::MetadataOnly(label),
        _ => UnsupportedField::Plain(label),
    })
}

fn read(object: &Value, label: &str, from: From) -> String {
    match from {
        From::Path => plain(object.at(label)),
        From::Count(path) => object.at(path).as_i64().unwrap_or(0).to_string(),
        From::Flag(path) => object.at(path).as_bool().unwrap_or(false).to_string(),
        From::Either(a, b) => {
            let first = plain(object.at(a));
            if first.is_empty() {
                plain(object.at(b))
            } else {
                first
            }
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{check_field, field, fields};
    use crate::registry::of;
    use serde_json::json;

    #[test]
    fn a_pod_is_found_by_its_node() {
        let kind = of("", "v1", "Pod").unwrap();
        let pod =
            json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n", "hostNetwork": true}});
        let all = fields(kind, &pod);
        assert!(all.contains(&("spec.nodeName", "n".to_owned())));
        assert!(all.contains(&("spec.hostNetwork", "true".to_owned())));
        assert_eq!(field(kind, &pod, "status.phase").as_deref(), Some(""));
        assert_eq!(check_field(kind, "spec.host"), Ok("spec.nodeName"));
    }

    #[test]
    fn unsupported_labels_are_refused_in_the_kinds_own_words() {
        for (group, name, label, expected) in [
            ("", "Pod", "spec.x", "field label not supported: spec.x"),
            (
                "batch",
                "Job",
                "x",
                "field label \"x\" not supported for Job",
            ),
            (
                "apps",
                "Deployment",
                "x",
                "\"x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
            ),
        ] {
            let kind = of(group, "v1", name).unwrap();
            assert_eq!(check_field(kind, label).unwrap_err().to_string(), expected);
        }
    }
}
