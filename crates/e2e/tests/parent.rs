//! A parent that forgets: wiped, restored from a backup, rebuilt with other keys; and one that deletes much at once.

use std::path::Path;
use std::process::Command;

use cedge_e2e::manifest::{config_map, deployment, mission};
use cedge_e2e::{Chain, Folder, Running, Site, enabled, eventually, holds_for, number};
use serde_json::Value;

/// A parent without a node, and a child that runs one Mission of it.
fn parent_and_child(folder: &Path) -> (Chain, Vec<Running>) {
    let tree = Chain::grow(folder, &["a", "b"], &["--without", "node"]);
    write(tree.a(), 1);
    tree.a().until_tree("a:Healthy b:Healthy");
    let pods = tree.b().running("work", 1);
    until_reported(tree.a());
    (tree, pods)
}

fn write(parent: &Site, replicas: u32) {
    let text = mission(
        "work",
        &serde_json::json!({ "scope": "Descendants" }),
        &[deployment("work", replicas)],
    );
    eventually("the parent takes the Mission", 20, || {
        let ran = parent.apply(&text);
        if ran.ok { Ok(()) } else { Err(ran.err) }
    });
}

fn until_reported(parent: &Site) {
    parent.until_healthy("work", 1);
}

fn forget(parent: &Site) {
    for part in ["api", "tree"] {
        std::fs::remove_dir_all(parent.dir.join(part)).expect("the parent's memory");
    }
}

fn nothing_is_touched(child: &Site, pods: &[Running]) {
    holds_for("no workload is touched", 2, || {
        match child.pods("work")? {
            now if now == pods => Ok(()),
            now => Err(format!("{now:?} instead of {pods:?}")),
        }
    });
}

/// The Mission was written again at the parent: it takes over what runs, and only one copy is left.
fn taken_over(tree: &Chain, pods: &[Running]) {
    let (a, b) = (tree.a(), tree.b());
    until_reported(a);
    eventually("one Mission is left at the child", 20, || {
        let list = b.get(&["missions"])?;
        match list["items"].as_array().map(Vec::len) {
            Some(1) => Ok(()),
            _ => Err(list.to_string()),
        }
    });
    assert_eq!(
        b.pods("work").expect("the API answers"),
        pods,
        "taken over without a restart"
    );
    nothing_is_touched(b, pods);
}

#[test]
fn a_wiped_parent_touches_nothing_below_and_takes_over_when_written_again() {
    if !enabled("a_wiped_parent_touches_nothing_below_and_takes_over_when_written_again") {
        return;
    }
    let folder = Folder::of("parent-wiped");
    let (mut tree, pods) = parent_and_child(&folder);
    tree.sites[0].kill();
    forget(tree.a());
    tree.sites[0].start();
    let why = tree.b().until_uplink("ParentStateRegressed", "True");
    assert!(
        why.contains("Write them again"),
        "it says what to do: {why}"
    );
    tree.a().until_tree("a:Healthy b:Healthy");
    nothing_is_touched(tree.b(), &pods);
    write(tree.a(), 1);
    taken_over(&tree, &pods);
    tree.b().until_uplink("ParentStateRegressed", "False");
}

#[test]
fn a_parent_restored_from_a_backup_rolls_nothing_back() {
    if !enabled("a_parent_restored_from_a_backup_rolls_nothing_back") {
        return;
    }
    let folder = Folder::of("parent-restored");
    let (mut tree, pods) = parent_and_child(&folder);
    let backup = folder.join("backup");
    tree.sites[0].stop();
    copy(&tree.a().dir, &backup);
    tree.sites[0].start();
    write(tree.a(), 2);
    let late = mission(
        "late",
        &Value::Null,
        &[config_map("late", "written after the backup")],
    );
    tree.a().apply(&late).expect("a Mission after the backup");
    let two = tree.b().running("work", 2);
    assert!(two.contains(&pods[0]));
    tree.b()
        .until("the late one is there", &["configmap", "late"], |_| true);
    until_reported(tree.a());

    tree.sites[0].kill();
    std::fs::remove_dir_all(&tree.a().dir).expect("the parent's folder");
    copy(&backup, &tree.a().dir);
    tree.sites[0].start();
    tree.b().until_uplink("ParentStateRegressed", "True");
    tree.a().until_tree("a:Healthy b:Healthy");
    nothing_is_touched(tree.b(), &two);
    let _ = tree.b().get(&["configmap", "late"]).expect("not deleted");
    write(tree.a(), 3);
    let three = tree.b().running("work", 3);
    assert!(
        two.iter().all(|pod| three.contains(pod)),
        "nobody is restarted"
    );
    until_reported(tree.a());
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(done.expect("cp").success());
}

#[test]
fn a_parent_that_lost_its_keys_is_a_stranger_until_somebody_here_says_otherwise() {
    if !enabled("a_parent_that_lost_its_keys_is_a_stranger_until_somebody_here_says_otherwise") {
        return;
    }
    let folder = Folder::of("parent-changed");
    let (mut tree, pods) = parent_and_child(&folder);
    tree.sites[0].kill();
    std::fs::remove_dir_all(&tree.a().dir).expect("the parent's folder");
    tree.sites[0].start();
    let why = tree.b().until_uplink("ParentChanged", "True");
    assert!(
        why.contains("cedge join --replace"),
        "it says what to do: {why}"
    );
    nothing_is_touched(tree.b(), &pods);
    write(tree.a(), 1);
    let token = tree.a().token(&tree.wire.address());
    let dir = tree.b().dir.display().to_string();
    let refused = tree.b().cedge(&["join", &token, "--data-dir", &dir]);
    assert!(
        !refused.ok && refused.err.contains("--replace"),
        "{refused:?}"
    );
    let joined = tree
        .b()
        .cedge(&["join", "--replace", &token, "--data-dir", &dir]);
    joined.expect("join --replace");
    tree.a().until_tree("a:Healthy b:Healthy");
    taken_over(&tree, &pods);
    tree.b().until_uplink("ParentChanged", "False");
}

#[test]
fn three_of_three_are_deleted_and_twenty_of_twenty_are_held() {
    if !enabled("three_of_three_are_deleted_and_twenty_of_twenty_are_held") {
        return;
    }
    let folder = Folder::of("mass-deletion");
    let tree = Chain::grow(&folder, &["a", "b"], &["--without", "node"]);
    let (a, b) = (tree.a(), tree.b());
    many(a, b, 3);
    delete_all(a);
    until_maps(b, 0);
    eventually("none is left at the root", 20, || match names(a)? {
        none if none.is_empty() => Ok(()),
        left => Err(left),
    });

    many(a, b, 20);
    delete_all(a);
    let why = b.until_uplink("DeletionHeld", "True");
    assert!(
        why.contains("cedge uplink confirm"),
        "it says what to do: {why}"
    );
    // The last of them may come after the first are held.
    eventually("all twenty are counted", 20, || {
        let uplink = b.get(&["edgeuplink", "parent"])?;
        match number(&uplink, "/status/heldDeletions") {
            20 => Ok(()),
            held => Err(format!("{held} are held")),
        }
    });
    holds_for("all twenty stay", 3, || match maps(b)? {
        20 => Ok(()),
        left => Err(format!("{left} are left")),
    });
    b.cedge(&["uplink", "confirm"]).expect("confirm");
    until_maps(b, 0);
    b.until_uplink("DeletionHeld", "False");
    eventually("none is left at the root", 20, || match names(a)? {
        none if none.is_empty() => Ok(()),
        left => Err(left),
    });
}

fn many(parent: &Site, child: &Site, count: usize) {
    let all: Vec<String> = (0..count)
        .map(|i| {
            let name = format!("one-of-{count}-{i}");
            let mut map = config_map(&name, "deployed");
            map["metadata"]["labels"] = serde_json::json!({ "many": "yes" });
            mission(&name, &Value::Null, &[map])
        })
        .collect();
    eventually("the Missions are taken", 20, || {
        let ran = parent.apply(&all.join("\n"));
        if ran.ok { Ok(()) } else { Err(ran.err) }
    });
    until_maps(child, count);
}

fn delete_all(parent: &Site) {
    parent
        .kubectl(&["delete", "missions", "--all", "--wait=false"])
        .expect("the deletion");
}

fn maps(site: &Site) -> Result<usize, String> {
    let list = site.get(&["configmaps", "-l", "many=yes"])?;
    Ok(list["items"].as_array().map_or(0, Vec::len))
}

fn until_maps(site: &Site, count: usize) {
    eventually(
        &format!("{count} are deployed at {}", site.name),
        40,
        || match maps(site)? {
            now if now == count => Ok(()),
            now => Err(format!("{now} are")),
        },
    );
}

fn names(site: &Site) -> Result<String, String> {
    let ran = site.kubectl(&["get", "missions", "-o", "name"]);
    if ran.ok { Ok(ran.out) } else { Err(ran.err) }
}
