//! The core group, beside pods.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Lit::{I, Obj, S};
use super::Rule::{Amounts, Call, Each, Fill, In, Make, Set};
use super::{Table, pods};
use crate::read::{Read, child_mut, object_mut, put};

/// Group, version, kind and table.
pub(super) const TABLES: &[(&str, &str, &str, Table)] = &[
    ("", "v1", "Pod", pods::POD),
    ("", "v1", "PodTemplate", &[Make("template", pods::TEMPLATE)]),
    ("", "v1", "Service", SERVICE),
    ("", "v1", "Namespace", NAMESPACE),
    ("", "v1", "Node", NODE),
    (
        "",
        "v1",
        "Secret",
        &[Fill("type", S("Opaque")), Call(string_data)],
    ),
    ("", "v1", "Endpoints", ENDPOINTS),
    ("", "v1", "PersistentVolume", VOLUME),
    ("", "v1", "PersistentVolumeClaim", CLAIM),
    ("", "v1", "ReplicationController", REPLICATION_CONTROLLER),
    ("", "v1", "LimitRange", LIMIT_RANGE),
    ("", "v1", "ResourceQuota", QUOTA),
    ("", "v1", "Event", EVENT),
    ("events.k8s.io", "v1", "Event", NEW_EVENT),
];

const SERVICE: Table = &[
    Make("spec", SERVICE_SPEC),
    Make("status", &[Set("loadBalancer", Obj)]),
    Call(ip_modes),
];
const SERVICE_SPEC: Table = &[
    Fill("sessionAffinity", S("None")),
    Call(affinity_config),
    Fill("type", S("ClusterIP")),
    Each("ports", &[Fill("protocol", S("TCP")), Call(target_port)]),
    Call(traffic_policies),
];

const NAMESPACE: Table = &[
    Call(name_label),
    Set("spec", Obj),
    Make("status", &[Fill("phase", S("Active"))]),
];

/// Texts written by hand become data.
fn string_data(secret: &mut Value) {
    let Some(Value::Object(texts)) = secret.as_object_mut().and_then(|s| s.remove("stringData"))
    else {
        return;
    };
    let data = object_mut(child_mut(secret, "data"));
    for (key, text) in texts {
        if let Value::String(text) = text {
            data.insert(key, STANDARD.encode(text).into());
        }
    }
}

/// The one address range of a node's pods and the list of them say the same; the one decides.
fn pod_ranges(spec: &mut Value) {
    let one = spec.text("podCIDR").to_owned();
    let first = spec.items("podCIDRs").first().and_then(Value::as_str);
    match first.map(str::to_owned) {
        Some(first) if one.is_empty() => put(spec, "podCIDR", Some(first.into())),
        first if one.is_empty() || first.as_ref() == Some(&one) => {}
        _ => put(spec, "podCIDRs", Some(json!([one]))),
    }
}

const NODE: Table = &[
    Make("spec", &[Call(pod_ranges)]),
    Make(
        "status",
        &[
            Call(allocatable),
            Amounts("capacity"),
            Amounts("allocatable"),
            Set("daemonEndpoints", Obj),
            Set("daemonEndpoints.kubeletEndpoint", Obj),
            Fill("daemonEndpoints.kubeletEndpoint.Port", I(0)),
            Make("nodeInfo", NODE_INFO),
        ],
    ),
];
const NODE_INFO: Table = &[
    Set("architecture", S("")),
    Set("bootID", S("")),
    Set("containerRuntimeVersion", S("")),
    Set("kernelVersion", S("")),
    Set("kubeProxyVersion", S("")),
    Set("kubeletVersion", S("")),
    Set("machineID", S("")),
    Set("operatingSystem", S("")),
    Set("osImage", S("")),
    Set("systemUUID", S("")),
];

const ENDPOINTS: Table = &[Each(
    "subsets",
    &[Each("ports", &[Fill("protocol", S("TCP"))])],
)];

const VOLUME: Table = &[
    Make("status", &[Fill("phase", S("Pending"))]),
    Make(
        "spec",
        &[
            Fill("persistentVolumeReclaimPolicy", S("Retain")),
            Set("volumeMode", S("Filesystem")),
            Amounts("capacity"),
            In("hostPath", &[Set("type", S(""))]),
            In("iscsi", pods::ISCSI),
            In("rbd", pods::RBD),
            In(
                "scaleIO",
                &[
                    Fill("storageMode", S("ThinProvisioned")),
                    Fill("fsType", S("xfs")),
                ],
            ),
            In("azureDisk", pods::AZURE_DISK),
        ],
    ),
];

const CLAIM: Table = &[
    Make(
        "status",
        &[
            Fill("phase", S("Pending")),
            Amounts("capacity"),
            Amounts("allocatedResources"),
        ],
    ),
    Make("spec", pods::CLAIM_SPEC),
];

const REPLICATION_CONTROLLER: Table = &[
    Call(selector_from_template),
    Make(
        "spec",
        &[Set("replicas", I(1)), In("template", pods::TEMPLATE)],
    ),
    Make("status", &[Set("replicas", I(0))]),
];

const LIMIT_RANGE: Table = &[Each(
    "spec.limits",
    &[
        Call(container_limits),
        Amounts("max"),
        Amounts("min"),
        Amounts("default"),
        Amounts("defaultRequest"),
        Amounts("maxLimitRequestRatio"),
    ],
)];

const QUOTA: Table = &[
    Set("spec", Obj),
    Amounts("spec.hard"),
    Set("status", Obj),
    Amounts("status.hard"),
    Amounts("status.used"),
];

const EVENT: Table = &[
    Set("source", Obj),
    Set("involvedObject", Obj),
    Call(|event| nulls(event, &["firstTimestamp", "lastTimestamp", "eventTime"])),
    Set("reportingComponent", S("")),
    Set("reportingInstance", S("")),
];
const NEW_EVENT: Table = &[
    Set("regarding", Obj),
    Set("deprecatedSource", Obj),
    Call(|event| {
        nulls(
            event,
            &[
                "deprecatedFirstTimestamp",
                "deprecatedLastTimestamp",
                "eventTime",
            ],
        );
    }),
];

/// Times that Go writes as null.
fn nulls(value: &mut Value, names: &[&str]) {
    for name in names {
        object_mut(value).entry(*name).or_insert(Value::Null);
    }
}

fn affinity_config(spec: &mut Value) {
    match spec.text("sessionAffinity") {
        "None" => put(spec, "sessionAffinityConfig", None),
        "ClientIP"
            if spec
                .at("sessionAffinityConfig.clientIP.timeoutSeconds")
                .is_null() =>
        {
            let config = json!({"clientIP": {"timeoutSeconds": 10800}});
            put(spec, "sessionAffinityConfig", Some(config));
        }
        _ => {}
    }
}

fn target_port(port: &mut Value) {
    let target = port.field("targetPort");
    if target.is_null() || *target == 0 || *target == "" {
        let own = port.get("port").cloned();
        put(port, "targetPort", own);
    }
}

fn traffic_policies(spec: &mut Value) {
    let kind = spec.text("type").to_owned();
    let external = matches!(kind.as_str(), "NodePort" | "LoadBalancer")
        || (kind == "ClusterIP" && !spec.items("externalIPs").is_empty());
    if external && spec.text("externalTrafficPolicy").is_empty() {
        put(spec, "externalTrafficPolicy", Some("Cluster".into()));
    }
    let internal = matches!(kind.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP");
    if internal && !spec.has("internalTrafficPolicy") {
        put(spec, "internalTrafficPolicy", Some("Cluster".into()));
    }
    if kind == "LoadBalancer" && !spec.has("allocateLoadBalancerNodePorts") {
        put(spec, "allocateLoadBalancerNodePorts", Some(true.into()));
    }
}

fn ip_modes(service: &mut Value) {
    if service["spec"].text("type") != "LoadBalancer" {
        return;
    }
    let ingress = super::find_mut(service, "status.loadBalancer.ingress");
    for entry in ingress.and_then(Value::as_array_mut).into_iter().flatten() {
        if !entry.text("ip").is_empty() && !entry.has("ipMode") {
            put(entry, "ipMode", Some("VIP".into()));
        }
    }
}

fn name_label(namespace: &mut Value) {
    let name = namespace["metadata"].text("name").to_owned();
    if !name.is_empty() {
        let labels = child_mut(child_mut(namespace, "metadata"), "labels");
        put(labels, "kubernetes.io/metadata.name", Some(name.into()));
    }
}

fn allocatable(status: &mut Value) {
    if !status.has("allocatable") && status.has("capacity") {
        let capacity = status.get("capacity").cloned();
        put(status, "allocatable", capacity);
    }
}

fn selector_from_template(controller: &mut Value) {
    let labels = controller.at("spec.template.metadata.labels").clone();
    if !labels.is_object() {
        return;
    }
    if super::is_zero(controller.at("spec.selector")) {
        put(
            child_mut(controller, "spec"),
            "selector",
            Some(labels.clone()),
        );
    }
    if super::is_zero(controller.at("metadata.labels")) {
        put(child_mut(controller, "metadata"), "labels", Some(labels));
    }
}

/// For containers, what is the maximum is the default, and the default (or the minimum) is the default request.
fn container_limits(item: &mut Value) {
    if item.text("type") != "Container" {
        return;
    }
    for (from, to) in [
        ("max", "default"),
        ("default", "defaultRequest"),
        ("min", "defaultRequest"),
    ] {
        let source: Map<String, Value> = item.field(from).as_object().cloned().unwrap_or_default();
        if source.is_empty() {
            continue;
        }
        let target = object_mut(child_mut(item, to));
        for (name, amount) in source {
            target.entry(name).or_insert(amount);
        }
    }
}
