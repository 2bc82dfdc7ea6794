//! Missions of one name, and Missions that want one object.

use cedge_e2e::manifest::{config_map, deployment, mission};
use cedge_e2e::{Chain, Folder, Site, enabled, text};
use serde_json::Value;

#[test]
fn a_name_written_at_three_layers_makes_three_missions_each_with_its_origin() {
    if !enabled("a_name_written_at_three_layers_makes_three_missions_each_with_its_origin") {
        return;
    }
    let folder = Folder::of("two-masters");
    let tree = Chain::grow(&folder, &["a", "b", "c"], &["--without", "node"]);
    for (site, layers) in tree.sites.iter().zip([3, 2, 1]) {
        let map = config_map(&format!("of-{}", site.name), "said");
        site.apply(&mission("same", &Value::Null, &[map]))
            .expect("a Mission");
        site.until_healthy("same", layers);
    }
    let c = tree.c();
    for map in ["of-a", "of-b", "of-c"] {
        let _ = c.get(&["configmap", map]).expect("each is deployed");
    }
    let mut origins = origins(c);
    origins.sort();
    let mut wanted = vec![
        String::new(),
        identity(tree.b()),
        identity_of_root(tree.b()),
    ];
    wanted.sort();
    assert_eq!(
        origins, wanted,
        "one is its own, the others say whose they are"
    );

    one_deployment_has_one_master(&tree);
}

/// The origin of each Mission called `same` at a site; empty for its own.
fn origins(site: &Site) -> Vec<String> {
    let list = site.get(&["missions"]).expect("the API answers");
    let all = list["items"].as_array().cloned().unwrap_or_default();
    let mark = |m: &Value, name: &str| {
        text(
            m,
            &format!("/metadata/annotations/edge.centaurus.io~1{name}"),
        )
    };
    all.iter()
        .filter(|m| text(m, "/metadata/name").starts_with("same"))
        .map(|m| {
            let name = mark(m, "origin-name");
            assert!(name.is_empty() || name == "same", "{m}");
            mark(m, "origin")
        })
        .collect()
}

fn identity(site: &Site) -> String {
    text(
        &site
            .get(&["edgeuplink", "parent"])
            .expect("the API answers"),
        "/status/identity",
    )
}

fn identity_of_root(child: &Site) -> String {
    let uplink = child
        .get(&["edgeuplink", "parent"])
        .expect("the API answers");
    text(&uplink, "/status/parentIdentity")
}

fn one_deployment_has_one_master(tree: &Chain) {
    let (a, b) = (tree.a(), tree.b());
    let below = serde_json::json!({ "scope": "Descendants" });
    a.apply(&mission("first", &below, &[deployment("shared", 1)]))
        .expect("the first");
    a.until_healthy("first", 2);
    let pods = b.running("shared", 1);
    let here = serde_json::json!({ "scope": "Origin" });
    b.apply(&mission("second", &here, &[deployment("shared", 3)]))
        .expect("the second");
    let second = b.until("the second says so", &["mission", "second"], |m| {
        text(m, "/status/self/state") == "Failed"
            && text(m, "/status/self/reason") == "OwnedByAnotherMission"
    });
    let message = text(&second, "/status/self/message");
    assert!(
        message.contains("shared") && message.contains("first"),
        "{message}"
    );
    a.until_healthy("first", 2);
    assert_eq!(
        b.pods("shared").expect("the API answers"),
        pods,
        "the first's is not touched"
    );
}
