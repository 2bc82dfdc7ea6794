use super::*;

#[test]
fn a_document_of_pods_defines_all_it_refers_to() {
    let definitions = Definitions::load();
    let names = definitions.closure(["io.k8s.api.core.v1.Pod"]);
    assert!(names.contains("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
    assert!(names.contains("io.k8s.api.core.v1.Container"));
    for name in &names {
        for dialect in [Dialect::V2, Dialect::V3] {
            let text = definitions.definition(name, dialect).unwrap().to_string();
            for reference in text.split("$ref\":\"").skip(1) {
                let end = reference.find('"').unwrap();
                let to = reference[..end].rsplit('/').next().unwrap();
                assert!(names.contains(to), "{name} refers to {to}");
            }
        }
    }
}

#[test]
fn a_field_tells_its_description_and_kinds_stand_on_their_type() {
    let definitions = Definitions::load();
    let pod = definitions
        .definition("io.k8s.api.core.v1.Pod", Dialect::V3)
        .unwrap();
    assert_eq!(
        pod["x-kubernetes-group-version-kind"],
        json!([{"group": "", "kind": "Pod", "version": "v1"}])
    );
    let ty = crate::builtin().of("", "v1", "Pod").unwrap();
    let text = definitions.field_description(ty, "metadata").unwrap();
    assert!(text.starts_with("Standard object's metadata."));
    assert_eq!(
        pod["properties"]["spec"]["allOf"][0]["$ref"],
        "#/components/schemas/io.k8s.api.core.v1.PodSpec"
    );
    assert_eq!(pod["properties"]["spec"]["default"], json!({}));
}
