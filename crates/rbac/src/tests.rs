use serde_json::{Value, json};

use crate::{
    Decision, Grant, Object, Policy, Request, Rule, Target, User, bootstrap, escalation,
    rules_review,
};

fn object(kind: &str, name: &str, body: Value) -> Object {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    let mut body = body;
    body["metadata"]["name"] = json!(name);
    body["metadata"]["namespace"] = json!(namespace);
    Object::read(kind, &body).unwrap()
}

fn policy(objects: &[(&str, &str, Value)]) -> Policy {
    Policy::of(objects.iter().map(|(k, n, b)| object(k, n, b.clone())))
}

fn bound(kind: &str, role: &str, subjects: impl Into<Value>) -> Value {
    let subjects = subjects.into();
    json!({"roleRef": {"kind": kind, "name": role}, "subjects": subjects})
}

fn jo() -> Value {
    json!([{"kind": "User", "name": "jo"}])
}

fn groups(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

/// `apps/deployments/scale@ns:name`, or a path.
fn target(text: &str) -> Target<'_> {
    if text.starts_with('/') {
        return Target::Path(text);
    }
    let (place, name) = text.split_once(':').unwrap_or((text, ""));
    let (what, namespace) = place.split_once('@').unwrap_or((place, ""));
    let mut parts = what.splitn(3, '/');
    let mut next = || parts.next().unwrap_or_default();
    Target::Resource {
        group: next(),
        resource: next(),
        subresource: next(),
        namespace,
        name,
    }
}

fn ask(policy: &Policy, user: &str, in_groups: &[&str], verb: &str, what: &str) -> Decision {
    let groups = groups(in_groups);
    let user = User {
        name: user,
        groups: &groups,
    };
    let target = target(what);
    policy.authorize(&user, &Request { verb, target })
}

fn rule(body: Value) -> Rule {
    serde_json::from_value(body).unwrap()
}

fn allows(rule: &Rule, verb: &str, what: &str) -> bool {
    let target = target(what);
    rule.allows(&Request { verb, target })
}

#[test]
fn a_rule_allows_what_it_names_and_nothing_beside_it() {
    let scale = rule(json!({"verbs": ["get"], "apiGroups": ["apps"], "resources": ["*/scale"]}));
    let pods = rule(json!({"verbs": ["*"], "apiGroups": [""], "resources": ["pods", "pods/log"]}));
    let one = rule(
        json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"],
        "resourceNames": ["a"]}),
    );
    let all = rule(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
    let paths = rule(json!({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/metrics/*"]}));
    for (rule, verb, what, expected) in [
        (&scale, "get", "apps/deployments/scale@x", true),
        (&scale, "get", "apps/deployments@x", false),
        (&scale, "get", "batch/deployments/scale@x", false),
        (&scale, "update", "apps/deployments/scale@x", false),
        (&scale, "get", "apps/deployments/status@x", false),
        (&pods, "delete", "/pods", false),
        (&one, "get", "/secrets", false),
        (&paths, "get", "/healthz", true),
        (&paths, "get", "/healthz/etcd", false),
        (&paths, "get", "/metrics/x", true),
        (&paths, "get", "/metrics", false),
        (&paths, "post", "/healthz", false),
        (&all, "get", "/healthz", false),
        (&all, "escalate", "x/y/z@n:m", true),
    ] {
        assert_eq!(allows(rule, verb, what), expected, "{rule} {verb} {what}");
    }
    let core = |resource, subresource, name| Target::Resource {
        group: "",
        resource,
        subresource,
        namespace: "n",
        name,
    };
    for (rule, target, expected) in [
        (&pods, core("pods", "", ""), true),
        (&pods, core("pods", "log", "x"), true),
        (&pods, core("pods", "exec", "x"), false),
        (&pods, core("nodes", "", ""), false),
        (&one, core("secrets", "", "a"), true),
        (&one, core("secrets", "", "b"), false),
        (&one, core("secrets", "", ""), false),
    ] {
        let request = Request {
            verb: "get",
            target,
        };
        assert_eq!(rule.allows(&request), expected, "{rule} {target:?}");
    }
}

fn reader() -> Value {
    json!({"rules": [{"verbs": ["get", "list"], "apiGroups": ["apps"], "resources": ["deployments"]}]})
}

#[test]
fn a_role_binding_reaches_its_namespace_and_a_cluster_role_binding_every_one() {
    let policy = policy(&[
        ("ClusterRole", "reader", reader()),
        (
            "RoleBinding",
            "shop/jo",
            bound("ClusterRole", "reader", jo()),
        ),
        (
            "ClusterRoleBinding",
            "ops",
            bound(
                "ClusterRole",
                "reader",
                json!([{"kind": "Group", "name": "ops"}]),
            ),
        ),
    ]);
    let may = |user, groups: &[&str], what| ask(&policy, user, groups, "list", what);
    assert_eq!(
        may("jo", &[], "apps/deployments@shop").reason(),
        "RBAC: allowed by RoleBinding \"jo/shop\" of ClusterRole \"reader\" to User \"jo\""
    );
    assert!(!may("jo", &[], "apps/deployments@other").is_allowed());
    assert!(!may("jo", &[], "apps/deployments").is_allowed());
    assert_eq!(
        may("x", &["ops"], "apps/deployments").reason(),
        "RBAC: allowed by ClusterRoleBinding \"ops\" of ClusterRole \"reader\" to Group \"ops\""
    );
    assert!(!may("ops", &[], "apps/deployments").is_allowed());
}

#[test]
fn a_service_account_without_a_namespace_is_that_of_the_binding() {
    let till = json!([{"kind": "ServiceAccount", "name": "till"}]);
    let policy = policy(&[
        ("ClusterRole", "reader", reader()),
        (
            "RoleBinding",
            "shop/t",
            bound("ClusterRole", "reader", till.clone()),
        ),
        (
            "ClusterRoleBinding",
            "t",
            bound("ClusterRole", "reader", till),
        ),
    ]);
    let may = |user, what| ask(&policy, user, &[], "get", what);
    assert_eq!(
        may("system:serviceaccount:shop:till", "apps/deployments@shop").reason(),
        "RBAC: allowed by RoleBinding \"t/shop\" of ClusterRole \"reader\" \
         to ServiceAccount \"till/shop\""
    );
    assert!(!may("system:serviceaccount:other:till", "apps/deployments@shop").is_allowed());
    assert!(!may("system:serviceaccount:shop:till", "apps/deployments@other").is_allowed());
    assert!(!may("system:serviceaccount::till", "apps/deployments").is_allowed());
}

#[test]
fn a_missing_role_denies_and_is_named() {
    let policy = policy(&[
        (
            "ClusterRoleBinding",
            "a",
            bound("ClusterRole", "gone", jo()),
        ),
        (
            "ClusterRoleBinding",
            "b",
            bound("ClusterRole", "gone", jo()),
        ),
        ("RoleBinding", "n/c", bound("Role", "lost", jo())),
    ]);
    let missing = "clusterrole.rbac.authorization.k8s.io \"gone\" not found";
    assert_eq!(
        ask(&policy, "jo", &[], "get", "apps/x").reason(),
        format!("RBAC: {missing}")
    );
    assert_eq!(
        ask(&policy, "jo", &[], "get", "apps/x@n").reason(),
        format!("RBAC: [{missing}, role.rbac.authorization.k8s.io \"lost\" not found]")
    );
}

#[test]
fn what_is_removed_allows_nothing_any_more() {
    let mut policy = policy(&[
        ("Role", "n/r", reader()),
        ("RoleBinding", "n/b", bound("Role", "r", jo())),
    ]);
    let may = |p: &Policy| ask(p, "jo", &[], "get", "apps/deployments@n").is_allowed();
    assert!(may(&policy));
    policy.remove("Role", "n", "r");
    assert!(!may(&policy));
    policy.put(object("Role", "n/r", reader()));
    assert!(may(&policy));
    policy.remove("RoleBinding", "n", "b");
    assert!(!may(&policy));
    policy.remove("RoleBinding", "other", "b");
}

#[test]
fn a_refusal_reads_as_in_kubernetes() {
    let none = groups(&[]);
    let user = User {
        name: "jo",
        groups: &none,
    };
    let say = |verb, target, reason: &str| Request { verb, target }.forbidden(&user, reason);
    let deployment = |name| Target::Resource {
        group: "apps",
        resource: "deployments",
        subresource: "scale",
        namespace: "shop",
        name,
    };
    assert_eq!(
        say("patch", deployment("web"), "RBAC: x"),
        "deployments.apps \"web\" is forbidden: User \"jo\" cannot patch resource \
         \"deployments/scale\" in API group \"apps\" in the namespace \"shop\": RBAC: x"
    );
    let nodes = Target::Resource {
        group: "",
        resource: "nodes",
        subresource: "",
        namespace: "",
        name: "",
    };
    assert_eq!(
        say("list", nodes, ""),
        "nodes is forbidden: User \"jo\" cannot list resource \"nodes\" in API group \"\" \
         at the cluster scope"
    );
    assert_eq!(
        say("get", Target::Path("/metrics"), ""),
        "forbidden: User \"jo\" cannot get path \"/metrics\""
    );
}

fn bootstrapped() -> Policy {
    Policy::of(bootstrap::objects().map(|o| {
        let kind = o["kind"].as_str().unwrap().to_owned();
        Object::read(&kind, &o).unwrap()
    }))
}

#[test]
fn every_bootstrap_object_is_read_and_every_binding_finds_its_role() {
    assert_eq!(bootstrap::objects().count(), 141);
    let policy = bootstrapped();
    for object in bootstrap::objects() {
        if let Some(role) = object.get("roleRef") {
            let role = serde_json::from_value(role.clone()).unwrap();
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or("");
            assert!(policy.role(&role, namespace).is_ok(), "{object}");
        }
    }
}

#[test]
fn the_usual_roles_hold_what_they_are_known_for() {
    let mut policy = bootstrapped();
    for role in ["view", "edit", "admin", "cluster-admin"] {
        let subject = json!([{"kind": "User", "name": role}]);
        let binding = bound("ClusterRole", role, subject);
        policy.put(object("RoleBinding", &format!("n/{role}"), binding));
    }
    let may = |user, verb, group, resource| {
        let target = Target::Resource {
            group,
            resource,
            subresource: "",
            namespace: "n",
            name: "",
        };
        let user = User {
            name: user,
            groups: &[],
        };
        policy
            .authorize(&user, &Request { verb, target })
            .is_allowed()
    };
    for (user, verb, group, resource, expected) in [
        ("view", "list", "", "pods", true),
        ("view", "get", "", "secrets", false),
        ("view", "delete", "", "pods", false),
        ("edit", "delete", "apps", "deployments", true),
        ("edit", "get", "", "secrets", true),
        (
            "edit",
            "create",
            "rbac.authorization.k8s.io",
            "rolebindings",
            false,
        ),
        (
            "admin",
            "create",
            "rbac.authorization.k8s.io",
            "rolebindings",
            true,
        ),
        ("admin", "list", "", "pods", true),
        ("admin", "create", "edge.centaurus.io", "missions", false),
        (
            "cluster-admin",
            "create",
            "edge.centaurus.io",
            "missions",
            true,
        ),
    ] {
        let answer = may(user, verb, group, resource);
        assert_eq!(answer, expected, "{user} {verb} {group}/{resource}");
    }
    let anybody = ["system:unauthenticated"];
    let ask = |what| ask(&policy, "system:anonymous", &anybody, "get", what).is_allowed();
    assert!(ask("/healthz") && ask("/version") && !ask("/metrics") && !ask("/api"));
}

#[test]
fn masters_may_do_everything_even_without_a_rule() {
    let decision = ask(
        &Policy::default(),
        "x",
        &["system:masters"],
        "zap",
        "a/b@c:d",
    );
    assert_eq!(
        decision,
        Decision::Allowed {
            reason: String::new()
        }
    );
}

#[test]
fn an_aggregated_role_follows_the_roles_that_it_selects_even_in_circles() {
    let selects = |label: &str, own: &str| {
        json!({"metadata": {"labels": {own: "true"}},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]},
            "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]})
    };
    let mut part = reader();
    part["metadata"] = json!({"labels": {"b": "true", "tier": "x"}});
    let by_expression = json!({"aggregationRule": {"clusterRoleSelectors": [
        {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["x", "y"]}]},
        {"matchExpressions": [{"key": "tier", "operator": "Odd"}]}]}});
    let mut policy = policy(&[
        ("ClusterRole", "one", selects("b", "a")),
        ("ClusterRole", "two", selects("a", "b")),
        ("ClusterRole", "three", by_expression),
        ("ClusterRole", "part", part.clone()),
    ]);
    let wanted = [rule(part["rules"][0].clone())];
    for name in ["one", "two", "three"] {
        assert_eq!(policy.aggregated(name), Some(&wanted[..]), "{name}");
    }
    assert_eq!(policy.aggregated("part"), None);
    assert_eq!(
        policy.aggregated_names().collect::<Vec<_>>(),
        ["one", "three", "two"]
    );
    policy.remove("ClusterRole", "", "part");
    assert_eq!(policy.aggregated("one"), Some(&[][..]));
}

#[test]
fn granting_more_than_one_holds_is_refused_with_what_is_missing() {
    let wide = json!({"rules": [
        {"verbs": ["get", "list", "delete"], "apiGroups": ["apps"], "resources": ["deployments"]},
        {"verbs": ["get"], "nonResourceURLs": ["/metrics"]},
    ]});
    let policy = policy(&[
        ("ClusterRole", "reader", reader()),
        ("ClusterRole", "wide", wide.clone()),
        (
            "ClusterRoleBinding",
            "jo",
            bound("ClusterRole", "reader", jo()),
        ),
    ]);
    let none = groups(&["dev", "ops"]);
    let user = User {
        name: "jo",
        groups: &none,
    };
    let check = |new: &Object| escalation::check(&policy, &user, new, None);
    assert_eq!(check(&object("ClusterRole", "same", reader())), Ok(()));
    assert_eq!(check(&object("Role", "n/same", reader())), Ok(()));
    let message = "user \"jo\" (groups=[\"dev\" \"ops\"]) is attempting to grant RBAC permissions \
        not currently held:\n\
        {APIGroups:[\"apps\"], Resources:[\"deployments\"], Verbs:[\"delete\"]}\n\
        {NonResourceURLs:[\"/metrics\"], Verbs:[\"get\"]}";
    assert_eq!(
        check(&object("ClusterRole", "more", wide)),
        Err(message.into())
    );
    let binding = bound("ClusterRole", "wide", jo());
    assert_eq!(
        check(&object("RoleBinding", "n/b", binding)),
        Err(message.into())
    );
    let binding = bound("ClusterRole", "reader", jo());
    assert_eq!(check(&object("RoleBinding", "n/b", binding)), Ok(()));
    let aggregated = json!({"aggregationRule": {"clusterRoleSelectors": [{}]}});
    assert_eq!(
        check(&object("ClusterRole", "agg", aggregated)),
        Err("must have cluster-admin privileges to use the aggregationRule".into())
    );
}

#[test]
fn who_may_escalate_or_bind_needs_not_hold_it() {
    let rbac = |verb: &str, names: Value| {
        json!({"rules": [{"verbs": [verb], "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles", "roles"], "resourceNames": names}]})
    };
    let policy = policy(&[
        (
            "ClusterRole",
            "wide",
            json!({"rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]}),
        ),
        ("ClusterRole", "binder", rbac("bind", json!(["wide"]))),
        ("ClusterRole", "climber", rbac("escalate", json!([]))),
        ("RoleBinding", "n/jo", bound("ClusterRole", "binder", jo())),
        (
            "ClusterRoleBinding",
            "al",
            bound(
                "ClusterRole",
                "climber",
                json!([{"kind": "User", "name": "al"}]),
            ),
        ),
    ]);
    let check = |name, new: &Object| {
        let user = User { name, groups: &[] };
        escalation::check(&policy, &user, new, None)
    };
    let binding = bound("ClusterRole", "wide", jo());
    assert_eq!(
        check("jo", &object("RoleBinding", "n/x", binding.clone())),
        Ok(())
    );
    assert!(check("jo", &object("RoleBinding", "m/x", binding.clone())).is_err());
    assert!(check("jo", &object("ClusterRoleBinding", "x", binding)).is_err());
    let role = json!({"rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]});
    assert_eq!(check("al", &object("Role", "n/x", role.clone())), Ok(()));
    assert!(check("jo", &object("Role", "n/x", role)).is_err());
}

#[test]
fn covering_knows_stars_subresources_names_and_path_prefixes() {
    let r = |verbs: &str, resources: &str, names: &[&str]| {
        rule(
            json!({"verbs": [verbs], "apiGroups": ["g"], "resources": [resources], "resourceNames": names}),
        )
    };
    let p = |url: &str| rule(json!({"verbs": ["get"], "nonResourceURLs": [url]}));
    for (held, wanted, covered) in [
        (r("*", "*", &[]), r("get", "a/b", &["n"]), true),
        (r("get", "*/b", &[]), r("get", "a/b", &[]), true),
        (r("get", "*/b", &[]), r("get", "a", &[]), false),
        (r("get", "a", &["n"]), r("get", "a", &[]), false),
        (r("get", "a", &["n"]), r("get", "a", &["n"]), true),
        (r("get", "a", &["n"]), r("get", "a", &["n", "m"]), false),
        (r("get", "a", &[]), r("*", "a", &[]), false),
        (p("/x/*"), p("/x/y"), true),
        (p("/x/*"), p("/x"), false),
        (p("*"), p("/x/*"), true),
    ] {
        let missing =
            escalation::missing(std::slice::from_ref(&held), std::slice::from_ref(&wanted));
        assert_eq!(missing.is_empty(), covered, "{held} {wanted}");
    }
}

#[test]
fn a_rules_review_lists_resources_and_paths() {
    let policy = policy(&[
        (
            "ClusterRole",
            "r",
            json!({"rules": [
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]},
            {"verbs": ["get"], "nonResourceURLs": ["/x"]}]}),
        ),
        ("ClusterRoleBinding", "b", bound("ClusterRole", "r", jo())),
        ("RoleBinding", "n/b", bound("ClusterRole", "gone", jo())),
    ]);
    let user = User {
        name: "jo",
        groups: &[],
    };
    assert_eq!(
        rules_review(&policy, &user, "n"),
        json!({
            "resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}],
            "incomplete": false,
            "evaluationError": "clusterrole.rbac.authorization.k8s.io \"gone\" not found",
        })
    );
}

#[test]
fn reconciling_gives_back_what_was_taken_and_keeps_what_was_added() {
    let wanted = json!({"metadata": {"name": "r", "labels": {"l": "1"},
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}},
        "rules": [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}]});
    assert_eq!(bootstrap::reconcile(&wanted, &wanted), None);
    let mut changed = wanted.clone();
    changed["rules"] =
        json!([{"verbs": ["get", "watch"], "apiGroups": [""], "resources": ["pods"]}]);
    let updated = bootstrap::reconcile(&changed, &wanted).unwrap();
    assert_eq!(updated["rules"][0], changed["rules"][0]);
    assert_eq!(
        updated["rules"][1],
        json!({"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]})
    );
    changed["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] =
        json!("false");
    assert_eq!(bootstrap::reconcile(&changed, &wanted), None);
    let binding = |subjects: Value| json!({"metadata": {}, "subjects": subjects});
    let updated = bootstrap::reconcile(&binding(Value::Null), &binding(jo())).unwrap();
    assert_eq!(updated["subjects"], jo());
}

#[test]
fn damaged_objects_are_refused_and_nulls_are_empty() {
    assert!(
        Object::read(
            "ClusterRole",
            &json!({"metadata": {"name": "x"}, "rules": "no"})
        )
        .is_err()
    );
    assert!(Object::read("Pod", &json!({"metadata": {"name": "x"}})).is_err());
    assert!(Object::read("ClusterRole", &json!("x")).is_err());
    let null = json!({"metadata": {"name": "x", "labels": null}, "rules": null});
    assert!(Object::read("ClusterRole", &null).is_ok());
}

#[test]
fn a_grant_allows_what_no_object_does_and_outlives_every_change_of_objects() {
    let grant = Grant {
        user: "part".into(),
        namespace: "here".into(),
        rules: vec![Rule::on("x", &["widgets"], &["create"])],
    };
    let may = |policy: &Policy, user: &str, verb: &str, what: &str| {
        ask(policy, user, &[], verb, what).is_allowed()
    };
    let mut policy = Policy::default().granting(vec![grant.clone()]);
    for _ in 0..2 {
        assert!(may(&policy, "part", "create", "x/widgets@here"));
        assert!(!may(&policy, "part", "delete", "x/widgets@here"));
        assert!(!may(&policy, "part", "create", "x/widgets@there"));
        assert!(!may(&policy, "part", "create", "x/widgets"));
        assert!(!may(&policy, "jo", "create", "x/widgets@here"));
        policy.replace([]);
    }
    let user = User {
        name: "part",
        groups: &[],
    };
    let review = |namespace| rules_review(&policy, &user, namespace)["resourceRules"].clone();
    assert_eq!(review("here")[0]["verbs"], json!(["create"]));
    assert_eq!(review("there"), json!([]));
    // As objects the grant says the same.
    let objects = ["Role", "RoleBinding"]
        .into_iter()
        .zip(grant.objects("granted"));
    let stored = Policy::of(objects.map(|(kind, o)| Object::read(kind, &o).unwrap()));
    assert!(may(&stored, "part", "create", "x/widgets@here"));
    assert!(!may(&stored, "part", "create", "x/widgets@there"));
}
