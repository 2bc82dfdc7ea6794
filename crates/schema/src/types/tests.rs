use super::*;
use serde_json::json;

fn pod() -> TypeRef<'static> {
    Types::builtin().of("", "v1", "Pod").unwrap()
}

fn at(mut ty: TypeRef<'static>, path: &str) -> TypeRef<'static> {
    for step in path.split('.') {
        ty = ty.field(step).unwrap().ty();
        ty = ty.item().filter(|_| path.contains('.')).unwrap_or(ty);
    }
    ty
}

#[test]
fn container_ports_are_a_map_by_port_and_protocol_and_patched_by_port() {
    let containers = pod()
        .field("spec")
        .unwrap()
        .ty()
        .field("containers")
        .unwrap()
        .ty();
    let ports = containers.item().unwrap().field("ports").unwrap().ty();
    let Shape::List { topology, .. } = ports.shape() else {
        panic!("ports are a list");
    };
    assert_eq!(topology, ListTopology::Map);
    assert_eq!(
        ports.map_keys().collect::<Vec<_>>(),
        ["containerPort", "protocol"]
    );
    assert_eq!(ports.patch_merge_key(), Some("containerPort"));
    assert!(ports.patch_strategy().merge);
    let protocol = ports.item().unwrap().field("protocol").unwrap();
    assert_eq!(protocol.default(), Some(json!("TCP")));
    assert_eq!(
        protocol.ty().enum_values().collect::<Vec<_>>(),
        ["SCTP", "TCP", "UDP"]
    );
}

#[test]
fn selectors_and_object_references_are_one_value() {
    let deployment = Types::builtin().of("apps", "v1", "Deployment").unwrap();
    assert_eq!(
        at(deployment, "spec.selector").map_topology(),
        MapTopology::Atomic
    );
    let service = Types::builtin().of("", "v1", "Service").unwrap();
    assert_eq!(
        at(service, "spec.selector").map_topology(),
        MapTopology::Atomic
    );
    assert_eq!(
        at(service, "metadata.labels").map_topology(),
        MapTopology::Granular
    );
}

#[test]
fn a_deployment_strategy_retains_keys() {
    let deployment = Types::builtin().of("apps", "v1", "Deployment").unwrap();
    let strategy = at(deployment, "spec.strategy");
    assert_eq!(
        strategy.name(),
        Some("io.k8s.api.apps.v1.DeploymentStrategy")
    );
    assert!(strategy.patch_strategy().retain_keys);
}

#[test]
fn a_custom_resource_has_the_metadata_of_every_object() {
    let types = Types::from_openapi(&json!({
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"x-kubernetes-int-or-string": true, "default": 3},
                    "parts": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                    },
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "pod": {"type": "object", "x-kubernetes-embedded-resource": true,
                            "x-kubernetes-preserve-unknown-fields": true},
                }
            }
        }
    }))
    .unwrap();
    let root = types.root();
    let labels = root
        .field("metadata")
        .unwrap()
        .ty()
        .field("labels")
        .unwrap()
        .ty();
    assert!(labels.additional().is_some());
    let spec = root.field("spec").unwrap().ty();
    let size = spec.field("size").unwrap();
    assert!(size.is_required());
    assert_eq!(size.default(), Some(json!(3)));
    assert!(matches!(
        size.ty().shape(),
        Shape::Scalar(Scalar::IntOrString)
    ));
    assert_eq!(
        spec.field("parts")
            .unwrap()
            .ty()
            .map_keys()
            .collect::<Vec<_>>(),
        ["name"]
    );
    assert!(
        spec.field("free")
            .unwrap()
            .ty()
            .merge_additional()
            .is_some()
    );
    assert!(spec.merge_additional().is_none());
    let pod = spec.field("pod").unwrap().ty();
    assert!(pod.is_embedded_resource() && pod.field("metadata").is_some());
}

#[test]
fn a_schema_nested_beyond_sense_is_refused() {
    let mut schema = json!({"type": "string"});
    for _ in 0..2000 {
        schema = json!({"type": "array", "items": schema});
    }
    let refused = Types::from_openapi(&schema);
    assert!(matches!(refused, Err(SchemaError::TooDeep)));
    // Dropping it recursively is fine at this depth.
}
