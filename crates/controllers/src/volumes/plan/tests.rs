use serde_json::{Value, json};

use super::*;

fn volume(name: &str, size: &str, modes: &[&str], more: &Value) -> PersistentVolume {
    let mut volume = json!({"metadata": {"name": name, "labels": {"name": name}}, "spec": {
        "capacity": {"storage": size}, "accessModes": modes, "storageClassName": "fast"}, "status": {"phase": "Available"}});
    for (key, value) in more.as_object().unwrap() {
        volume["spec"][key] = value.clone();
    }
    serde_json::from_value(volume).unwrap()
}

fn claim(size: &str, modes: &[&str], more: &Value) -> PersistentVolumeClaim {
    let mut claim = json!({"metadata": {"name": "c", "namespace": "a", "uid": "u"}, "spec": {
        "resources": {"requests": {"storage": size}}, "accessModes": modes, "storageClassName": "fast"}});
    for (key, value) in more.as_object().unwrap() {
        claim["spec"][key] = value.clone();
    }
    serde_json::from_value(claim).unwrap()
}

fn pool() -> Vec<PersistentVolume> {
    let reference = |name: &str| json!({"claimRef": {"namespace": "a", "name": name, "uid": "x"}});
    vec![
        volume("big", "10Gi", &["ReadWriteOnce"], &json!({})),
        volume("small", "2Gi", &["ReadWriteOnce"], &json!({})),
        volume(
            "many",
            "1Gi",
            &["ReadWriteOnce", "ReadOnlyMany"],
            &json!({}),
        ),
        volume("taken", "1Gi", &["ReadWriteOnce"], &reference("other")),
        volume("earlier", "1Gi", &["ReadWriteOnce"], &reference("c")),
        volume(
            "raw",
            "1Gi",
            &["ReadWriteOnce"],
            &json!({"volumeMode": "Block"}),
        ),
        volume(
            "slow",
            "1Gi",
            &["ReadWriteOnce"],
            &json!({"storageClassName": "slow"}),
        ),
    ]
}

fn name(found: Option<&PersistentVolume>) -> Option<&str> {
    found.and_then(|v| v.metadata.name.as_deref())
}

#[test]
fn the_smallest_volume_that_fits_is_taken() {
    let once = ["ReadWriteOnce"];
    for (claim, expected) in [
        (claim("1Gi", &once, &json!({})), Some("small")),
        (claim("1500Mi", &once, &json!({})), Some("small")),
        (claim("3Gi", &once, &json!({})), Some("big")),
        (claim("30Gi", &once, &json!({})), None),
        (claim("1Gi", &["ReadOnlyMany"], &json!({})), Some("many")),
        (claim("1Gi", &["ReadWriteMany"], &json!({})), None),
        (
            claim("1Gi", &once, &json!({"volumeMode": "Block"})),
            Some("raw"),
        ),
        (
            claim("1Gi", &once, &json!({"storageClassName": "slow"})),
            Some("slow"),
        ),
        (claim("1Gi", &once, &json!({"storageClassName": ""})), None),
        (
            claim(
                "1Gi",
                &once,
                &json!({"selector": {"matchLabels": {"name": "big"}}}),
            ),
            Some("big"),
        ),
    ] {
        let pool = pool();
        assert_eq!(name(best(&claim, &pool, false)), expected, "{claim:?}");
        assert_eq!(name(best(&claim, &pool, true)), None);
    }
}

#[test]
fn a_volume_that_names_the_claim_comes_first_and_also_while_it_waits() {
    let claim = claim("1Gi", &["ReadWriteOnce"], &json!({}));
    let mut pool = pool();
    let reference = json!({"claimRef": {"namespace": "a", "name": "c"}});
    pool.push(volume("reserved", "50Gi", &["ReadWriteOnce"], &reference));
    for waits in [false, true] {
        assert_eq!(name(best(&claim, &pool, waits)), Some("reserved"));
    }
}

#[test]
fn a_volume_asked_for_by_name_must_fit_too() {
    let check = |volume: &PersistentVolume, size: &str, modes: &[&str]| {
        satisfies(volume, &claim(size, modes, &json!({})))
    };
    let small = volume("small", "2Gi", &["ReadWriteOnce"], &json!({}));
    assert_eq!(check(&small, "2Gi", &["ReadWriteOnce"]), Ok(()));
    let why = |r: Result<(), String>| r.unwrap_err();
    assert_eq!(why(check(&small, "3Gi", &[])), "requested PV is too small");
    assert_eq!(
        why(check(&small, "1Gi", &["ReadWriteMany"])),
        "incompatible accessMode"
    );
    let slow = volume("slow", "2Gi", &[], &json!({"storageClassName": "slow"}));
    assert_eq!(
        why(check(&slow, "1Gi", &[])),
        "storageClassName does not match"
    );
    let raw = volume("raw", "2Gi", &[], &json!({"volumeMode": "Block"}));
    assert_eq!(why(check(&raw, "1Gi", &[])), "incompatible volumeMode");
}

#[test]
fn a_pod_uses_claims_by_name_and_for_its_ephemeral_volumes() {
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {"containers": [], "volumes": [
        {"name": "x", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "tmp", "emptyDir": {}},
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]}}))
    .unwrap();
    assert_eq!(claims_used_by(&pod), ["data", "p-scratch"]);
}
