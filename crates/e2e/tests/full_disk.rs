//! A site whose disk is full. Needs a file system of its own, so root.

use cedge_e2e::manifest::{config_map, deployment, mission};
use cedge_e2e::{Folder, Site, SmallDisk, enabled, eventually, skipped};
use serde_json::Value;

/// Bytes of what is written to fill the store.
const BIG: usize = 200_000;

#[test]
fn a_site_with_a_full_disk_refuses_writes_goes_on_and_recovers() {
    let name = "a_site_with_a_full_disk_refuses_writes_goes_on_and_recovers";
    if !enabled(name) {
        return;
    }
    let folder = Folder::of("full-disk");
    let disk = match SmallDisk::mount(&folder.join("disk"), 64) {
        Ok(disk) => disk,
        Err(why) => {
            skipped(
                name,
                &format!("no small file system can be mounted here: {why}"),
            );
            return;
        }
    };
    let mut a = Site::new(&folder, "a", &["--without", "node"]);
    a.start();
    let mut b = Site::new(&folder.join("disk"), "b", &[]);
    b.start_below(&a, &a.hub().to_string());
    a.until_tree("a:Healthy b:Healthy");
    let made = a.apply(&mission(
        "steady",
        &below(),
        &[deployment("steady", 2), config_map("small", "before")],
    ));
    made.expect("a Mission");
    a.until_healthy("steady", 1);
    let before = b.running("steady", 2);

    disk.fill();
    let written = fill_the_store(&b);
    let refused = b.create(&big(written));
    assert!(refused.err.contains("no space left"), "{refused:?}");
    for n in 0..3 {
        let name = format!("received-{n}");
        let made = a.create(&mission(&name, &below(), &[big_config_map(&name)]));
        made.expect("its parent has space");
    }
    // For longer than what failed is tried again.
    cedge_e2e::holds_for("reads and pods go on", 10, || {
        let pods = b.pods("steady")?;
        if pods != before {
            return Err(format!("{pods:?} instead of {before:?}"));
        }
        all_there(&b, written)
    });
    assert!(b.is_alive(), "{}", b.last_words());

    disk.free();
    eventually("writes are taken again", 60, || {
        let ran = b.kubectl(&["create", "configmap", "after"]);
        if ran.ok { Ok(()) } else { Err(ran.err) }
    });
    for n in 0..3 {
        a.until_healthy(&format!("received-{n}"), 1);
    }
    a.apply(&mission("fresh", &below(), &[deployment("fresh", 1)]))
        .expect("a Mission");
    let _ = b.running("fresh", 1);
    a.until_tree("a:Healthy b:Healthy");
    assert_eq!(b.pods("steady").expect("the API answers"), before);
    assert!(
        b.is_alive(),
        "nobody had to start it again: {}",
        b.last_words()
    );
    b.kill_server();
    b.start();
    eventually("what was acknowledged is there", 60, || {
        all_there(&b, written)
    });
    let _ = (b.running("fresh", 1), b.running("steady", 2));
}

fn below() -> Value {
    serde_json::json!({ "scope": "Descendants" })
}

fn big_config_map(name: &str) -> Value {
    config_map(name, &"x".repeat(BIG))
}

fn big(n: usize) -> String {
    big_config_map(&format!("big-{n}")).to_string()
}

/// Writes until the store refuses; answers how many it took.
fn fill_the_store(site: &Site) -> usize {
    let mut written = 0;
    loop {
        let ran = site.create(&big(written));
        if !ran.ok {
            assert!(ran.err.contains("no space left"), "it says why: {ran:?}");
            return written;
        }
        written += 1;
        assert!(
            written < 400,
            "the store grows by more than the disk can hold"
        );
    }
}

fn all_there(site: &Site, written: usize) -> Result<(), String> {
    let list = site.kubectl(&["get", "configmaps", "-o", "name"]);
    if !list.ok {
        return Err(list.err);
    }
    let missing: Vec<usize> = (0..written)
        .filter(|n| !list.out.lines().any(|l| l == format!("configmap/big-{n}")))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("missing: {missing:?}"))
    }
}
