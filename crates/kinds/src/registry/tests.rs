use super::{Generation, all, find, of};

#[test]
fn every_line_of_the_table_is_a_kind() {
    assert!(all().len() > 60);
    for kind in all() {
        assert!(!kind.verbs.is_empty(), "{}", kind.kind);
        assert!(kind.storage().kind == kind.kind);
    }
}

#[test]
fn a_pod_is_what_kubernetes_says_it_is() {
    let pod = find("", "v1", "pods").unwrap();
    assert_eq!(pod.singular, "pod");
    assert_eq!(pod.short_names, ["po"]);
    assert_eq!(pod.categories, ["all"]);
    assert!(pod.namespaced);
    assert_eq!(pod.subresource("eviction").unwrap().group, "policy");
    assert_eq!(pod.subresource("status").unwrap().kind, "Pod");
    assert_eq!(pod.subresource("proxy").unwrap().kind, "PodProxyOptions");
    assert!(
        !find("", "v1", "namespaces")
            .unwrap()
            .has_verb("deletecollection")
    );
    assert!(
        !find("authentication.k8s.io", "v1", "tokenreviews")
            .unwrap()
            .is_stored()
    );
}

#[test]
fn two_doors_lead_to_one_storage() {
    let events = of("events.k8s.io", "v1", "Event").unwrap();
    assert_eq!(events.storage().group, "");
    let hpa = of("autoscaling", "v1", "HorizontalPodAutoscaler").unwrap();
    assert_eq!(hpa.storage().version, "v2");
}

#[test]
fn a_deployment_rises_with_its_annotations() {
    let kind = of("apps", "v1", "Deployment").unwrap();
    let Generation::Parts { starts, parts } = &kind.generation else {
        panic!("deployments have a generation")
    };
    assert!(starts);
    assert_eq!(parts, &["spec", "annotations"]);
    assert_eq!(
        of("", "v1", "Service").unwrap().generation,
        Generation::None
    );
}
