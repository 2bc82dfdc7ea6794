//! Create and update.

use serde_json::json;

use crate::support::{CONFIG_MAPS, PODS, config_map, pod, start};

#[tokio::test]
async fn what_is_created_can_be_read_and_has_what_the_server_decides() {
    let server = start().await;
    let created = server.create(CONFIG_MAPS, config_map("a", "1")).await;
    assert_eq!(created["metadata"]["namespace"], "default");
    assert_eq!(created["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert!(created["metadata"]["creationTimestamp"].is_string());
    assert_eq!(
        created["metadata"]["managedFields"][0]["operation"],
        "Update"
    );
    let read = server.get(&format!("{CONFIG_MAPS}/a")).await;
    assert_eq!(read.body, created);
    let again = server.post(CONFIG_MAPS, config_map("a", "1")).await;
    assert_eq!(again.code, 409);
    assert_eq!(again.body["message"], "configmaps \"a\" already exists");
    assert_eq!(again.body["reason"], "AlreadyExists");
    assert_eq!(
        again.body["details"],
        json!({"name": "a", "kind": "configmaps"})
    );
}

#[tokio::test]
async fn names_are_generated() {
    let server = start().await;
    let object = json!({"metadata": {"generateName": "web-"}});
    let created = server.create(CONFIG_MAPS, object).await;
    let name = created["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("web-") && name.len() == 9);
    assert_eq!(created["metadata"]["generateName"], "web-");
}

#[tokio::test]
async fn a_namespace_must_exist() {
    let server = start().await;
    let answer = server
        .post("/api/v1/namespaces/none/configmaps", config_map("a", "1"))
        .await;
    assert_eq!(answer.code, 404);
    assert_eq!(answer.body["message"], "namespaces \"none\" not found");
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_stores_nothing() {
    let server = start().await;
    let path = format!("{CONFIG_MAPS}?dryRun=All");
    assert_eq!(server.post(&path, config_map("a", "1")).await.code, 201);
    assert_eq!(server.get(&format!("{CONFIG_MAPS}/a")).await.code, 404);
    server.create(CONFIG_MAPS, config_map("a", "1")).await;
    assert_eq!(server.post(&path, config_map("a", "1")).await.code, 409);
}

#[tokio::test]
async fn an_old_version_is_refused_and_none_is_unconditional() {
    let server = start().await;
    let first = server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let path = format!("{CONFIG_MAPS}/a");
    let mut newer = first.clone();
    newer["data"]["k"] = json!("2");
    let second = server.put(&path, newer.clone()).await;
    assert_eq!(second.code, 200);
    assert_ne!(
        second.body["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    let stale = server.put(&path, newer).await;
    assert_eq!(stale.code, 409);
    assert_eq!(
        stale.body["message"],
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to \
         the latest version and try again"
    );
    let blind = server.put(&path, config_map("a", "3")).await;
    assert_eq!(blind.code, 200, "{:#}", blind.body);
    assert_eq!(blind.body["data"]["k"], "3");
    assert_eq!(blind.body["metadata"]["uid"], first["metadata"]["uid"]);
}

#[tokio::test]
async fn a_write_that_changes_nothing_keeps_the_version() {
    let server = start().await;
    let first = server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let same = server.put(&format!("{CONFIG_MAPS}/a"), first.clone()).await;
    assert_eq!(
        same.body["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
}

#[tokio::test]
async fn another_object_of_the_same_name_is_not_overwritten() {
    let server = start().await;
    let mut object = server.create(CONFIG_MAPS, config_map("a", "1")).await;
    object["metadata"]["uid"] = json!("11111111-2222-4333-8444-555555555555");
    object["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("resourceVersion");
    let answer = server.put(&format!("{CONFIG_MAPS}/a"), object).await;
    assert_eq!(answer.code, 409);
    assert!(
        answer.body["message"]
            .as_str()
            .unwrap()
            .contains("Precondition failed: UID in precondition")
    );
}

#[tokio::test]
async fn unknown_fields_are_refused_warned_of_or_dropped() {
    let server = start().await;
    let mut object = pod("a");
    object["spec"]["foo"] = json!(1);
    let strict = server
        .post(&format!("{PODS}?fieldValidation=Strict"), object.clone())
        .await;
    assert_eq!(strict.code, 400);
    assert_eq!(
        strict.body["message"],
        "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"spec.foo\""
    );
    let warned = server.post(PODS, object.clone()).await;
    assert_eq!(warned.code, 201, "{:#}", warned.body);
    assert_eq!(
        warned.headers["warning"],
        "299 - \"unknown field \\\"spec.foo\\\"\""
    );
    assert!(warned.body["spec"]["foo"].is_null());
    object["metadata"]["name"] = json!("b");
    let ignored = server
        .post(&format!("{PODS}?fieldValidation=Ignore"), object)
        .await;
    assert_eq!(ignored.code, 201);
    assert!(!ignored.headers.contains_key("warning"));
}

#[tokio::test]
async fn a_wrong_object_is_refused_with_the_field() {
    let server = start().await;
    let mut object = pod("a");
    object["spec"]["containers"] = json!([]);
    let answer = server.post(PODS, object).await;
    assert_eq!(answer.code, 422, "{:#}", answer.body);
    assert_eq!(
        answer.body["message"],
        "Pod \"a\" is invalid: spec.containers: Required value"
    );
    assert_eq!(
        answer.body["details"]["causes"][0]["field"],
        "spec.containers"
    );
}

#[tokio::test]
async fn a_body_must_be_what_its_path_says() {
    let server = start().await;
    let answer = server.post(CONFIG_MAPS, pod("a")).await;
    assert_eq!(answer.code, 400);
    let mut wrong = config_map("a", "1");
    wrong["apiVersion"] = json!("v2");
    let answer = server.post(CONFIG_MAPS, wrong).await;
    assert_eq!(
        answer.body["message"],
        "ConfigMap in version \"v2\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered for version \
         \"v2\" in scheme \"pkg/runtime/scheme.go:111\""
    );
    let mut elsewhere = config_map("a", "1");
    elsewhere["metadata"]["namespace"] = json!("kube-system");
    let answer = server.post(CONFIG_MAPS, elsewhere).await;
    assert_eq!(
        answer.body["message"],
        "the namespace of the provided object does not match the namespace sent on the request"
    );
}

#[tokio::test]
async fn the_status_has_a_door_of_its_own() {
    let server = start().await;
    let mut created = server.create(PODS, pod("a")).await;
    assert_eq!(created["status"]["phase"], "Pending");
    created["status"]["phase"] = json!("Running");
    created["spec"]["activeDeadlineSeconds"] = json!(5);
    let path = format!("{PODS}/a");
    let status = server.put(&format!("{path}/status"), created.clone()).await;
    assert_eq!(status.code, 200, "{:#}", status.body);
    assert_eq!(status.body["status"]["phase"], "Running");
    assert!(status.body["spec"]["activeDeadlineSeconds"].is_null());
    let mut spec = status.body.clone();
    spec["status"]["phase"] = json!("Failed");
    spec["spec"]["activeDeadlineSeconds"] = json!(5);
    let main = server.put(&path, spec).await;
    assert_eq!(main.code, 200, "{:#}", main.body);
    assert_eq!(main.body["status"]["phase"], "Running");
    assert_eq!(main.body["spec"]["activeDeadlineSeconds"], 5);
    assert_eq!(main.body["metadata"]["generation"], 2);
}

#[tokio::test]
async fn a_new_pod_gets_tolerations_priority_and_an_account() {
    let server = start().await;
    let created = server.create(PODS, pod("a")).await;
    assert_eq!(created["spec"]["serviceAccountName"], "default");
    assert_eq!(created["spec"]["priority"], 0);
    assert_eq!(created["spec"]["tolerations"].as_array().unwrap().len(), 2);
    let mut critical = pod("b");
    critical["spec"]["priorityClassName"] = json!("system-node-critical");
    let created = server.create(PODS, critical).await;
    assert_eq!(created["spec"]["priority"], 2_000_001_000);
    let mut unknown = pod("c");
    unknown["spec"]["runtimeClassName"] = json!("none");
    let answer = server.post(PODS, unknown).await;
    assert_eq!(answer.code, 403);
    assert_eq!(
        answer.body["message"],
        "pods \"c\" is forbidden: pod rejected: RuntimeClass \"none\" not found"
    );
}

#[tokio::test]
async fn services_get_addresses_and_ports_of_their_own() {
    let server = start().await;
    let services = "/api/v1/namespaces/default/services";
    let service = |name: &str, kind: &str| {
        json!({
            "kind": "Service", "apiVersion": "v1", "metadata": {"name": name},
            "spec": {"type": kind, "selector": {"app": "web"}, "ports": [{"port": 80}]},
        })
    };
    let a = server.create(services, service("a", "ClusterIP")).await;
    let b = server.create(services, service("b", "NodePort")).await;
    assert!(
        a["spec"]["clusterIP"]
            .as_str()
            .unwrap()
            .starts_with("10.43."),
        "{a:#}"
    );
    assert_ne!(a["spec"]["clusterIP"], b["spec"]["clusterIP"]);
    assert!(b["spec"]["ports"][0]["nodePort"].as_i64().unwrap() >= 30_000);
    let mut taken = service("c", "ClusterIP");
    taken["spec"]["clusterIP"] = a["spec"]["clusterIP"].clone();
    let answer = server.post(services, taken).await;
    assert_eq!(answer.code, 422);
    assert!(
        answer.body["message"]
            .as_str()
            .unwrap()
            .contains("provided IP is already allocated")
    );
    let mut changed = a.clone();
    changed["metadata"]["labels"] = json!({"x": "y"});
    let kept = server.put(&format!("{services}/a"), changed).await;
    assert_eq!(
        kept.body["spec"]["clusterIP"], a["spec"]["clusterIP"],
        "{:#}",
        kept.body
    );
}

#[tokio::test]
async fn kinds_that_nothing_acts_on_say_so() {
    let server = start().await;
    let ingress = json!({
        "kind": "Ingress", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": "a"},
        "spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}},
    });
    server
        .create(
            "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
            ingress,
        )
        .await;
    let mut events = server
        .watch("/api/v1/namespaces/default/events?watch=1")
        .await;
    let event = events.next().await.unwrap();
    assert_eq!(event["object"]["reason"], "NoController");
    assert_eq!(event["object"]["involvedObject"]["kind"], "Ingress");
    assert_eq!(event["object"]["source"]["component"], "cedge-apiserver");
}
