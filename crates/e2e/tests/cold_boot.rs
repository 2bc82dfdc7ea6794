//! A site that lost power, and comes back without its parent.

use cedge_e2e::manifest::{deployment, mission};
use cedge_e2e::{Chain, Folder, enabled, number, text};
use serde_json::{Value, json};

#[test]
fn a_cut_off_subtree_that_lost_power_boots_with_everything() {
    if !enabled("a_cut_off_subtree_that_lost_power_boots_with_everything") {
        return;
    }
    let folder = Folder::of("cold-boot");
    let mut tree = Chain::grow(&folder, &["a", "b", "c"], &["--without", "node"]);
    let below = json!({ "scope": "Descendants" });
    let made = tree
        .a()
        .apply(&mission("work", &below, &[deployment("work", 2)]));
    made.expect("a Mission at a");
    let local = mission("local", &Value::Null, &[deployment("local", 1)]);
    tree.b().apply(&local).expect("a Mission at b");
    tree.a().until_healthy("work", 2);
    tree.b().until_healthy("local", 2);
    let uid = |site: &cedge_e2e::Site| {
        let deployment = site.get(&["deployment", "work"]).expect("the Deployment");
        text(&deployment, "/metadata/uid")
    };
    let before = (uid(tree.b()), uid(tree.c()));

    tree.wire.cut();
    tree.sites[1].kill();
    tree.sites[2].kill();
    tree.sites[1].start();
    tree.sites[2].start();

    let (b, c) = (tree.b(), tree.c());
    for site in [b, c] {
        let _ = (site.running("work", 2), site.running("local", 1));
    }
    assert_eq!(
        (uid(b), uid(c)),
        before,
        "the objects are those from before"
    );
    b.until_tree("b:Healthy c:Healthy");
    b.until_healthy("local", 2);
    for site in [b, c] {
        site.kubectl(&["create", "configmap", "written"])
            .expect("the API takes writes");
        site.kubectl(&["scale", "deployment", "work", "--replicas=1"])
            .expect("somebody scales");
        site.until("drift is put right", &["deployment", "work"], |work| {
            number(work, "/spec/replicas") == 2 && number(work, "/status/readyReplicas") == 2
        });
        site.kubectl(&["delete", "deployment", "work", "--wait=false"])
            .expect("somebody deletes");
        let known = if site.name == "b" {
            &before.0
        } else {
            &before.1
        };
        site.until(
            "what is deleted comes again",
            &["deployment", "work"],
            |work| {
                text(work, "/metadata/uid") != *known && number(work, "/status/readyReplicas") == 2
            },
        );
    }

    tree.wire.heal();
    tree.a().until_tree("a:Healthy b:Healthy c:Healthy");
    tree.a().until_healthy("work", 2);
}
