//! Admission policies in CEL.

use serde_json::{Value, json};

use crate::support::{Server, start};

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, data: Value) -> Value {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": data})
}

async fn policy(server: &Server, kind: &str, spec: Value, binding: Value) {
    let rules = json!({"resourceRules": [
        {"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}]});
    let mut policy = json!({"kind": kind, "apiVersion": "admissionregistration.k8s.io/v1",
        "metadata": {"name": "p.example.com"}, "spec": spec});
    if policy["spec"]["matchConstraints"].is_null() {
        policy["spec"]["matchConstraints"] = rules;
    }
    let plural = if kind.starts_with('V') {
        "validatingadmissionpolicies"
    } else {
        "mutatingadmissionpolicies"
    };
    let made = server.post(&format!("{GROUP}/{plural}"), policy).await;
    assert_eq!(made.code, 201, "{}", made.body);
    let mut bound = json!({"kind": format!("{kind}Binding"), "apiVersion": "admissionregistration.k8s.io/v1",
        "metadata": {"name": "b.example.com"}, "spec": binding});
    bound["spec"]["policyName"] = json!("p.example.com");
    let bindings = plural.replace("policies", "policybindings");
    let made = server.post(&format!("{GROUP}/{bindings}"), bound).await;
    assert_eq!(made.code, 201, "{}", made.body);
}

#[tokio::test]
async fn a_policy_refuses_warns_and_looks_at_its_parameters() {
    let server = start().await;
    let params = map("limits", json!({"max": "2"}));
    assert_eq!(server.post(MAPS, params).await.code, 201);
    let spec = json!({
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConditions": [{"name": "not-limits", "expression": "object.metadata.name != 'limits'"}],
        "variables": [{"name": "size", "expression": "has(object.data) ? object.data.size() : 0"}],
        "validations": [
            {"expression": "variables.size <= int(params.data.max)", "messageExpression":
                "'at most ' + params.data.max + ' entries, not ' + string(variables.size)", "reason": "Forbidden"},
        ],
    });
    let binding = json!({"validationActions": ["Deny"],
        "paramRef": {"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"}});
    policy(&server, "ValidatingAdmissionPolicy", spec, binding).await;
    assert_eq!(
        server.post(MAPS, map("one", json!({"a": "1"}))).await.code,
        201
    );
    let many = server
        .post(MAPS, map("two", json!({"a": "1", "b": "2", "c": "3"})))
        .await;
    assert_eq!(many.code, 403, "{}", many.body);
    assert_eq!(
        many.body["message"],
        "configmaps \"two\" is forbidden: ValidatingAdmissionPolicy 'p.example.com' with binding 'b.example.com' denied \
         request: at most 2 entries, not 3"
    );
    let path = format!("{GROUP}/validatingadmissionpolicybindings/b.example.com");
    let warn = json!({"spec": {"validationActions": ["Warn"]}});
    assert_eq!(
        server.patch(&path, "merge-patch+json", warn).await.code,
        200
    );
    let warned = server
        .post(MAPS, map("two", json!({"a": "1", "b": "2", "c": "3"})))
        .await;
    assert_eq!(warned.code, 201);
    assert!(
        warned.headers["warning"]
            .to_str()
            .unwrap()
            .contains("at most 2 entries, not 3")
    );
    assert_eq!(server.delete(&format!("{MAPS}/limits")).await.code, 200);
    let missing = server.post(MAPS, map("three", json!({}))).await;
    assert_eq!(missing.code, 422, "{}", missing.body);
    assert_eq!(
        missing.body["message"],
        "configmaps \"three\" is forbidden: ValidatingAdmissionPolicy 'p.example.com' with binding 'b.example.com' \
         denied request: failed to configure binding: no params found for policy binding with `Deny` \
         parameterNotFoundAction"
    );
}

#[tokio::test]
async fn a_policy_asks_for_rights_and_sees_the_namespace() {
    let server = start().await;
    let spec = json!({"validations": [
        {"expression": "authorizer.group('').resource('secrets').namespace('default').check('list').allowed()",
            "message": "may not list secrets"},
        {"expression": "authorizer.requestResource.check('custom').allowed()", "message": "no custom verb"},
        {"expression": "namespaceObject.metadata.name == object.metadata.namespace", "message": "namespace"},
    ]});
    policy(
        &server,
        "ValidatingAdmissionPolicy",
        spec,
        json!({"validationActions": ["Deny"]}),
    )
    .await;
    assert_eq!(server.post(MAPS, map("one", json!({}))).await.code, 201);
    let role = json!({"kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "maps"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]});
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    assert_eq!(
        server
            .post(&format!("{rbac}/clusterroles"), role)
            .await
            .code,
        201
    );
    let bound = json!({"kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "maps"},
        "subjects": [{"kind": "User", "name": "bob"}], "roleRef": {"kind": "ClusterRole", "name": "maps"}});
    assert_eq!(
        server
            .post(&format!("{rbac}/clusterrolebindings"), bound)
            .await
            .code,
        201
    );
    // Whoever reads sees what was written, and so do roles.
    server.get(MAPS).await;
    let refused = server
        .ask_as("bob", &[], "POST", MAPS, &[], map("two", json!({})))
        .await;
    assert_eq!(refused.code, 422, "{}", refused.body);
    assert!(
        refused.body["message"]
            .as_str()
            .unwrap()
            .ends_with("may not list secrets")
    );
}

#[tokio::test]
async fn a_mutating_policy_applies_and_patches() {
    let server = start().await;
    let spec = json!({"reinvocationPolicy": "IfNeeded", "failurePolicy": "Fail", "mutations": [
        {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
            "Object{metadata: Object.metadata{labels: {'size': string(object.data.size())}}}"}},
        {"patchType": "JSONPatch", "jsonPatch": {"expression":
            "[JSONPatch{op: 'add', path: '/data/' + jsonpatch.escapeKey('x-y'), value: object.metadata.labels['size']}]"}},
    ]});
    policy(&server, "MutatingAdmissionPolicy", spec, json!({})).await;
    let made = server.post(MAPS, map("one", json!({"a": "1"}))).await;
    assert_eq!(made.code, 201, "{}", made.body);
    assert_eq!(made.body["data"]["x-y"], "1");
    assert!(made.body["metadata"]["labels"]["size"].is_string());
    let broken = server.post(MAPS, map("two", Value::Null)).await;
    assert_eq!(broken.code, 403, "{}", broken.body);
    let message = broken.body["message"].as_str().unwrap();
    assert!(
        message.starts_with("policy 'p.example.com' with binding 'b.example.com' denied request: expression 'Object{"),
        "{message}"
    );
}

#[tokio::test]
async fn a_policy_that_does_not_compile_is_refused_when_it_is_written() {
    let server = start().await;
    let policy = json!({"kind": "ValidatingAdmissionPolicy", "apiVersion": "admissionregistration.k8s.io/v1",
        "metadata": {"name": "p"}, "spec": {"validations": [{"expression": "object.x == nonsense"}], "matchConstraints":
        {"resourceRules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]}}});
    let refused = server
        .post(&format!("{GROUP}/validatingadmissionpolicies"), policy)
        .await;
    assert_eq!(refused.code, 422, "{}", refused.body);
    assert_eq!(
        refused.body["details"]["causes"][0]["field"],
        "spec.validations[0].expression"
    );
    let message = refused.body["message"].as_str().unwrap();
    assert!(
        message.contains("undeclared reference to 'nonsense' (in container '')"),
        "{message}"
    );
}

#[tokio::test]
async fn deletions_and_scales_are_judged_as_well() {
    let server = start().await;
    let spec = json!({
        "matchConstraints": {"resourceRules": [
            {"operations": ["DELETE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]},
            {"operations": ["UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments/scale"]}]},
        "validations": [{"expression": "request.operation == 'DELETE' ? oldObject.metadata.name != 'kept' : \
            object.spec.replicas < 5"}],
    });
    policy(
        &server,
        "ValidatingAdmissionPolicy",
        spec,
        json!({"validationActions": ["Deny"]}),
    )
    .await;
    assert_eq!(server.post(MAPS, map("kept", json!({}))).await.code, 201);
    assert_eq!(server.delete(&format!("{MAPS}/kept")).await.code, 422);
    let deployment = json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    assert_eq!(server.post(deployments, deployment).await.code, 201);
    let scale = |n: i64| json!({"spec": {"replicas": n}});
    let path = format!("{deployments}/web/scale");
    assert_eq!(
        server.patch(&path, "merge-patch+json", scale(3)).await.code,
        200
    );
    assert_eq!(
        server.patch(&path, "merge-patch+json", scale(7)).await.code,
        422
    );
}
