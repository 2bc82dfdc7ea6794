//! The other groups: access, network, storage, admission and the API's own machinery.

use serde_json::{Value, json};

use super::Lit::{B, I, L, Obj, S};
use super::Rule::{Amount, Amounts, Call, Each, Fill, In, Make, Set};
use super::{Table, pods};
use crate::read::{Read, child_mut, put};

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";
const NET: &str = "networking.k8s.io";
const STORAGE: &str = "storage.k8s.io";
const RESOURCE: &str = "resource.k8s.io";

/// Group, version, kind and table.
pub(super) const TABLES: &[(&str, &str, &str, Table)] = &[
    (RBAC, "v1", "RoleBinding", BINDING),
    (RBAC, "v1", "ClusterRoleBinding", BINDING),
    (RBAC, "v1", "Role", RULES),
    (RBAC, "v1", "ClusterRole", RULES),
    (NET, "v1", "NetworkPolicy", NETWORK_POLICY),
    (NET, "v1", "Ingress", INGRESS),
    (
        NET,
        "v1",
        "IngressClass",
        &[In("spec.parameters", &[Set("scope", S("Cluster"))])],
    ),
    (STORAGE, "v1", "StorageClass", STORAGE_CLASS),
    (STORAGE, "v1", "CSIDriver", CSI_DRIVER),
    (STORAGE, "v1", "CSIStorageCapacity", CAPACITY),
    (STORAGE, "v1", "VolumeAttachment", ATTACHMENT),
    ("scheduling.k8s.io", "v1", "PriorityClass", PRIORITY_CLASS),
    (
        "node.k8s.io",
        "v1",
        "RuntimeClass",
        &[Amounts("overhead.podFixed")],
    ),
    ("discovery.k8s.io", "v1", "EndpointSlice", ENDPOINT_SLICE),
    ("coordination.k8s.io", "v1", "Lease", &[Set("spec", Obj)]),
    ("policy", "v1", "PodDisruptionBudget", DISRUPTION_BUDGET),
    (
        "certificates.k8s.io",
        "v1",
        "PodCertificateRequest",
        POD_CERTIFICATE,
    ),
    (
        "certificates.k8s.io",
        "v1",
        "CertificateSigningRequest",
        &[Set("status", Obj)],
    ),
    (
        ADMISSION,
        "v1",
        "ValidatingWebhookConfiguration",
        &[Each("webhooks", WEBHOOK)],
    ),
    (
        ADMISSION,
        "v1",
        "MutatingWebhookConfiguration",
        &[Each("webhooks", MUTATING_WEBHOOK)],
    ),
    (
        ADMISSION,
        "v1",
        "ValidatingAdmissionPolicy",
        ADMISSION_POLICY_STATUS,
    ),
    (
        ADMISSION,
        "v1",
        "ValidatingAdmissionPolicyBinding",
        POLICY_BINDING,
    ),
    (ADMISSION, "v1", "MutatingAdmissionPolicy", ADMISSION_POLICY),
    (
        ADMISSION,
        "v1",
        "MutatingAdmissionPolicyBinding",
        POLICY_BINDING,
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        DEFINITION,
    ),
    ("apiregistration.k8s.io", "v1", "APIService", API_SERVICE),
    (FLOW, "v1", "FlowSchema", FLOW_SCHEMA),
    (FLOW, "v1", "PriorityLevelConfiguration", PRIORITY_LEVEL),
    (
        RESOURCE,
        "v1",
        "ResourceClaim",
        &[In("spec.devices", DEVICES), Set("status", Obj)],
    ),
    (
        RESOURCE,
        "v1",
        "ResourceClaimTemplate",
        &[In("spec.spec.devices", DEVICES)],
    ),
    ("authentication.k8s.io", "v1", "TokenRequest", TOKEN_REQUEST),
];

const BINDING: Table = &[
    Fill("roleRef.apiGroup", S(RBAC)),
    Each("subjects", &[Call(subject_group)]),
];
const RULES: Table = &[Call(|role| null_unless_there(role, "rules"))];

const NETWORK_POLICY: Table = &[Make(
    "spec",
    &[
        Set("podSelector", Obj),
        Call(policy_types),
        Each("ingress", &[Each("ports", POLICY_PORT)]),
        Each("egress", &[Each("ports", POLICY_PORT)]),
    ],
)];
const POLICY_PORT: Table = &[Set("protocol", S("TCP"))];

const INGRESS: Table = &[
    Set("spec", Obj),
    Make("status", &[Set("loadBalancer", Obj)]),
];

const STORAGE_CLASS: Table = &[
    Set("reclaimPolicy", S("Delete")),
    Set("volumeBindingMode", S("Immediate")),
];
const CSI_DRIVER: Table = &[Make(
    "spec",
    &[
        Set("attachRequired", B(true)),
        Set("podInfoOnMount", B(false)),
        Set("storageCapacity", B(false)),
        Set("fsGroupPolicy", S("ReadWriteOnceWithFSType")),
        Fill("volumeLifecycleModes", L(&["Persistent"])),
        Set("requiresRepublish", B(false)),
        Set("seLinuxMount", B(false)),
        Set("preventPodSchedulingIfMissing", B(false)),
    ],
)];
const CAPACITY: Table = &[Amount("capacity"), Amount("maximumVolumeSize")];
const ATTACHMENT: Table = &[
    In(
        "spec.source.inlineVolumeSpec",
        &[In("iscsi", pods::ISCSI), In("rbd", pods::RBD)],
    ),
    Make("status", &[Set("attached", B(false))]),
];

const PRIORITY_CLASS: Table = &[
    Set("value", I(0)),
    Set("preemptionPolicy", S("PreemptLowerPriority")),
];
const ENDPOINT_SLICE: Table = &[
    Call(|slice| null_unless_there(slice, "endpoints")),
    Call(|slice| null_unless_there(slice, "ports")),
    Each("endpoints", &[Set("conditions", Obj)]),
    Each("ports", &[Set("name", S("")), Set("protocol", S("TCP"))]),
];
const DISRUPTION_BUDGET: Table = &[
    Set("spec", Obj),
    Make(
        "status",
        &[
            Set("disruptionsAllowed", I(0)),
            Set("currentHealthy", I(0)),
            Set("desiredHealthy", I(0)),
            Set("expectedPods", I(0)),
        ],
    ),
];
const POD_CERTIFICATE: Table = &[
    Set("spec.maxExpirationSeconds", I(86400)),
    Set("status", Obj),
];

const WEBHOOK: Table = &[
    Set("failurePolicy", S("Fail")),
    Set("matchPolicy", S("Equivalent")),
    Set("namespaceSelector", Obj),
    Set("objectSelector", Obj),
    Set("timeoutSeconds", I(10)),
    Make("clientConfig", &[In("service", SERVICE_REF)]),
    Each("rules", SCOPED_RULE),
];
const MUTATING_WEBHOOK: Table = &[
    Set("failurePolicy", S("Fail")),
    Set("matchPolicy", S("Equivalent")),
    Set("namespaceSelector", Obj),
    Set("objectSelector", Obj),
    Set("timeoutSeconds", I(10)),
    Set("reinvocationPolicy", S("Never")),
    Make("clientConfig", &[In("service", SERVICE_REF)]),
    Each("rules", SCOPED_RULE),
];
const SERVICE_REF: Table = &[Set("port", I(443))];
const SCOPED_RULE: Table = &[Set("scope", S("*"))];
const MATCH_RESOURCES: Table = &[
    Set("matchPolicy", S("Equivalent")),
    Set("namespaceSelector", Obj),
    Set("objectSelector", Obj),
    Each("resourceRules", SCOPED_RULE),
    Each("excludeResourceRules", SCOPED_RULE),
];
const ADMISSION_POLICY: Table = &[Make(
    "spec",
    &[
        Set("failurePolicy", S("Fail")),
        In("matchConstraints", MATCH_RESOURCES),
    ],
)];
const ADMISSION_POLICY_STATUS: Table = &[
    Make(
        "spec",
        &[
            Set("failurePolicy", S("Fail")),
            In("matchConstraints", MATCH_RESOURCES),
        ],
    ),
    Set("status", Obj),
];
const POLICY_BINDING: Table = &[Make("spec", &[In("matchResources", MATCH_RESOURCES)])];

const DEFINITION: Table = &[
    Make(
        "spec",
        &[
            Call(definition_names),
            Call(conversion),
            In("conversion.webhook.clientConfig.service", SERVICE_REF),
        ],
    ),
    Make("status", &[Call(definition_status)]),
    Call(stored_version),
];
const API_SERVICE: Table = &[
    Make("spec", &[In("service", SERVICE_REF)]),
    Set("status", Obj),
];

const FLOW_SCHEMA: Table = &[
    Make("spec", &[Fill("matchingPrecedence", I(1000))]),
    Set("status", Obj),
];
const PRIORITY_LEVEL: Table = &[
    Make(
        "spec",
        &[
            In(
                "exempt",
                &[
                    Set("nominalConcurrencyShares", I(0)),
                    Set("lendablePercent", I(0)),
                ],
            ),
            In(
                "limited",
                &[
                    Set("nominalConcurrencyShares", I(30)),
                    Set("lendablePercent", I(0)),
                    In(
                        "limitResponse.queuing",
                        &[
                            Fill("handSize", I(8)),
                            Fill("queues", I(64)),
                            Fill("queueLengthLimit", I(50)),
                        ],
                    ),
                ],
            ),
        ],
    ),
    Set("status", Obj),
];

const DEVICES: Table = &[Each(
    "requests",
    &[
        In("exactly", DEVICE_REQUEST),
        Each("firstAvailable", DEVICE_REQUEST),
    ],
)];
const DEVICE_REQUEST: Table = &[
    Call(device_count),
    Each("tolerations", &[Fill("operator", S("Equal"))]),
];

const TOKEN_REQUEST: Table = &[Set("spec.expirationSeconds", I(3600))];

fn subject_group(subject: &mut Value) {
    if subject.text("apiGroup").is_empty() && matches!(subject.text("kind"), "User" | "Group") {
        put(subject, "apiGroup", Some(RBAC.into()));
    }
}

fn null_unless_there(value: &mut Value, name: &str) {
    if !value.has(name) {
        put(value, name, Some(Value::Null));
    }
}

fn policy_types(spec: &mut Value) {
    if spec.items("policyTypes").is_empty() {
        let mut types = vec!["Ingress"];
        if !spec.items("egress").is_empty() {
            types.push("Egress");
        }
        put(spec, "policyTypes", Some(types.into()));
    }
}

fn definition_names(spec: &mut Value) {
    let names = child_mut(spec, "names");
    let kind = names.text("kind").to_owned();
    if names.text("singular").is_empty() && !kind.is_empty() {
        put(names, "singular", Some(kind.to_lowercase().into()));
    }
    if names.text("listKind").is_empty() && !kind.is_empty() {
        put(names, "listKind", Some(format!("{kind}List").into()));
    }
}

fn conversion(spec: &mut Value) {
    if !spec.has("conversion") {
        put(spec, "conversion", Some(json!({"strategy": "None"})));
    }
}

fn definition_status(status: &mut Value) {
    for name in ["conditions", "storedVersions"] {
        null_unless_there(status, name);
    }
    let names = child_mut(status, "acceptedNames");
    for name in ["plural", "kind"] {
        if !names.has(name) {
            put(names, name, Some("".into()));
        }
    }
}

fn stored_version(definition: &mut Value) {
    if !definition["status"].items("storedVersions").is_empty() {
        return;
    }
    let storage = definition["spec"]
        .items("versions")
        .iter()
        .find(|version| version.flag("storage"))
        .map(|version| version.field("name").clone());
    if let Some(name) = storage {
        put(
            child_mut(definition, "status"),
            "storedVersions",
            Some(json!([name])),
        );
    }
}

fn device_count(request: &mut Value) {
    if request.text("allocationMode").is_empty() {
        put(request, "allocationMode", Some("ExactCount".into()));
    }
    if request.text("allocationMode") == "ExactCount" && request.int("count").unwrap_or(0) == 0 {
        put(request, "count", Some(1.into()));
    }
}
