//! Starts that must not succeed, and one that must: without root.

use std::os::unix::fs::chown;

use cedge_e2e::manifest::deployment;
use cedge_e2e::{Folder, Site, enabled, skipped};

const BARE: [&str; 2] = ["--without", "node,scheduler"];
/// The user that owns nothing.
const NOBODY: u32 = 65534;

#[test]
fn a_data_directory_has_one_server() {
    if !enabled("a_data_directory_has_one_server") {
        return;
    }
    let folder = Folder::of("twice");
    let mut first = Site::new(&folder, "a", &BARE);
    first.start();
    let kubeconfig = std::fs::read(first.kubeconfig()).expect("a kubeconfig");
    let second = first.twin().start_in_vain();
    assert!(
        !second.ok && second.err.contains("in use by another process"),
        "{second:?}"
    );
    assert!(
        second.err.contains("store.redb"),
        "it says what: {second:?}"
    );
    assert_eq!(
        std::fs::read(first.kubeconfig()).expect("a kubeconfig"),
        kubeconfig,
        "it left no trace"
    );
    first
        .kubectl(&["create", "configmap", "written"])
        .expect("the first goes on");

    let mut other = Site::new(&folder, "b", &BARE);
    other.listen_where(&first);
    let said = other.start_in_vain();
    assert!(
        !said.ok && said.err.contains("--listen") && said.err.contains("in use"),
        "{said:?}"
    );
}

#[test]
fn a_damaged_store_is_named_and_not_touched() {
    if !enabled("a_damaged_store_is_named_and_not_touched") {
        return;
    }
    let folder = Folder::of("damaged");
    let mut site = Site::new(&folder, "a", &BARE);
    site.start();
    site.stop();
    let path = site.dir.join("api/store.redb");
    let good = std::fs::read(&path).expect("the store");
    let mut torn = good.clone();
    torn.truncate(good.len() / 3);
    let no_store = b"this is a letter to my aunt\n".repeat(1000);
    for bad in [no_store, torn, vec![0xff; 10_000]] {
        std::fs::write(&path, &bad).expect("a bad store");
        let said = site.start_in_vain();
        assert!(
            !said.ok && said.err.contains("damaged or not a store"),
            "{said:?}"
        );
        assert!(said.err.contains("store.redb"), "it says which: {said:?}");
        assert_eq!(
            std::fs::read(&path).expect("the store"),
            bad,
            "nobody writes to what is not understood"
        );
    }
    std::fs::write(&path, good).expect("the good store");
    site.start();
}

#[test]
fn a_server_needs_no_root() {
    let name = "a_server_needs_no_root";
    if !enabled(name) {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        skipped(
            name,
            "it is run by root, to become somebody else; all other tests say the same here",
        );
        return;
    }
    let folder = Folder::of("no-root");
    chown(&*folder, Some(NOBODY), Some(NOBODY)).expect("root may");
    let site = Site::new(&folder, "a", &[]);
    std::fs::create_dir_all(&site.dir).expect("a folder for the site");
    chown(&site.dir, Some(NOBODY), Some(NOBODY)).expect("root may");
    let mut site = site.run_by(NOBODY);
    site.start();
    site.apply(&deployment("work", 2).to_string())
        .expect("a Deployment");
    let pods = site.running("work", 2);
    let said = site.kubectl(&["logs", &pods[0].name]).expect("its log");
    assert_eq!(said, "up\n");
    let id = ["exec", &pods[0].name, "--", "id", "-u"];
    let id = site.kubectl(&id).expect("exec");
    assert_ne!(id.trim(), "0", "nobody became root");
    // Its pods survive it, and are found again.
    site.kill_server();
    site.start();
    assert_eq!(site.running("work", 2), pods);
}
