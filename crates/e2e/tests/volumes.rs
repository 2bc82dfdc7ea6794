//! Volumes on a node: those behind claims keep their data over pods and restarts of the server, ephemeral ones go with
//! their pod.

use std::path::Path;

use cedge_e2e::{Folder, Site, enabled, eventually};
use serde_json::{Value, json};

fn pod(name: &str, script: &str, volumes: &Value) -> String {
    let mounts: Vec<Value> = volumes
        .as_array()
        .into_iter()
        .flatten()
        .map(|v| {
            let at = format!("/var/tmp/{}", v["name"].as_str().unwrap_or_default());
            json!({"name": v["name"], "mountPath": at})
        })
        .collect();
    let spec = json!({"runtimeClassName": "process", "terminationGracePeriodSeconds": 1, "volumes": volumes,
        "containers": [{"name": "main", "image": "process", "command": ["/bin/sh", "-c", script], "volumeMounts": mounts}]});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}).to_string()
}

fn until_logs(site: &Site, pod: &str, wanted: &str) {
    eventually(&format!("{pod} logs {wanted:?}"), 60, || {
        let ran = site.kubectl(&["logs", pod]);
        if ran.out.trim() == wanted {
            return Ok(());
        }
        let told = site.kubectl(&["describe", "pod", pod]);
        Err(format!("{}{}{}", ran.out, ran.err, told.out))
    });
}

/// The directory of the volume behind a claim.
fn place(site: &Site, claim: &str) -> String {
    let bound = site.until("the claim is bound", &["pvc", claim], |c| {
        c["status"]["phase"] == "Bound"
    });
    let volume = bound["spec"]["volumeName"].as_str().unwrap_or_default();
    let volume = site.get(&["pv", volume]).expect("the volume");
    let path = volume["spec"]["hostPath"]["path"].as_str();
    path.expect("a directory").to_owned()
}

#[test]
fn a_claimed_volume_keeps_its_data_and_an_ephemeral_one_goes_with_its_pod() {
    if !enabled("a_claimed_volume_keeps_its_data_and_an_ephemeral_one_goes_with_its_pod") {
        return;
    }
    let folder = Folder::of("volumes");
    let mut site = Site::new(&folder, "solo", &[]);
    site.start();
    let spec =
        json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec});
    let _ = site.apply(&claim.to_string()).expect("a claim");
    let both = json!([
        {"name": "kept", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}},
    ]);
    let script = "cat /var/tmp/*/word 2>/dev/null; echo $HOSTNAME > /var/tmp/kept/word; \
                  echo $HOSTNAME > /var/tmp/scratch/word; echo ready; exec sleep 100000";
    let _ = site.apply(&pod("p", script, &both)).expect("a pod");
    until_logs(&site, "p", "ready");
    let (kept, scratch) = (place(&site, "data"), place(&site, "p-scratch"));
    assert!(Path::new(&kept).join("word").exists());
    assert!(Path::new(&scratch).join("word").exists());
    site.kill();
    site.start();
    let _ = site
        .kubectl(&["delete", "pod", "p"])
        .expect("the pod's deletion");
    site.until_gone("pvc", "p-scratch");
    eventually("the ephemeral directory is gone", 60, || {
        if Path::new(&scratch).exists() {
            return Err(scratch.clone());
        }
        Ok(())
    });
    let _ = site.apply(&pod("p", script, &both)).expect("a pod");
    until_logs(&site, "p", "p\nready");
    let _ = site
        .kubectl(&["delete", "pod/p", "pvc/data"])
        .expect("their deletion");
    eventually("the claimed directory is gone", 60, || {
        if Path::new(&kept).exists() {
            return Err(kept.clone());
        }
        Ok(())
    });
}
