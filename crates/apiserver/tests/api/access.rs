//! Who may what: authentication, RBAC, impersonation, reviews.

use cedge_apiserver::{Identity, StaticToken};
use serde_json::{Value, json};

use crate::support::{CONFIG_MAPS, PODS, Server, config_map, start, start_with};

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";

async fn let_read(server: &Server, user: &str) {
    let role = json!({
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}],
    });
    server.create(ROLES, role).await;
    let binding = json!({
        "metadata": {"name": "readers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    });
    server.create(BINDINGS, binding).await;
    // Rights follow the store; a read that waits for it makes sure that they have arrived.
    server.get(BINDINGS).await;
}

#[tokio::test]
async fn rights_are_what_bindings_say_and_no_more() {
    let server = start().await;
    server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let ask = async |method: &str, path: &str| {
        let body = if method == "POST" {
            config_map("b", "1")
        } else {
            Value::Null
        };
        server.ask_as("jane", &[], method, path, &[], body).await
    };
    let refused = ask("GET", CONFIG_MAPS).await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.body["message"],
        "configmaps is forbidden: User \"jane\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\""
    );
    let_read(&server, "jane").await;
    assert_eq!(ask("GET", CONFIG_MAPS).await.code, 200);
    assert_eq!(ask("GET", &format!("{CONFIG_MAPS}/a")).await.code, 200);
    let create = ask("POST", CONFIG_MAPS).await;
    assert_eq!(
        create.body["message"],
        "configmaps is forbidden: User \"jane\" cannot create resource \"configmaps\" in API group \"\" in the namespace \"default\""
    );
    let named = ask("DELETE", &format!("{CONFIG_MAPS}/a")).await;
    assert_eq!(
        named.body["message"],
        "configmaps \"a\" is forbidden: User \"jane\" cannot delete resource \"configmaps\" in API group \"\" in the namespace \"default\""
    );
    let cluster = ask("GET", "/api/v1/nodes").await;
    assert!(
        cluster.body["message"]
            .as_str()
            .unwrap()
            .ends_with("in API group \"\" at the cluster scope")
    );
    server.delete(&format!("{BINDINGS}/readers")).await;
    server.get(BINDINGS).await;
    assert_eq!(ask("GET", CONFIG_MAPS).await.code, 403);
}

#[tokio::test]
async fn nobody_grants_what_they_do_not_have() {
    let server = start().await;
    let role = json!({
        "metadata": {"name": "role-writer"},
        "rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["get", "create", "update"]}],
    });
    server.create(ROLES, role).await;
    let binding = json!({
        "metadata": {"name": "w"}, "subjects": [{"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "role-writer"},
    });
    server.create(BINDINGS, binding).await;
    server.get(BINDINGS).await;
    let escalate = json!({
        "metadata": {"name": "all"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    });
    let answer = server
        .ask_as("eve", &[], "POST", ROLES, &[], escalate)
        .await;
    assert_eq!(answer.code, 403, "{:#}", answer.body);
    assert!(
        answer.body["message"]
            .as_str()
            .unwrap()
            .contains("is attempting to grant RBAC permissions not currently held")
    );
    let bind = json!({
        "metadata": {"name": "b"}, "subjects": [{"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    });
    assert_eq!(
        server
            .ask_as("eve", &[], "POST", BINDINGS, &[], bind)
            .await
            .code,
        403
    );
}

#[tokio::test]
async fn strangers_see_health_and_version_only() {
    let server = start().await;
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        assert_eq!(
            server.ask_unproven("GET", path, &[]).await.code,
            200,
            "{path}"
        );
    }
    for path in ["/api", "/metrics", "/openapi/v2", CONFIG_MAPS] {
        let answer = server.ask_unproven("GET", path, &[]).await;
        assert_eq!(answer.code, 403, "{path}");
        assert_eq!(answer.body["reason"], "Forbidden");
    }
    let wrong = [("authorization", "Bearer nonsense")];
    assert_eq!(
        server.ask_unproven("GET", "/version", &wrong).await.code,
        401
    );
}

#[tokio::test]
async fn tokens_speak_for_users_and_accounts() {
    let server = start_with(|config| {
        config.static_tokens.push(StaticToken {
            token: "s3cret".into(),
            identity: Identity::authenticated("tool", ["system:masters"]),
        });
    })
    .await;
    let header = [("authorization", "Bearer s3cret")];
    assert_eq!(
        server.ask_unproven("GET", CONFIG_MAPS, &header).await.code,
        200
    );

    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    server
        .create(accounts, json!({"metadata": {"name": "robot"}}))
        .await;
    let request = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {"expirationSeconds": 600}});
    let issued = server
        .post(&format!("{accounts}/robot/token"), request)
        .await;
    assert_eq!(issued.code, 201, "{:#}", issued.body);
    let token = issued.body["status"]["token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let header = [("authorization", bearer.as_str())];
    let refused = server.ask_unproven("GET", CONFIG_MAPS, &header).await;
    assert_eq!(refused.code, 403);
    assert!(
        refused.body["message"]
            .as_str()
            .unwrap()
            .contains("User \"system:serviceaccount:default:robot\"")
    );
    let review = json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}});
    let review = server
        .post("/apis/authentication.k8s.io/v1/tokenreviews", review)
        .await;
    assert_eq!(review.body["status"]["authenticated"], true);
    assert_eq!(
        review.body["status"]["user"]["username"],
        "system:serviceaccount:default:robot"
    );
    server.delete(&format!("{accounts}/robot")).await;
    server.get(accounts).await;
    assert_eq!(
        server.ask_unproven("GET", CONFIG_MAPS, &header).await.code,
        401,
        "the account is gone"
    );
    let short = json!({"spec": {"expirationSeconds": 5}});
    server
        .create(accounts, json!({"metadata": {"name": "robot"}}))
        .await;
    let short = server.post(&format!("{accounts}/robot/token"), short).await;
    assert_eq!(short.code, 422);
}

#[tokio::test]
async fn reviews_tell_the_truth() {
    let server = start().await;
    let_read(&server, "jane").await;
    let ask = async |user: &str, verb: &str, resource: &str| {
        let review = json!({
            "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "spec": {"resourceAttributes": {"namespace": "default", "verb": verb, "resource": resource}},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = server.ask_as(user, &[], "POST", path, &[], review).await;
        assert_eq!(answer.code, 201, "{:#}", answer.body);
        answer.body["status"]["allowed"].clone()
    };
    assert_eq!(ask("jane", "get", "configmaps").await, true);
    assert_eq!(ask("jane", "delete", "configmaps").await, false);
    assert_eq!(ask("jane", "get", "secrets").await, false);
    let review = json!({
        "spec": {"user": "jane", "resourceAttributes": {"namespace": "default", "verb": "list", "resource": "configmaps"}},
    });
    let other = server
        .post("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        .await;
    assert_eq!(other.body["status"]["allowed"], true);
    let rules = json!({"spec": {"namespace": "default"}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let rules = server
        .ask_as("jane", &[], "POST", path, &[], rules)
        .await
        .body;
    let list = rules["status"]["resourceRules"].as_array().unwrap();
    assert!(
        list.iter().any(|r| r["resources"] == json!(["configmaps"])),
        "{rules:#}"
    );
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let me = server
        .ask_as("jane", &["dev"], "POST", path, &[], json!({}))
        .await;
    assert_eq!(
        me.body["status"]["userInfo"]["groups"],
        json!(["dev", "system:authenticated"])
    );
}

#[tokio::test]
async fn who_may_impersonate_acts_for_others() {
    let server = start().await;
    let_read(&server, "jane").await;
    let as_jane = [("impersonate-user", "jane")];
    assert_eq!(
        server
            .ask_with("GET", CONFIG_MAPS, &as_jane, Value::Null)
            .await
            .code,
        200
    );
    let refused = server.ask_with("GET", PODS, &as_jane, Value::Null).await;
    assert!(
        refused.body["message"]
            .as_str()
            .unwrap()
            .contains("User \"jane\" cannot list")
    );
    let may_not = server
        .ask_as(
            "jane",
            &[],
            "GET",
            CONFIG_MAPS,
            &[("impersonate-user", "admin")],
            Value::Null,
        )
        .await;
    assert_eq!(may_not.code, 403);
    assert_eq!(
        may_not.body["message"],
        "configmaps is forbidden: User \"jane\" cannot impersonate-on:user-info:list resource \"configmaps\" in API group \
         \"\" in the namespace \"default\""
    );
    let nobody = [("impersonate-group", "dev")];
    assert_eq!(
        server
            .ask_with("GET", CONFIG_MAPS, &nobody, Value::Null)
            .await
            .code,
        400
    );
}

#[tokio::test]
async fn aggregated_roles_show_the_rules_of_those_that_they_select() {
    let server = start().await;
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let part = json!({
        "metadata": {"name": "part", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["get"]}],
    });
    server.create(roles, part).await;
    for _ in 0..500 {
        let view = server.get(&format!("{roles}/view")).await.body;
        let rules = view["rules"].as_array().cloned().unwrap_or_default();
        if rules.iter().any(|r| r["resources"] == json!(["widgets"])) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the rules were not gathered");
}
