use serde_json::json;

use super::*;

fn said(kind: &str, object: &Value) -> Vec<String> {
    validate(kind, object)
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn policy(change: impl FnOnce(&mut Value)) -> Value {
    let mut policy = json!({"metadata": {"name": "p.example.com"}, "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
            "resourceRules": [{"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"],
                "resources": ["deployments"], "scope": "*"}],
        },
        "validations": [{"expression": "object.spec.replicas <= 5"}],
    }});
    change(&mut policy);
    policy
}

#[test]
fn a_good_policy_passes_and_each_mistake_has_its_place() {
    assert!(said("ValidatingAdmissionPolicy", &policy(|_| ())).is_empty());
    let wrong = policy(|p| {
        p["spec"]["failurePolicy"] = json!("Maybe");
        p["spec"]["validations"] = json!([{"expression": "object.x ==", "reason": "NotFound"}]);
    });
    let said = said("ValidatingAdmissionPolicy", &wrong);
    assert_eq!(
        said[0],
        "spec.failurePolicy: Unsupported value: \"Maybe\": supported values: \"Fail\", \"Ignore\""
    );
    assert!(
        said[1].starts_with(
            "spec.validations[0].expression: Invalid value: \"object.x ==\": compilation failed: "
        ),
        "{said:?}"
    );
    assert!(said[2].starts_with("spec.validations[0].reason: Unsupported value: \"NotFound\""));
}

#[test]
fn a_variable_is_known_to_those_behind_it() {
    let with = |variables: Value| policy(|p| p["spec"]["variables"] = variables);
    let good = with(
        json!([{"name": "a", "expression": "1"}, {"name": "b", "expression": "variables.a + 1"}]),
    );
    assert!(said("ValidatingAdmissionPolicy", &good).is_empty());
    let bad = with(
        json!([{"name": "b", "expression": "variables.a + 1"}, {"name": "a", "expression": "1"}]),
    );
    assert_eq!(said("ValidatingAdmissionPolicy", &bad).len(), 1);
}

#[test]
fn deny_and_warn_exclude_each_other() {
    let binding =
        |actions: Value| json!({"spec": {"policyName": "p", "validationActions": actions}});
    let kind = "ValidatingAdmissionPolicyBinding";
    assert!(said(kind, &binding(json!(["Deny", "Audit"]))).is_empty());
    assert_eq!(said(kind, &binding(json!(["Deny", "Warn"]))).len(), 1);
    assert_eq!(
        said(kind, &binding(json!([]))),
        ["spec.validationActions: Required value"]
    );
}

#[test]
fn a_webhook_says_where_it_is_in_one_way() {
    let hook = |config: Value| {
        json!({"webhooks": [{
            "name": "a.example.com", "clientConfig": config, "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail", "matchPolicy": "Exact", "timeoutSeconds": 1,
        }]})
    };
    let kind = "ValidatingWebhookConfiguration";
    assert!(said(kind, &hook(json!({"url": "https://a.example.com/x"}))).is_empty());
    let service = json!({"service": {"name": "a", "namespace": "b", "port": 443, "path": "/x"}});
    assert!(said(kind, &hook(service)).is_empty());
    assert_eq!(said(kind, &hook(json!({}))).len(), 1);
    assert_eq!(
        said(kind, &hook(json!({"url": "http://a.example.com"}))),
        [
            "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired \
          format: https://host[/path]"
        ]
    );
}

#[test]
fn a_mutating_policy_cannot_change_what_is_deleted() {
    let policy = policy(|p| {
        p["spec"]["matchConstraints"]["resourceRules"][0]["operations"] = json!(["DELETE"]);
        p["spec"]["reinvocationPolicy"] = json!("Never");
        p["spec"]["mutations"] = json!([{"patchType": "ApplyConfiguration",
            "applyConfiguration": {"expression": "Object{spec: Object.spec{replicas: 1}}"}}]);
    });
    let said = said("MutatingAdmissionPolicy", &policy);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with(
        "spec.matchConstraints.resourceRules.operations: Unsupported value: \"DELETE\""
    ));
}

#[test]
fn a_bad_webhook_is_refused_in_the_words_of_kubernetes() {
    let object = json!({"webhooks": [
        {"name": "x", "clientConfig": {}, "admissionReviewVersions": [], "sideEffects": "Some"}]});
    assert_eq!(
        said("ValidatingWebhookConfiguration", &object),
        [
            "webhooks[0].name: Invalid value: \"x\": should be a domain with at least three segments separated by dots",
            "webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"",
            "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
            "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1",
        ]
    );
}
