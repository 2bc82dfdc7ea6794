use super::*;

fn spec(value: Value) -> MissionSpec {
    serde_json::from_value(value).unwrap()
}

fn labels() -> Labels {
    [("site".to_owned(), "plant-7".to_owned())].into()
}

#[test]
fn overrides_and_variables_make_the_clusters_own_objects() {
    let spec = spec(json!({
        "content": {"manifests": [{
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{
                "name": "a", "args": ["${cluster.path}", "${cluster.labels.site}", "$${cluster.name}", "${HOME}"]
            }]}}}
        }]},
        "overrides": [
            {"selector": {"matchLabels": {"site": "plant-7"}}, "target": {"kind": "Deployment"},
             "jsonPatch": [{"op": "replace", "path": "/spec/replicas", "value": 3}]},
            {"clusters": ["asia/**"], "mergePatch": {"spec": {"replicas": 9}}},
            {"mergePatch": {"metadata": {"annotations": {"on": "${cluster.name}"}}}}
        ]
    }));
    let path = "europe/plant-7".parse().unwrap();
    let cluster = Cluster {
        name: "plant-7",
        path: &path,
        labels: &labels(),
    };
    let objects = render(&spec, "web.abcdef", cluster).unwrap();
    assert_eq!(objects[0]["spec"]["replicas"], 3);
    assert_eq!(objects[0]["metadata"]["annotations"]["on"], "plant-7");
    assert_eq!(
        objects[0]["metadata"]["labels"][marks::MISSION],
        "web.abcdef"
    );
    assert_eq!(
        objects[0]["spec"]["template"]["spec"]["containers"][0]["args"],
        json!(["europe/plant-7", "plant-7", "${cluster.name}", "${HOME}"])
    );
}

#[test]
fn a_variable_that_is_not_there_is_named_with_those_that_are() {
    let spec = spec(json!({"content": {"manifests": [{
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "${cluster.labels.tier}"}
    }]}}));
    let path = ClusterPath::here();
    let cluster = Cluster {
        name: "x",
        path: &path,
        labels: &labels(),
    };
    assert_eq!(
        render(&spec, "a", cluster).unwrap_err().to_string(),
        "${cluster.labels.tier} in v1 ConfigMap a: this cluster has cluster.name, cluster.path, cluster.labels.site"
    );
}

#[test]
fn malformed_content_is_refused_with_its_field() {
    for (manifest, expected) in [
        (
            json!({"kind": "Pod"}),
            "spec.content.manifests[0].apiVersion: Required value",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod"}),
            "spec.content.manifests[0].metadata.name: Required value",
        ),
        (
            json!({"apiVersion": "edge.centaurus.io/v1alpha1", "kind": "Mission", "metadata": {"name": "a"}}),
            "spec.content.manifests[0]: a Mission cannot carry kinds of edge.centaurus.io",
        ),
    ] {
        let error = check(&spec(json!({"content": {"manifests": [manifest]}}))).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let bad = spec(json!({"overrides": [{"jsonPatch": [{"op": "jump", "path": "/a"}]}]}));
    assert!(
        check(&bad)
            .unwrap_err()
            .to_string()
            .starts_with("spec.overrides[0].jsonPatch: not RFC 6902")
    );
}
