//! What somebody changes by hand is put right soon. The bounds here are generous; the figures are said.

use cedge_e2e::manifest::{config_map, deployment, mission};
use cedge_e2e::{Chain, Folder, Site, Watch, enabled, eventually, number, say, text};
use serde_json::{Value, json};

/// How often each is tried.
const TIMES: usize = 5;

#[test]
fn drift_by_delete_and_by_scale_is_put_right() {
    if !enabled("drift_by_delete_and_by_scale_is_put_right") {
        return;
    }
    let folder = Folder::of("drift");
    let tree = Chain::grow(&folder, &["a", "b"], &["--without", "node"]);
    let below = json!({ "scope": "Descendants" });
    let manifests = [deployment("work", 1), config_map("settings", "as-written")];
    let made = tree.a().apply(&mission("work", &below, &manifests));
    made.expect("a Mission");
    let b = tree.b();
    let _ = b.running("work", 1);
    tree.a().until_healthy("work", 1);
    measured("a scaled Deployment", || {
        let was = version(b, "deployment/work");
        let scale = ["scale", "deployment", "work", "--replicas=0"];
        b.kubectl(&scale).expect("somebody scales");
        back(b, "deployment/work", move |object| {
            number(object, "/spec/replicas") == 1
                && text(object, "/metadata/resourceVersion") != was
        })
    });
    measured("a changed ConfigMap", || {
        let patch = r#"{"data":{"said":"otherwise"}}"#;
        let patch = [
            "patch",
            "configmap",
            "settings",
            "--type=merge",
            "-p",
            patch,
        ];
        b.kubectl(&patch).expect("somebody changes");
        back(b, "configmap/settings", |object| {
            text(object, "/data/said") == "as-written"
        })
    });
    for kind in ["deployment/work", "configmap/settings"] {
        measured(&format!("{kind}, deleted"), || {
            let was = text(&b.get(&[kind]).expect("it is there"), "/metadata/uid");
            b.kubectl(&["delete", kind, "--wait=false"])
                .expect("somebody deletes");
            back(b, kind, move |object| text(object, "/metadata/uid") != was)
        });
    }
    let _ = b.running("work", 1);
    tree.a().until_healthy("work", 1);
}

fn version(site: &Site, what: &str) -> String {
    let object = site.get(&[what]).expect("it is there");
    text(&object, "/metadata/resourceVersion")
}

/// Waits until it is as it should be; answers the seconds that took, the calls of kubectl included.
fn back(site: &Site, what: &str, is: impl Fn(&Value) -> bool) -> f64 {
    let since = Watch::start();
    eventually(&format!("{what} is put right"), 20, || {
        let object = site.get(&[what])?;
        if is(&object) {
            return Ok(());
        }
        Err(object.to_string())
    });
    since.seconds()
}

fn measured(what: &str, mut once: impl FnMut() -> f64) {
    let mut took: Vec<f64> = (0..TIMES).map(|_| once()).collect();
    took.sort_by(f64::total_cmp);
    say(&format!(
        "{what} was right again after {} s (median of {TIMES}), {} s at worst, kubectl's own time included",
        took[TIMES / 2],
        took[TIMES - 1],
    ));
}
