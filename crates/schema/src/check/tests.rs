use super::*;
use crate::Types;
use serde_json::json;

fn check(kind: (&str, &str), value: &Value, expected: &str) {
    let ty = Types::builtin().of(kind.0, "v1", kind.1).unwrap();
    let said = check_types(ty, value).map_err(|mismatch| mismatch.message);
    assert_eq!(said.err().unwrap_or_default(), expected, "{value}");
}

#[test]
fn wrong_json_types_are_told_as_go_tells_them() {
    let deployment = ("apps", "Deployment");
    check(
        deployment,
        &json!({"spec": {"replicas": "3"}}),
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    check(
        deployment,
        &json!({"spec": {"template": {"spec": {"containers": [{"name": 5}]}}}}),
        "json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.name of type string",
    );
    check(
        deployment,
        &json!({"spec": []}),
        "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec",
    );
    check(
        deployment,
        &json!({"metadata": {"labels": {"a": 1}}}),
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
    );
    check(
        deployment,
        &json!({"spec": {"template": {"spec": {"containers": {}}}}}),
        "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
    );
    check(
        deployment,
        &json!({"spec": {"replicas": 1.5, "paused": "yes"}}),
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool",
    );
    check(
        deployment,
        &json!({"spec": {"replicas": null, "unknown": 1}}),
        "",
    );
}

#[test]
fn values_with_a_grammar_are_told_in_their_own_words() {
    let limit =
        |limit: Value| json!({"spec": {"containers": [{"resources": {"limits": {"cpu": limit}}}]}});
    for fine in [
        json!("250m"),
        json!("1.5"),
        json!(2),
        json!("1Ei"),
        json!("1e3"),
        json!("-1E+2"),
    ] {
        check(("", "Pod"), &limit(fine), "");
    }
    let wrong = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    check(("", "Pod"), &limit(json!("1 Gi")), wrong);
    check(
        ("", "Pod"),
        &limit(json!("1GG")),
        "unable to parse quantity's suffix",
    );
    check(("", "Secret"), &json!({"data": {"a": "YWJj"}}), "");
    check(
        ("", "Secret"),
        &json!({"data": {"a": "YW*j"}}),
        "illegal base64 data at input byte 2",
    );
    check(
        ("", "Secret"),
        &json!({"data": {"a": "YWJ"}}),
        "illegal base64 data at input byte 0",
    );
    let created = |time: &str| json!({"metadata": {"creationTimestamp": time}});
    check(("", "Pod"), &created("2026-11-23T00:31:45Z"), "");
    check(("", "Pod"), &created("2026-11-23T00:31:45.5+01:00"), "");
    check(
        ("", "Pod"),
        &created("yesterday"),
        r#"parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006""#,
    );
    check(
        ("", "Pod"),
        &created("2026-02-30T00:31:45Z"),
        r#"parsing time "2026-02-30T00:31:45Z": day out of range"#,
    );
}

/// Bodies that a real kube-apiserver 1.37.2 refused to decode, with what it said.
#[test]
fn refused_bodies_are_refused_in_the_words_of_the_real_server() {
    let mut wrong = Vec::new();
    for line in include_str!("../../testdata/refused.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| case[key].as_str().unwrap();
        let ty = Types::builtin()
            .of_api_version(text("apiVersion"), text("kind"))
            .unwrap();
        let body: Value = serde_json::from_str(text("body")).unwrap();
        let ours = match check_types(ty, &body) {
            Err(mismatch) => mismatch.message,
            Ok(()) => {
                let strict = crate::strict_errors(ty, text("body").as_bytes());
                format!("strict decoding error: {}", strict.join(", "))
            }
        };
        if ours != text("message") {
            wrong.push(format!(
                "{}\n ours   {ours}\n theirs {}",
                text("body"),
                text("message")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
