//! Pods and everything that can stand in a pod template.

use serde_json::{Value, json};

use super::Lit::{B, I, Obj, S};
use super::Rule::{Amount, Amounts, Call, Each, Fill, In, Make, Set};
use super::Table;
use crate::read::{Read, child_mut, object_mut, put};

/// A Pod of its own.
pub(super) const POD: Table = &[
    Call(pod_only),
    Make("spec", POD_SPEC),
    Call(host_ports),
    Make("status", POD_STATUS),
];

/// A `PodTemplateSpec`.
pub(super) const TEMPLATE: Table = &[Set("metadata", Obj), Make("spec", POD_SPEC)];

const POD_SPEC: Table = &[
    Call(service_account),
    Fill("dnsPolicy", S("ClusterFirst")),
    Fill("restartPolicy", S("Always")),
    Set("securityContext", Obj),
    Set("terminationGracePeriodSeconds", I(30)),
    Fill("schedulerName", S("default-scheduler")),
    Each("volumes", VOLUME),
    Each("containers", CONTAINER),
    Each("initContainers", CONTAINER),
    Each("ephemeralContainers", CONTAINER),
    Amounts("overhead"),
    Amounts("resources.limits"),
    Amounts("resources.requests"),
];

pub(super) const POD_STATUS: Table = &[
    Call(pod_ips),
    Each("containerStatuses", CONTAINER_STATUS),
    Each("initContainerStatuses", CONTAINER_STATUS),
    Each("ephemeralContainerStatuses", CONTAINER_STATUS),
];

const CONTAINER_STATUS: Table = &[
    Amounts("allocatedResources"),
    Amounts("resources.limits"),
    Amounts("resources.requests"),
];

const CONTAINER: Table = &[
    Set("resources", Obj),
    Amounts("resources.limits"),
    Amounts("resources.requests"),
    Each("ports", &[Fill("protocol", S("TCP"))]),
    Each("env", &[In("valueFrom", ENV_SOURCE)]),
    In("livenessProbe", PROBE),
    In("readinessProbe", PROBE),
    In("startupProbe", PROBE),
    In("lifecycle.postStart.httpGet", HTTP_GET),
    In("lifecycle.preStop.httpGet", HTTP_GET),
    Call(pull_policy),
    Fill("terminationMessagePath", S("/dev/termination-log")),
    Fill("terminationMessagePolicy", S("File")),
];

const ENV_SOURCE: Table = &[
    In("fieldRef", FIELD_REF),
    In("resourceFieldRef", RESOURCE_REF),
    In("fileKeyRef", &[Set("optional", B(false))]),
];

const FIELD_REF: Table = &[Fill("apiVersion", S("v1"))];
const RESOURCE_REF: Table = &[Set("divisor", S("0")), Amount("divisor")];

const PROBE: Table = &[
    Fill("timeoutSeconds", I(1)),
    Fill("periodSeconds", I(10)),
    Fill("successThreshold", I(1)),
    Fill("failureThreshold", I(3)),
    In("httpGet", HTTP_GET),
    In("grpc", &[Set("service", S(""))]),
];

const HTTP_GET: Table = &[Fill("path", S("/")), Fill("scheme", S("HTTP"))];

const VOLUME: Table = &[
    Call(empty_dir),
    In("emptyDir", &[Amount("sizeLimit")]),
    In("hostPath", &[Set("type", S(""))]),
    In("secret", MODE),
    In("configMap", MODE),
    In(
        "downwardAPI",
        &[Set("defaultMode", I(420)), Each("items", DOWNWARD_ITEM)],
    ),
    In(
        "projected",
        &[Set("defaultMode", I(420)), Each("sources", PROJECTION)],
    ),
    In("ephemeral.volumeClaimTemplate", CLAIM_TEMPLATE),
    In("image", &[Call(image_volume)]),
    In("iscsi", ISCSI),
    In("rbd", RBD),
    In("scaleIO", SCALE_IO),
    In("azureDisk", AZURE_DISK),
];

const MODE: Table = &[Set("defaultMode", I(420))];
const DOWNWARD_ITEM: Table = &[
    In("fieldRef", FIELD_REF),
    In("resourceFieldRef", RESOURCE_REF),
];
const PROJECTION: Table = &[
    In("downwardAPI", &[Each("items", DOWNWARD_ITEM)]),
    In("serviceAccountToken", &[Set("expirationSeconds", I(3600))]),
    In("podCertificate", &[Set("maxExpirationSeconds", I(86400))]),
];

/// A `PersistentVolumeClaimTemplate`.
pub(super) const CLAIM_TEMPLATE: Table = &[Set("metadata", Obj), Make("spec", CLAIM_SPEC)];
/// A `PersistentVolumeClaimSpec`.
pub(super) const CLAIM_SPEC: Table = &[
    Set("resources", Obj),
    Amounts("resources.limits"),
    Amounts("resources.requests"),
    Set("volumeMode", S("Filesystem")),
];

pub(super) const ISCSI: Table = &[Fill("iscsiInterface", S("default"))];
pub(super) const RBD: Table = &[
    Fill("pool", S("rbd")),
    Fill("user", S("admin")),
    Fill("keyring", S("/etc/ceph/keyring")),
];
pub(super) const SCALE_IO: Table = &[
    Fill("storageMode", S("ThinProvisioned")),
    Fill("fsType", S("xfs")),
];
pub(super) const AZURE_DISK: Table = &[
    Set("cachingMode", S("ReadWrite")),
    Set("fsType", S("ext4")),
    Set("readOnly", B(false)),
    Set("kind", S("Shared")),
];

/// Defaults that a Pod has and a template has not.
fn pod_only(pod: &mut Value) {
    let spec = child_mut(pod, "spec");
    if spec
        .int("terminationGracePeriodSeconds")
        .is_some_and(|s| s < 0)
    {
        put(spec, "terminationGracePeriodSeconds", Some(1.into()));
    }
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            requests_from_limits(container);
        }
    }
    if !spec.has("enableServiceLinks") {
        put(spec, "enableServiceLinks", Some(true.into()));
    }
}

/// What is limited is requested, unless the user asks for less.
fn requests_from_limits(container: &mut Value) {
    let Some(limits) = container["resources"]
        .get("limits")
        .and_then(Value::as_object)
        .cloned()
    else {
        return;
    };
    let requests = object_mut(child_mut(child_mut(container, "resources"), "requests"));
    for (name, limit) in limits {
        requests.entry(name).or_insert(limit);
    }
}

/// On the host's network a container's ports are the host's.
fn host_ports(pod: &mut Value) {
    let spec = child_mut(pod, "spec");
    if !spec.flag("hostNetwork") {
        return;
    }
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let ports = container.get_mut("ports").and_then(Value::as_array_mut);
            for port in ports.into_iter().flatten() {
                if port.int("hostPort").unwrap_or(0) == 0 {
                    let inner = port.get("containerPort").cloned();
                    put(port, "hostPort", inner);
                }
            }
        }
    }
}

/// `serviceAccount` is the old name of `serviceAccountName`; both say the same.
fn service_account(spec: &mut Value) {
    let name = match spec.text("serviceAccountName") {
        "" => spec.text("serviceAccount"),
        name => name,
    }
    .to_owned();
    let name = (!name.is_empty()).then_some(Value::String(name));
    put(spec, "serviceAccountName", name.clone());
    put(spec, "serviceAccount", name);
}

/// A pod's first address stands in `podIP` and in `podIPs`.
fn pod_ips(status: &mut Value) {
    let ip = status.text("podIP").to_owned();
    let first = status
        .items("podIPs")
        .first()
        .map(|i| i.text("ip").to_owned());
    match first {
        Some(first) if ip.is_empty() => put(status, "podIP", Some(first.into())),
        Some(first) if first == ip => {}
        None if ip.is_empty() => {}
        _ => put(status, "podIPs", Some(json!([{"ip": ip}]))),
    }
}

/// A volume without a source is an empty directory.
fn empty_dir(volume: &mut Value) {
    let has_source = volume
        .as_object()
        .into_iter()
        .flatten()
        .any(|(name, source)| name != "name" && !source.is_null());
    if !has_source {
        put(volume, "emptyDir", Some(json!({})));
    }
}

fn pull_policy(container: &mut Value) {
    if container.text("imagePullPolicy").is_empty() {
        let policy = policy_for(container.text("image"));
        put(container, "imagePullPolicy", Some(policy.into()));
    }
}

fn image_volume(volume: &mut Value) {
    if volume.text("pullPolicy").is_empty() {
        let policy = policy_for(volume.text("reference"));
        put(volume, "pullPolicy", Some(policy.into()));
    }
}

/// What is called `latest`, outright or by saying nothing, is always asked for.
fn policy_for(image: &str) -> &'static str {
    if is_image_name(image) && tag_of(image) == Some("latest") {
        "Always"
    } else {
        "IfNotPresent"
    }
}

fn tag_of(image: &str) -> Option<&str> {
    let (name, digest) = match image.split_once('@') {
        Some((name, _)) => (name, true),
        None => (image, false),
    };
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':') {
        Some((_, tag)) => Some(tag),
        None if digest => None,
        None => Some("latest"),
    }
}

/// Whether a container registry's client would read this as a name; what it would not read has no tag.
fn is_image_name(image: &str) -> bool {
    let name = image.split('@').next().unwrap_or(image);
    let mut parts: Vec<&str> = name.split('/').collect();
    let last = parts.pop().unwrap_or("");
    let path = last.split(':').next().unwrap_or(last);
    let host = parts
        .first()
        .filter(|host| host.contains(['.', ':']) || **host == "localhost");
    let skip = usize::from(host.is_some());
    parts
        .into_iter()
        .skip(skip)
        .chain([path])
        .all(|part| !part.is_empty() && part.bytes().all(is_image_byte))
}

fn is_image_byte(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
}
