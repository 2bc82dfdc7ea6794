use super::*;

#[test]
fn a_path_reads_as_it_was_written() {
    for text in [".", "europe", "europe/plant-7/line-2"] {
        assert_eq!(text.parse::<ClusterPath>().unwrap().to_string(), text);
    }
    assert!("europe//x".parse::<ClusterPath>().is_err());
    assert!("Europe".parse::<ClusterPath>().is_err());
}

#[test]
fn a_received_name_carries_six_signs_of_its_origin() {
    let id = ClusterId::from_digest(&[0xab; 32]);
    assert_eq!(names::received_name("web", &id), "web.ababab");
    assert_eq!(id.as_str().parse::<ClusterId>().unwrap(), id);
}

#[test]
fn the_definitions_are_structural_and_serve_status() {
    for crd in custom_resource_definitions() {
        let version = &crd.spec.versions[0];
        assert!(version.subresources.as_ref().unwrap().status.is_some());
        let schema = serde_json::to_string(&version.schema).unwrap();
        assert!(!schema.contains("$ref"), "{schema}");
    }
}

#[test]
fn what_an_edge_cluster_asks_of_its_child_is_bounded() {
    let definition = serde_json::to_value(edgecluster::definition()).unwrap();
    let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        ["properties"];
    let bounds = |field: &str| (&spec[field]["minimum"], &spec[field]["maximum"]);
    assert_eq!(bounds("heartbeatSeconds"), (&5.0.into(), &3600.0.into()));
    assert_eq!(bounds("reportSeconds").1, &3600.0);
    assert_eq!(
        spec["deletionPolicy"]["enum"],
        serde_json::json!(["Keep", "Withdraw"])
    );
    assert_eq!(spec["deletionPolicy"]["default"], "Keep");
    let read: EdgeClusterSpec = serde_json::from_str("{}").unwrap();
    assert_eq!(read.deletion_policy, DeletionPolicy::Keep);
    assert_eq!(read.heartbeat_seconds, None);
}
