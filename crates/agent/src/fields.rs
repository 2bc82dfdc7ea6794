//! What a pod may be told about itself: the downward API.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cedge_pod_lifecycle::{Place, Resources, container_limits, milli};
use k8s_openapi::api::core::v1::{Container, ObjectFieldSelector, Pod, ResourceFieldSelector};

/// A field of the pod, as text.
pub(crate) fn field(
    selector: &ObjectFieldSelector,
    pod: &Pod,
    place: &Place,
) -> Result<String, String> {
    let path = selector.field_path.as_str();
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    let first = place.addresses.first().cloned().unwrap_or_default();
    if let Some((list, key)) = subscript(path) {
        let map = match list {
            "metadata.labels" => meta.labels.as_ref(),
            "metadata.annotations" => meta.annotations.as_ref(),
            _ => return Err(format!("unsupported fieldPath: {path}")),
        };
        return Ok(map.and_then(|m| m.get(key)).cloned().unwrap_or_default());
    }
    let text = match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "metadata.labels" => meta.labels.as_ref().map(lines),
        "metadata.annotations" => meta.annotations.as_ref().map(lines),
        "spec.nodeName" => spec.and_then(|s| s.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|s| s.service_account_name.clone()),
        "status.hostIP" | "status.podIP" => Some(first),
        "status.hostIPs" | "status.podIPs" => Some(place.addresses.join(",")),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    };
    Ok(text.unwrap_or_default())
}

/// A resource of a container, divided and rounded up; without a limit of its own it has the node's.
pub(crate) fn resource(
    selector: &ResourceFieldSelector,
    pod: &Pod,
    own: Option<&Container>,
    allocatable: &Resources,
) -> Result<String, String> {
    let container = match (&selector.container_name, own) {
        (Some(name), _) => find(pod, name).ok_or_else(|| format!("container {name} not found"))?,
        (None, Some(own)) => own,
        (None, None) => return Err("containerName is required".into()),
    };
    let (kind, name) = selector.resource.split_once('.').unwrap_or_default();
    let limits = container_limits(container);
    let limit = limits.get(name).or(allocatable.get(name)).copied();
    let amount = match kind {
        "limits" => limit.unwrap_or(0),
        "requests" => {
            let all = container
                .resources
                .as_ref()
                .and_then(|r| r.requests.as_ref());
            let asked = all.and_then(|r| r.get(name)).and_then(milli);
            asked.or(limits.get(name).copied()).unwrap_or(0)
        }
        _ => return Err(format!("unsupported resource: {}", selector.resource)),
    };
    let divisor = selector
        .divisor
        .as_ref()
        .and_then(milli)
        .filter(|d| *d > 0)
        .unwrap_or(1000);
    Ok((amount / divisor + i64::from(amount % divisor != 0)).to_string())
}

fn find<'a>(pod: &'a Pod, name: &str) -> Option<&'a Container> {
    let spec = pod.spec.as_ref()?;
    let inits = spec.init_containers.iter().flatten();
    inits.chain(&spec.containers).find(|c| c.name == name)
}

/// `metadata.labels['app']` → (`metadata.labels`, `app`).
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (list, rest) = path.split_once("['")?;
    Some((list, rest.strip_suffix("']")?))
}

fn lines(map: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (key, value) in map {
        let _ = writeln!(text, "{key}={value:?}");
    }
    text.pop();
    text
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

    use super::*;

    fn pod() -> Pod {
        serde_json::from_str(
            r#"{"metadata":{"name":"web","namespace":"default","labels":{"app":"a\"b","tier":"x"}},
            "spec":{"nodeName":"n1","containers":[{"name":"c","resources":{"limits":{"memory":"64Mi"},"requests":{"cpu":"250m"}}}]}}"#,
        )
        .unwrap()
    }

    #[test]
    fn fields_are_found() {
        let place = Place {
            addresses: vec!["10.0.0.1".into(), "fd00::1".into()],
        };
        for (path, text) in [
            ("metadata.name", "web"),
            ("metadata.labels['tier']", "x"),
            ("metadata.annotations['no']", ""),
            ("metadata.labels", "app=\"a\\\"b\"\ntier=\"x\""),
            ("spec.nodeName", "n1"),
            ("status.podIP", "10.0.0.1"),
            ("status.podIPs", "10.0.0.1,fd00::1"),
        ] {
            let selector = ObjectFieldSelector {
                field_path: path.into(),
                ..ObjectFieldSelector::default()
            };
            assert_eq!(
                field(&selector, &pod(), &place).as_deref(),
                Ok(text),
                "{path}"
            );
        }
    }

    #[test]
    fn resources_are_divided_and_rounded_up() {
        let allocatable = Resources::from([("cpu".into(), 2000), ("memory".into(), 1)]);
        let pod = pod();
        for (resource_name, divisor, text) in [
            ("limits.memory", "1Mi", "64"),
            ("limits.memory", "0", "67108864"),
            ("requests.cpu", "1m", "250"),
            ("requests.cpu", "1", "1"),
            ("limits.cpu", "1", "2"),
        ] {
            let selector = ResourceFieldSelector {
                resource: resource_name.into(),
                container_name: Some("c".into()),
                divisor: Some(Quantity(divisor.into())),
            };
            let got = resource(&selector, &pod, None, &allocatable);
            assert_eq!(got.as_deref(), Ok(text), "{resource_name}/{divisor}");
        }
    }
}
