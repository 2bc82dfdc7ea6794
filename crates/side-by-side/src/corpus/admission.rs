//! Admission policies, webhooks that nobody answers, priority and fairness, and APIServices without a service behind them.

use serde_json::{Value, json};

use crate::{Sequence, Step};

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const FLOW: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";
const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";

/// Everything about admission. `begin` makes a sequence with its namespace.
#[must_use]
pub fn all(begin: impl Fn(&str) -> Sequence) -> Vec<Sequence> {
    let mut sequences = Vec::new();
    let mut add = |name: &str, steps: Vec<Step>| {
        let mut sequence = begin(&format!("admission-{name}"));
        sequence.steps.extend(steps);
        sequences.push(sequence);
    };
    add("denied", denied());
    add("params", params());
    add("refused", refused());
    add("mutated", mutated());
    add("webhooks", webhooks());
    add("flow", flow());
    add("services", services());
    sequences
}

fn maps() -> &'static str {
    "/api/v1/namespaces/{ns}/configmaps"
}

fn map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// What only objects in the sequence's own namespace meet.
fn here(operations: &[&str]) -> Value {
    json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "{ns}"}},
        "resourceRules": [{"operations": operations, "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
    })
}

fn policy(kind: &str, name: &str, spec: &Value) -> Step {
    let plural = match kind {
        "ValidatingAdmissionPolicy" => "validatingadmissionpolicies",
        _ => "mutatingadmissionpolicies",
    };
    let object = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
        "metadata": {"name": format!("{name}.{{ns}}")}, "spec": spec});
    Step::new("POST", format!("{GROUP}/{plural}")).with(object)
}

fn binding(kind: &str, name: &str, spec: &Value) -> Step {
    let plural = match kind {
        "ValidatingAdmissionPolicy" => "validatingadmissionpolicybindings",
        _ => "mutatingadmissionpolicybindings",
    };
    let mut spec = spec.clone();
    spec["policyName"] = json!(format!("{name}.{{ns}}"));
    let object = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}Binding"),
        "metadata": {"name": format!("{name}.{{ns}}")}, "spec": spec});
    Step::new("POST", format!("{GROUP}/{plural}")).with(object)
}

/// The real server takes a moment to see a new policy: requests that change nothing, until it has.
fn wait(steps: &mut Vec<Step>) {
    for _ in 0..40 {
        steps.push(Step::new("GET", "/version"));
    }
}

fn create(name: &str, data: &Value) -> Step {
    Step::new("POST", maps()).with(map(name, data))
}

fn denied() -> Vec<Step> {
    const KIND: &str = "ValidatingAdmissionPolicy";
    let spec = json!({
        "matchConstraints": here(&["CREATE", "UPDATE", "DELETE"]),
        "variables": [{"name": "size", "expression": "object == null || !has(object.data) ? 0 : object.data.size()"}],
        "validations": [
            {"expression": "variables.size <= 2", "messageExpression": "'at most 2, not ' + string(variables.size)"},
            {"expression": "request.operation == 'DELETE' || !object.metadata.name.startsWith('bad')",
                "message": "bad name", "reason": "Forbidden"},
            {"expression": "request.operation == 'DELETE' || !has(object.data) || !('e' in object.data) || object.data.e.missing"},
            {"expression": "request.operation != 'DELETE' || oldObject.metadata.name != 'kept'"},
        ],
    });
    let mut steps = vec![
        policy(KIND, "denied", &spec),
        binding(KIND, "denied", &json!({"validationActions": ["Deny"]})),
    ];
    wait(&mut steps);
    steps.extend([
        create("one", &json!({"a": "1"})),
        create("many", &json!({"a": "1", "b": "2", "c": "3"})),
        create("bad", &json!({})),
        create("error", &json!({"e": "x"})),
        create("kept", &json!({})),
        Step::new("DELETE", format!("{}/kept", maps())),
        Step::new("DELETE", format!("{}/one", maps())),
        Step::new("PATCH", format!("{}/kept", maps()))
            .of("application/merge-patch+json")
            .with(json!({"data": {"a": "1", "b": "2", "c": "3"}})),
    ]);
    steps
}

fn params() -> Vec<Step> {
    const KIND: &str = "ValidatingAdmissionPolicy";
    let spec = json!({
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": here(&["CREATE"]),
        "matchConditions": [{"name": "not-params", "expression": "object.metadata.name != 'params'"}],
        "validations": [{"expression": "object.data.n == params.data.n", "message": "another n"}],
    });
    let reference =
        json!({"name": "params", "namespace": "{ns}", "parameterNotFoundAction": "Deny"});
    let mut steps = vec![
        policy(KIND, "params", &spec),
        binding(
            KIND,
            "params",
            &json!({"validationActions": ["Warn"], "paramRef": reference}),
        ),
    ];
    wait(&mut steps);
    steps.extend([
        create("before", &json!({"n": "1"})),
        create("same", &json!({"n": "1"})),
    ]);
    steps
}

fn refused() -> Vec<Step> {
    const KIND: &str = "ValidatingAdmissionPolicy";
    let constraints = here(&["CREATE"]);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut spec =
            json!({"matchConstraints": constraints, "validations": [{"expression": "true"}]});
        change(&mut spec);
        policy(KIND, "refused", &spec)
    };
    let actions = |actions: Value| binding(KIND, "refused", &json!({"validationActions": actions}));
    vec![
        with(&|s| s["validations"] = json!([])),
        with(&|s| s["validations"] = json!([{"expression": "object.a == nothing"}])),
        with(&|s| s["validations"] = json!([{"expression": "'a'"}])),
        with(&|s| s["validations"] = json!([{"expression": "true", "reason": "NotFound"}])),
        with(&|s| s["validations"] = json!([{"expression": "true", "message": "a\nb"}])),
        with(&|s| s["failurePolicy"] = json!("Maybe")),
        with(&|s| s["matchConstraints"] = Value::Null),
        with(&|s| s["matchConstraints"]["resourceRules"][0]["operations"] = json!(["*", "CREATE"])),
        with(&|s| s["variables"] = json!([{"name": "1a", "expression": "1"}])),
        with(&|s| {
            s["matchConditions"] =
                json!([{"name": "a", "expression": "true"}, {"name": "a", "expression": "true"}])
        }),
        with(&|s| s["auditAnnotations"] = json!([{"key": "a", "valueExpression": "1"}])),
        with(&|s| s["paramKind"] = json!({"apiVersion": "a/b/c", "kind": ""})),
        actions(json!([])),
        actions(json!(["Deny", "Warn"])),
        actions(json!(["Deny", "Deny", "Shout"])),
    ]
}

fn mutated() -> Vec<Step> {
    const KIND: &str = "MutatingAdmissionPolicy";
    let spec = json!({
        "matchConstraints": here(&["CREATE"]), "reinvocationPolicy": "Never", "failurePolicy": "Fail",
        "mutations": [
            {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
                "Object{metadata: Object.metadata{labels: {'made': 'yes'}}}"}},
            {"patchType": "JSONPatch", "jsonPatch": {"expression":
                "[JSONPatch{op: 'add', path: '/data/' + jsonpatch.escapeKey('x'), value: object.metadata.labels['made']}]"}},
        ],
    });
    let mut steps = vec![
        policy(KIND, "mutated", &spec),
        binding(KIND, "mutated", &json!({})),
    ];
    wait(&mut steps);
    steps.push(create("one", &json!({"a": "1"})));
    steps.push(create("none", &Value::Null));
    steps
}

fn webhooks() -> Vec<Step> {
    const PATH: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let hook = |change: Value| {
        let mut hook = json!({
            "name": "nobody.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": "https://127.0.0.1:1/nobody"},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "{ns}"}},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
        });
        for (key, value) in change.as_object().into_iter().flatten() {
            hook[key] = value.clone();
        }
        let object = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "hooks-{ns}"}, "webhooks": [hook]});
        Step::new("POST", PATH).with(object)
    };
    let mut steps = vec![
        hook(json!({"clientConfig": {"url": "http://127.0.0.1:1/?a=b"}})),
        hook(
            json!({"clientConfig": {"service": {"name": "", "namespace": "", "port": 70_000, "path": "x//y"}}}),
        ),
        hook(json!({"admissionReviewVersions": ["v1", "v1", "X"]})),
        hook(json!({"matchConditions": [{"name": "a/b/c", "expression": "1 +"}]})),
        hook(
            json!({"rules": [{"operations": [], "apiGroups": ["*", "a"], "apiVersions": [], "resources": ["*/*", "pods"]}]}),
        ),
        hook(
            json!({"matchConditions": [{"name": "asked", "expression": "object.metadata.name != 'passed'"}]}),
        ),
    ];
    wait(&mut steps);
    steps.push(create("passed", &json!({})));
    steps.push(create("failed", &json!({})));
    let ignore = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]);
    let patch = Step::new("PATCH", format!("{PATH}/hooks-{{ns}}"));
    steps.push(patch.of("application/json-patch+json").with(ignore));
    wait(&mut steps);
    steps.push(create("ignored", &json!({})));
    steps
}

fn flow() -> Vec<Step> {
    let mut steps = Vec::new();
    for name in ["exempt", "catch-all", "workload-low"] {
        steps.push(Step::new(
            "GET",
            format!("{FLOW}/prioritylevelconfigurations/{name}"),
        ));
    }
    for name in ["exempt", "probes", "system-nodes", "service-accounts"] {
        steps.push(Step::new("GET", format!("{FLOW}/flowschemas/{name}")));
    }
    steps
}

fn services() -> Vec<Step> {
    let service = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1.{ns}.example.com"}, "spec": {"group": "{ns}.example.com", "version": "v1",
        "groupPriorityMinimum": 100, "versionPriority": 10, "insecureSkipTLSVerify": true,
        "service": {"namespace": "{ns}", "name": "nobody"}}});
    let mut steps = vec![
        Step::new("GET", format!("{SERVICES}/v1.")),
        Step::new("GET", format!("{SERVICES}/v1.apps")),
        Step::new("POST", SERVICES).with(service),
    ];
    wait(&mut steps);
    steps.extend([
        Step::new("GET", format!("{SERVICES}/v1.{{ns}}.example.com")),
        Step::new("GET", "/apis/{ns}.example.com/v1"),
        Step::new("GET", "/apis/{ns}.example.com/v1/things"),
        Step::new("GET", "/apis/{ns}.example.com"),
        Step::new("DELETE", format!("{SERVICES}/v1.{{ns}}.example.com")),
    ]);
    steps
}
