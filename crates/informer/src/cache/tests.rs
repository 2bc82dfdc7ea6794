use std::sync::Mutex;

use super::*;

fn cache() -> Cache {
    Cache::new(
        ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&()),
        true,
    )
}

fn pod(name: &str, uid: &str, revision: u32, owner: &str, node: &str) -> Vec<u8> {
    serde_json::json!({
        "metadata": {"namespace": "a", "name": name, "uid": uid, "resourceVersion": revision.to_string(),
            "creationTimestamp": "2026-11-23T00:00:00Z", "labels": {"app": name}, "managedFields": null,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": owner, "controller": true}]},
        "spec": {"nodeName": node, "containers": []},
    })
    .to_string()
    .into_bytes()
}

fn told(cache: &Cache) -> Arc<Mutex<Vec<String>>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    cache.subscribe(move |change| {
        let line = match change {
            Change::Added(o) => format!("+{}", o.name()),
            Change::Updated { old, new } => {
                format!("{}:{}→{}", new.name(), old.revision(), new.revision())
            }
            Change::Deleted(o) => format!("-{}", o.name()),
        };
        log.lock().unwrap().push(line);
    });
    told
}

fn names(objects: &[Arc<Object>]) -> Vec<&str> {
    objects.iter().map(|o| o.name()).collect()
}

#[test]
fn indices_follow_every_change() {
    let cache = cache();
    cache.put(cache.parse(&pod("p", "1", 1, "x", "n1")).unwrap());
    cache.index("node", |o| {
        let pod: k8s_openapi::api::core::v1::Pod = o.decode().unwrap();
        pod.spec.unwrap().node_name.into_iter().collect()
    });
    cache.put(cache.parse(&pod("q", "2", 2, "x", "n1")).unwrap());
    assert_eq!(names(&cache.by_index("node", "n1")), ["p", "q"]);
    assert_eq!(names(&cache.by_owner("x")), ["p", "q"]);
    cache.put(cache.parse(&pod("p", "1", 3, "y", "n2")).unwrap());
    assert_eq!(names(&cache.by_index("node", "n1")), ["q"]);
    assert_eq!(names(&cache.by_index("node", "n2")), ["p"]);
    assert_eq!(names(&cache.by_owner("y")), ["p"]);
    cache.remove(cache.parse(&pod("q", "2", 4, "x", "n1")).unwrap());
    assert!(cache.by_index("node", "n1").is_empty() && cache.by_owner("x").is_empty());
    assert!(cache.namespace("b").is_empty());
    assert_eq!(names(&cache.namespace("a")), ["p"]);
}

#[test]
fn a_relist_tells_only_what_differs_and_what_vanished() {
    let cache = cache();
    for (name, revision) in [("p", 1), ("q", 2), ("r", 3)] {
        cache.put(cache.parse(&pod(name, name, revision, "x", "")).unwrap());
    }
    let told = told(&cache);
    assert_eq!(*told.lock().unwrap(), ["+p", "+q", "+r"]);
    told.lock().unwrap().clear();
    cache.put(cache.parse(&pod("p", "p", 1, "x", "")).unwrap());
    cache.put(cache.parse(&pod("q", "q", 9, "x", "")).unwrap());
    cache.keep_only(&[Key::new("a", "p"), Key::new("a", "q")].into());
    assert_eq!(*told.lock().unwrap(), ["q:2→9", "-r"]);
    assert!(cache.is_synced());
}

#[test]
fn an_object_made_again_under_its_name_is_a_deletion_and_an_addition() {
    let cache = cache();
    cache.put(cache.parse(&pod("p", "1", 1, "x", "")).unwrap());
    let told = told(&cache);
    cache.put(cache.parse(&pod("p", "2", 5, "x", "")).unwrap());
    assert_eq!(*told.lock().unwrap(), ["+p", "-p", "+p"]);
}

#[test]
fn a_value_has_its_kind_even_if_the_list_left_it_out() {
    let cache = cache();
    cache.put(cache.parse(&pod("p", "1", 1, "x", "")).unwrap());
    let value = cache.get("a", "p").unwrap().value().unwrap();
    assert_eq!(
        (&value["apiVersion"], &value["kind"]),
        (&"v1".into(), &"Pod".into())
    );
}
