//! An API that forgets the pods of its own node: absence is never deletion (I3).

use cedge_e2e::manifest::deployment;
use cedge_e2e::{Folder, Site, enabled, eventually, holds_for};

/// What the pod of this test runs; nothing else on this machine does.
const COMMAND: &str = "sleep 31536017";

#[test]
fn a_wiped_api_stops_no_pod_until_another_has_taken_its_place() {
    if !enabled("a_wiped_api_stops_no_pod_until_another_has_taken_its_place") {
        return;
    }
    let folder = Folder::of("lost-api");
    let mut site = Site::new(&folder, "solo", &[]);
    site.start();
    let mut work = deployment("work", 1);
    work["spec"]["template"]["spec"]["containers"][0]["command"] =
        serde_json::json!(["/bin/sh", "-c", format!("exec {COMMAND}")]);
    let work = work.to_string();
    site.apply(&work).expect("a Deployment");
    let before = site.running("work", 1);
    let process = one_process();
    site.stop();
    std::fs::remove_dir_all(site.dir.join("api")).expect("the API's memory");
    site.start();
    eventually("the node is back", 60, || {
        let ran = site.kubectl(&["wait", "--for=condition=Ready", "node/solo", "--timeout=1s"]);
        if ran.ok { Ok(()) } else { Err(ran.err) }
    });
    holds_for("the pod goes on", 5, || match processes().as_slice() {
        [only] if *only == process => Ok(()),
        other => Err(format!("{other:?} instead of {process}")),
    });
    site.apply(&work).expect("the Deployment again");
    let after = site.running("work", 1);
    assert_ne!(before, after, "another pod");
    eventually(
        "it takes the place of the lost one",
        30,
        || match processes().as_slice() {
            [only] if *only != process => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
    site.kubectl(&["delete", "deployment", "work"])
        .expect("a deletion");
    eventually("what is deleted stops", 30, || match processes().len() {
        0 => Ok(()),
        some => Err(some),
    });
}

fn one_process() -> u32 {
    eventually("the pod's process runs", 20, || {
        match processes().as_slice() {
            [only] => Ok(*only),
            other => Err(format!("{other:?}")),
        }
    })
}

/// Processes that run the command.
fn processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("/proc");
    let ours = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.trim_ascii_end()
            .split(|b| *b == 0)
            .filter(|word| !word.is_empty())
            .eq(COMMAND.split(' ').map(str::as_bytes))
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(ours)
        .collect()
}
