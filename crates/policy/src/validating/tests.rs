#![expect(clippy::needless_pass_by_value, reason = "calls stay short")]

use serde_json::json;

use super::*;

fn judge(spec: Value, object: Value) -> Verdict {
    let policy = ValidatingPolicy::compile(&json!({"metadata": {"name": "p"}, "spec": spec}));
    policy.judge(&Sight {
        object: Some(&object),
        params: Some(&json!({"max": 3})),
        ..Sight::default()
    })
}

fn messages(spec: Value, object: Value) -> Vec<String> {
    let denials = judge(spec, object).denials;
    denials.into_iter().map(|d| d.message).collect()
}

#[test]
fn an_expression_that_does_not_hold_denies_in_its_own_words() {
    let object = json!({"spec": {"replicas": 7}, "metadata": {"name": "web", "namespace": "a"}});
    for (validation, said) in [
        (
            json!({"expression": "object.spec.replicas <= params.max"}),
            "failed expression: object.spec.replicas <= params.max",
        ),
        (
            json!({"expression": "object.spec.replicas <= 5", "message": "too many"}),
            "too many",
        ),
        (
            json!({"expression": "object.spec.replicas <= 5", "messageExpression": "object.metadata.name + ' has ' + string(object.spec.replicas)"}),
            "web has 7",
        ),
        (
            json!({"expression": "object.spec.missing == 1"}),
            "expression 'object.spec.missing == 1' resulted in error: no such key: missing",
        ),
        (
            json!({"expression": "object.metadata.namespace == 'b'", "message": "b"}),
            "b",
        ),
    ] {
        assert_eq!(
            messages(json!({"validations": [validation]}), object.clone()),
            [said]
        );
    }
    let fine = json!({"validations": [{"expression": "object.spec.replicas == 7"}]});
    assert_eq!(judge(fine, object), Verdict::default());
}

#[test]
fn failures_are_ignored_if_the_policy_says_so() {
    let spec = json!({"failurePolicy": "Ignore", "validations": [
        {"expression": "object.missing == 1"}, {"expression": "object.a == 2"}]});
    let denials = judge(spec, json!({"a": 1})).denials;
    assert_eq!(denials.len(), 1);
    assert_eq!(denials[0].index, 1);
}

#[test]
fn variables_are_computed_from_each_other_and_only_when_needed() {
    let spec = |expression: &str| {
        json!({
            "variables": [
                {"name": "broken", "expression": "object.missing"},
                {"name": "two", "expression": "object.a + 1"},
                {"name": "four", "expression": "variables.two * 2"},
            ],
            "validations": [{"expression": expression}],
        })
    };
    let object = json!({"a": 1});
    assert!(messages(spec("variables.four == 4"), object.clone()).is_empty());
    assert!(messages(spec("true || variables.broken == 1"), object.clone()).is_empty());
    assert_eq!(
        messages(spec("variables.broken == 1"), object),
        [
            "expression 'variables.broken == 1' resulted in error: composited variable \"broken\" fails to evaluate: no \
          such key: missing"
        ]
    );
}

#[test]
fn conditions_decide_whether_the_policy_is_asked() {
    let spec = |condition: &str, failure: &str| {
        json!({
            "failurePolicy": failure, "matchConditions": [{"name": "c", "expression": condition}],
            "validations": [{"expression": "false"}],
        })
    };
    assert_eq!(
        messages(spec("object.a == 1", "Fail"), json!({"a": 1})).len(),
        1
    );
    assert!(messages(spec("object.a == 2", "Fail"), json!({"a": 1})).is_empty());
    let unknown = messages(spec("object.b == 2", "Fail"), json!({"a": 1}));
    assert_eq!(
        unknown,
        ["expression 'object.b == 2' resulted in error: no such key: b"]
    );
    assert!(messages(spec("object.b == 2", "Ignore"), json!({"a": 1})).is_empty());
}

#[test]
fn the_audit_log_gets_what_the_expressions_say() {
    let spec = json!({"auditAnnotations": [
        {"key": "a", "valueExpression": "'is ' + object.name"},
        {"key": "b", "valueExpression": "object.name == 'x' ? 'x' : null"},
        {"key": "c", "valueExpression": "object.missing"},
    ]});
    let verdict = judge(spec, json!({"name": "y"}));
    assert_eq!(verdict.annotations, [("a".to_owned(), "is y".to_owned())]);
    assert_eq!(verdict.annotation_errors.len(), 1);
}

#[test]
fn a_hostile_expression_ends_by_its_budget() {
    let list: Vec<u32> = (0..400).collect();
    let spec = json!({"validations": [{
        "expression": "object.l.all(a, object.l.all(b, object.l.all(c, object.l.all(d, a + b + c + d >= 0))))"}]});
    let said = messages(spec, json!({"l": list}));
    assert!(said[0].contains("cost limit exceeded"), "{said:?}");
}

#[test]
fn a_field_of_what_has_none_is_an_error_and_not_false() {
    let policy = ValidatingPolicy::compile(&json!({"spec": {"validations": [
        {"expression": "!oldObject.spec.on"}, {"expression": "!object.name.on"}]}}));
    let verdict = policy.judge(&Sight {
        object: Some(&json!({"name": "text"})),
        ..Sight::default()
    });
    assert_eq!(verdict.denials.len(), 2, "{verdict:?}");
    assert!(verdict.denials[0].message.contains("resulted in error"));
}
