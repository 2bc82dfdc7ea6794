//! A whole life of a tree of four clusters, each a process of its own.

use cedge_e2e::manifest::{config_map, deployment, job, mission};
use cedge_e2e::{Chain, Folder, Site, enabled, eventually, holds_for, number, text};
use serde_json::{Value, json};

#[test]
fn a_tree_of_four_lives_its_whole_life() {
    if !enabled("a_tree_of_four_lives_its_whole_life") {
        return;
    }
    let folder = Folder::of("whole-life");
    let tree = Chain::grow(&folder, &["a", "b", "c", "d"], &[]);
    registration_is_seen_at_the_root(&tree);
    missions_go_where_they_are_meant_to_go(&tree);
    an_update_arrives_and_drift_is_reverted(&tree);
    what_is_deleted_at_the_root_goes(&tree);
    a_cut_stops_nothing_and_healing_does_what_was_missed(&tree);
}

fn registration_is_seen_at_the_root(tree: &Chain) {
    let a = tree.a();
    a.until_tree("a:Healthy b:Healthy c:Healthy d:Healthy");
    a.until("B's counters", &["edgecluster", "b"], |b| {
        number(b, "/status/subtree/clusters") == 2
            && number(b, "/status/subtree/healthy") == 2
            && number(b, "/status/subtree/depth") == 2
            && text(b, "/status/state") == "Healthy"
    });
}

fn apply(site: &Site, manifest: &str) {
    eventually("the API takes a Mission", 10, || {
        let ran = site.apply(manifest);
        if ran.ok { Ok(()) } else { Err(ran.err) }
    });
}

fn missions_go_where_they_are_meant_to_go(tree: &Chain) {
    let (a, b, c, d) = (tree.a(), tree.b(), tree.c(), tree.d());
    let to_c = json!({ "clusters": ["b/c"] });
    let to_lines = json!({ "selector": { "matchLabels": { "layer": "d" } } });
    apply(
        a,
        &mission("all", &Value::Null, &[deployment("all", 1), job("once")]),
    );
    apply(a, &mission("only-c", &to_c, &[deployment("only-c", 1)]));
    apply(a, &mission("lines", &to_lines, &[deployment("lines", 1)]));
    apply(
        a,
        &mission(
            "doomed",
            &Value::Null,
            &[config_map("doomed", "still here")],
        ),
    );
    a.until_healthy("all", 4);
    a.until_healthy("only-c", 1);
    a.until_healthy("lines", 1);
    a.until_healthy("doomed", 4);
    for site in &tree.sites {
        let _ = site.running("all", 1);
        site.until("the Job has ended", &["job", "once"], |job| {
            number(job, "/status/succeeded") == 1
        });
    }
    let _ = (c.running("only-c", 1), d.running("lines", 1));
    for (site, name) in [
        (a, "only-c"),
        (b, "only-c"),
        (d, "only-c"),
        (a, "lines"),
        (b, "lines"),
        (c, "lines"),
    ] {
        site.until_gone("deployment", name);
    }
}

fn an_update_arrives_and_drift_is_reverted(tree: &Chain) {
    let (a, d) = (tree.a(), tree.d());
    let before = d.running("lines", 1);
    let patch = r#"[{"op":"replace","path":"/spec/content/manifests/0/spec/replicas","value":2}]"#;
    a.kubectl(&["patch", "mission", "lines", "--type=json", "-p", patch])
        .expect("the update");
    let after = d.running("lines", 2);
    assert!(
        after.contains(&before[0]),
        "an update of the replicas restarts nobody"
    );
    a.until_healthy("lines", 1);
    d.kubectl(&["scale", "deployment", "lines", "--replicas=0"])
        .expect("somebody at d scales");
    d.until(
        "the scale is put right",
        &["deployment", "lines"],
        |lines| number(lines, "/spec/replicas") == 2 && number(lines, "/status/readyReplicas") == 2,
    );
    let uid = text(
        &d.get(&["deployment", "lines"]).expect("the API answers"),
        "/metadata/uid",
    );
    d.kubectl(&["delete", "deployment", "lines", "--wait=false"])
        .expect("somebody at d deletes");
    d.until("it is deployed again", &["deployment", "lines"], |lines| {
        text(lines, "/metadata/uid") != uid && number(lines, "/status/readyReplicas") == 2
    });
    a.until_healthy("lines", 1);
}

fn what_is_deleted_at_the_root_goes(tree: &Chain) {
    let (a, c) = (tree.a(), tree.c());
    a.kubectl(&["delete", "mission", "only-c", "--wait=false"])
        .expect("the deletion");
    c.until_gone("deployment", "only-c");
    a.until_gone("mission", "only-c");
    eventually("its last pod is gone", 20, || {
        let list = c.get(&["pods", "-l", "app=only-c"])?;
        if list["items"] == json!([]) {
            Ok(())
        } else {
            Err(list.to_string())
        }
    });
}

fn a_cut_stops_nothing_and_healing_does_what_was_missed(tree: &Chain) {
    let (a, b, c, d) = (tree.a(), tree.b(), tree.c(), tree.d());
    let below = [b, c, d];
    let before: Vec<_> = below.iter().map(|site| site.running("all", 1)).collect();
    let lines = d.running("lines", 2);
    tree.wire.cut();
    a.until_tree("a:Healthy b:Unreachable? c:Unreachable? d:Unreachable?");
    let cluster = a.get(&["edgecluster", "b"]).expect("the API answers");
    assert_eq!(text(&cluster, "/status/state"), "Unreachable");
    assert_ne!(text(&cluster, "/status/lastHeard"), "");
    a.until(
        "the Mission says what it does not know",
        &["mission", "all"],
        |all| {
            let row = "/status/children/0";
            number(all, "/status/subtree/states/Unreachable") == 3
                && all.pointer(&format!("{row}/connected")) == Some(&json!(false))
                && !text(all, &format!("{row}/asOf")).is_empty()
        },
    );
    b.until_tree("b:Healthy c:Healthy d:Healthy");
    apply(
        b,
        &mission("local", &Value::Null, &[deployment("local", 1)]),
    );
    b.until_healthy("local", 3);

    apply(
        a,
        &mission("fresh", &Value::Null, &[config_map("fresh", "hello")]),
    );
    let patch = r#"[{"op":"replace","path":"/spec/content/manifests/0/spec/replicas","value":3}]"#;
    a.kubectl(&["patch", "mission", "lines", "--type=json", "-p", patch])
        .expect("a change");
    a.kubectl(&["delete", "mission", "doomed", "--wait=false"])
        .expect("a deletion");
    holds_for("below the cut everything goes on", 1, || {
        for (site, pods) in below.iter().zip(&before) {
            let now = site.pods("all")?;
            if now != *pods {
                return Err(format!("{}: {now:?} instead of {pods:?}", site.name));
            }
        }
        Ok(())
    });
    assert_eq!(d.running("lines", 2), lines, "nothing has come through");
    for site in below {
        let _ = site
            .get(&["configmap", "doomed"])
            .expect("nothing has come through");
    }

    tree.wire.heal();
    a.until_tree("a:Healthy b:Healthy c:Healthy d:Healthy");
    a.until_healthy("fresh", 4);
    a.until_healthy("lines", 1);
    a.until_healthy("all", 4);
    a.until_gone("mission", "doomed");
    let three = d.running("lines", 3);
    assert!(
        lines.iter().all(|pod| three.contains(pod)),
        "the change restarts nobody"
    );
    for (site, pods) in below.iter().zip(&before) {
        site.until_gone("configmap", "doomed");
        let _ = site
            .get(&["configmap", "fresh"])
            .expect("the new one is there");
        assert_eq!(
            site.pods("all").expect("the API answers"),
            *pods,
            "nothing else happened at {}",
            site.name
        );
        let _ = site.running("local", 1);
    }
    b.until_healthy("local", 3);
}
