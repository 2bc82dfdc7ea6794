#![expect(clippy::needless_pass_by_value, reason = "calls stay short")]

use serde_json::json;

use super::*;
use crate::request::Operation;

fn request(group: &str, version: &str, plural: &str, namespace: &str) -> Request {
    Request {
        operation: Operation::Create,
        kind: Type::new(group, version, "Kind"),
        resource: Type::new(group, version, plural),
        subresource: String::new(),
        name: "one".into(),
        namespace: namespace.into(),
        user: crate::User::default(),
        dry_run: false,
        options: Value::Null,
    }
}

fn webhook(rule: Value) -> Matching {
    Matching::of_webhook(&json!({"rules": [rule]}))
}

fn means(matching: &Matching, request: &Request) -> bool {
    matching.means(request, &[], None, None, None) != Meant::No
}

#[test]
fn every_part_of_a_rule_must_match() {
    let rule = json!({"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["*"], "resources": ["deployments"]});
    let matching = webhook(rule);
    assert!(means(&matching, &request("apps", "v1", "deployments", "a")));
    assert!(!means(
        &matching,
        &request("apps", "v1", "replicasets", "a")
    ));
    assert!(!means(&matching, &request("", "v1", "deployments", "a")));
    let mut scale = request("apps", "v1", "deployments", "a");
    scale.subresource = "scale".into();
    assert!(!means(&matching, &scale));
    let mut deleted = request("apps", "v1", "deployments", "a");
    deleted.operation = Operation::Delete;
    assert!(!means(&matching, &deleted));
}

#[test]
fn a_subresource_has_rules_of_its_own() {
    for (resources, with, without) in [
        ("*", false, true),
        ("*/*", true, true),
        ("pods/*", true, true),
        ("*/status", true, false),
        ("pods", false, true),
    ] {
        let rule = json!({"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": [resources]});
        let matching = webhook(rule);
        let pods = request("", "v1", "pods", "a");
        let mut status = pods.clone();
        status.subresource = "status".into();
        assert_eq!(
            (means(&matching, &status), means(&matching, &pods)),
            (with, without),
            "{resources}"
        );
    }
}

#[test]
fn namespaces_are_in_the_scope_of_the_cluster() {
    let rule = |scope: &str| json!({"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "scope": scope});
    let (namespace, pod) = (
        request("", "v1", "namespaces", "one"),
        request("", "v1", "pods", "a"),
    );
    assert!(means(&webhook(rule("Cluster")), &namespace));
    assert!(!means(&webhook(rule("Namespaced")), &namespace));
    assert!(means(&webhook(rule("Namespaced")), &pod));
    assert!(!means(&webhook(rule("Cluster")), &pod));
}

#[test]
fn an_equivalent_resource_matches_unless_it_must_be_exact() {
    let rule = json!({"operations": ["*"], "apiGroups": ["autoscaling"], "apiVersions": ["v1"], "resources": ["horizontalpodautoscalers"]});
    let asked = request("autoscaling", "v2", "horizontalpodautoscalers", "a");
    let other = Asked {
        resource: Type::new("autoscaling", "v1", "horizontalpodautoscalers"),
        kind: Type::new("autoscaling", "v1", "HorizontalPodAutoscaler"),
    };
    let equivalents = [other.clone()];
    let matching = webhook(rule.clone());
    assert_eq!(
        matching.means(&asked, &equivalents, None, None, None),
        Meant::As(other)
    );
    let exact = Matching::of_webhook(&json!({"rules": [rule], "matchPolicy": "Exact"}));
    assert_eq!(
        exact.means(&asked, &equivalents, None, None, None),
        Meant::No
    );
}

#[test]
fn either_the_old_or_the_new_object_may_be_selected() {
    let rule =
        json!({"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]});
    let matching = Matching::of_webhook(
        &json!({"rules": [rule], "objectSelector": {"matchLabels": {"a": "b"}}}),
    );
    let asked = request("", "v1", "pods", "x");
    let with = json!({"metadata": {"labels": {"a": "b"}}});
    let without = json!({"metadata": {}});
    assert_ne!(
        matching.means(&asked, &[], None, Some(&with), Some(&without)),
        Meant::No
    );
    assert_ne!(
        matching.means(&asked, &[], None, Some(&without), Some(&with)),
        Meant::No
    );
    assert_eq!(
        matching.means(&asked, &[], None, Some(&without), None),
        Meant::No
    );
}

#[test]
fn a_policy_without_rules_is_for_everything_but_what_it_excludes() {
    let asked = request("", "v1", "pods", "x");
    assert!(means(&Matching::of_policy(&json!({})), &asked));
    let exclude = json!({"excludeResourceRules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"],
        "resources": ["pods"], "resourceNames": ["one"]}]});
    let matching = Matching::of_policy(&exclude);
    assert!(!means(&matching, &asked));
    let mut other = asked;
    other.name = "two".into();
    assert!(means(&matching, &other));
}
