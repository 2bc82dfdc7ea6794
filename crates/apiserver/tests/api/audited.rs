//! The audit log, and the sharing of the server.

use std::sync::Arc;
use std::time::Duration;

use cedge_apiserver::{AuditConfig, AuditPolicy};
use serde_json::{Value, json};

use crate::support::{start, start_with};

const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, userGroups: [system:nobody]}
- {level: RequestResponse, omitManagedFields: true, resources: [{group: '', resources: [configmaps]}]}
- {level: Request, verbs: [create]}
";

async fn events(path: &std::path::Path, count: usize) -> Vec<Value> {
    for _ in 0..200 {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<Value> = text
            .lines()
            .filter_map(|l| serde_json::from_str(l).ok())
            .collect();
        if lines.len() >= count {
            return lines;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{count} events do not come");
}

#[tokio::test]
async fn the_audit_log_says_what_its_policy_wants() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let audit = AuditConfig {
        policy: Arc::new(AuditPolicy::read(POLICY).unwrap()),
        path: path.clone(),
        bytes_max: 1 << 20,
        files_max: 3,
        age_max: None,
    };
    let server = start_with(|config| config.audit = Some(audit)).await;
    let maps = "/api/v1/namespaces/default/configmaps";
    let map = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "v"}});
    let made = server
        .ask_with("POST", maps, &[("user-agent", "test/1")], map)
        .await;
    assert_eq!(made.code, 201);
    let secret = json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}, "stringData": {"p": "hidden"}});
    assert_eq!(
        server
            .post("/api/v1/namespaces/default/secrets", secret)
            .await
            .code,
        201
    );
    assert_eq!(
        server.get("/api/v1/namespaces/default/secrets").await.code,
        200
    );
    assert_eq!(server.get(&format!("{maps}/b")).await.code, 404);
    let all = events(&path, 3).await;
    assert_eq!(all.len(), 3, "a list of secrets matches no rule");
    let create = &all[0];
    assert_eq!(create["kind"], "Event");
    assert_eq!(
        (&create["level"], &create["stage"]),
        (&json!("RequestResponse"), &json!("ResponseComplete"))
    );
    assert_eq!(
        create["auditID"],
        made.headers["audit-id"].to_str().unwrap()
    );
    assert_eq!(create["user"]["username"], "admin");
    assert_eq!(create["userAgent"], "test/1");
    assert_eq!(
        create["objectRef"],
        json!({"resource": "configmaps", "namespace": "default", "apiVersion": "v1", "name": "a"})
    );
    assert_eq!(create["responseStatus"]["code"], 201);
    assert_eq!(create["requestObject"]["data"]["k"], "v");
    assert_eq!(
        create["responseObject"]["metadata"]["managedFields"],
        Value::Null
    );
    assert_eq!(
        made.body["metadata"]["managedFields"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(all[1]["level"], "Metadata");
    assert!(!std::fs::read_to_string(&path).unwrap().contains("hidden"));
    assert_eq!(all[2]["responseStatus"]["reason"], "NotFound");
}

#[tokio::test]
async fn a_stream_that_is_refused_begins_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let audit = AuditConfig {
        policy: Arc::new(AuditPolicy::read(POLICY).unwrap()),
        path: path.clone(),
        bytes_max: 1 << 20,
        files_max: 3,
        age_max: None,
    };
    let server = start_with(|config| config.audit = Some(audit)).await;
    let pods = "/api/v1/namespaces/default/pods/none";
    for stream in ["exec?command=a", "proxy/x"] {
        let answer = server.post(&format!("{pods}/{stream}"), json!({})).await;
        assert_eq!(answer.code, 404);
    }
    let all = events(&path, 4).await;
    let told: Vec<String> = all
        .iter()
        .map(|e| {
            let (stage, code) = (&e["stage"], &e["responseStatus"]["code"]);
            format!("{stage} {code} {}", e["objectRef"]["subresource"])
        })
        .collect();
    let of = |stream: &str| {
        ["Started", "Complete"].map(|stage| format!("\"Response{stage}\" 404 \"{stream}\""))
    };
    assert_eq!(told, [of("exec"), of("proxy")].concat());
}

#[tokio::test]
async fn an_answer_says_to_which_level_its_request_belonged() {
    let server = start().await;
    // Whoever reads sees what was written at the start, and so does everybody from then on.
    server.get("/api/v1/namespaces").await;
    let answer = server.ask_unproven("GET", "/healthz", &[]).await;
    let levels = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/exempt";
    let exempt = server.get(levels).await.body;
    assert_eq!(
        answer.headers["x-kubernetes-pf-prioritylevel-uid"],
        exempt["metadata"]["uid"].as_str().unwrap()
    );
    assert!(
        answer
            .headers
            .contains_key("x-kubernetes-pf-flowschema-uid")
    );
    let schemas = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/probes";
    let probes = server.get(schemas).await.body;
    assert_eq!(probes["status"]["conditions"][0]["reason"], "Found");
}
