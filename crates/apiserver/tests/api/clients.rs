//! kube-rs without a socket.

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    Api, ListParams, ObjectMeta, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::runtime::watcher::{self, Event};

use crate::support::start;

fn map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

#[tokio::test]
async fn kube_rs_reads_writes_and_watches() {
    let server = start().await;
    let client = server.api.client("controller", ["system:masters"]);
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    let created = maps
        .create(&PostParams::default(), &map("a"))
        .await
        .unwrap();
    assert!(maps.get_opt("none").await.unwrap().is_none());
    let from = created.metadata.resource_version.unwrap();
    let mut events = std::pin::pin!(maps.watch(&WatchParams::default(), &from).await.unwrap());
    let apply = serde_json::json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"k": "v"}});
    let params = PatchParams::apply("test");
    maps.patch("a", &params, &Patch::Apply(apply))
        .await
        .unwrap();
    match events.try_next().await.unwrap().unwrap() {
        WatchEvent::Modified(map) => assert_eq!(map.data.unwrap()["k"], "v"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        maps.list(&ListParams::default()).await.unwrap().items.len(),
        1
    );
    let error = maps
        .create(&PostParams::default(), &map("a"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("already exists"), "{error}");
}

#[tokio::test]
async fn a_watcher_starts_with_a_streaming_list() {
    let server = start().await;
    let client = server.api.client("controller", ["system:masters"]);
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    for name in ["a", "b"] {
        maps.create(&PostParams::default(), &map(name))
            .await
            .unwrap();
    }
    let mut events = std::pin::pin!(watcher::watcher(
        maps,
        watcher::Config::default().streaming_lists()
    ));
    let mut seen = Vec::new();
    while let Some(event) = events.try_next().await.unwrap() {
        match event {
            Event::InitApply(map) => seen.push(map.metadata.name.unwrap()),
            Event::InitDone => break,
            Event::Init | Event::Apply(_) | Event::Delete(_) => {}
        }
    }
    assert_eq!(seen, ["a", "b"]);
}

#[tokio::test]
async fn a_thousand_watchers_see_every_change_in_order() {
    let server = start().await;
    let mut watches = Vec::new();
    for _ in 0..1000 {
        watches.push(
            server
                .watch("/api/v1/namespaces/default/configmaps?watch=1")
                .await,
        );
    }
    for i in 0..20 {
        server
            .create(
                crate::support::CONFIG_MAPS,
                crate::support::config_map(&format!("c{i:02}"), "1"),
            )
            .await;
    }
    for watch in &mut watches {
        for i in 0..20 {
            assert_eq!(watch.short().await, ("ADDED".into(), format!("c{i:02}")));
        }
    }
}
