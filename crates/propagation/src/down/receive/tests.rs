use cedge_api::ClusterPath;

use super::*;

fn id(digit: char) -> ClusterId {
    digit.to_string().repeat(32).parse().unwrap()
}

fn handover(generation: i64, replicas: u32) -> Handover {
    serde_json::from_value(json!({
        "name": "web",
        "key": format!("{}/u1", id('a')),
        "generation": generation,
        "path": "europe",
        "spec": { "content": { "manifests": [ {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "spec": { "replicas": replicas },
        } ] } },
    }))
    .unwrap()
}

fn word(parent: char, version: u64) -> Word {
    Word {
        parent: id(parent),
        version,
    }
}

fn stored(handover: &Handover, word: &Word) -> Mission {
    serde_json::from_value(copy("web.aaaaaa", handover, word)).unwrap()
}

#[test]
fn a_stale_handover_is_refused_and_a_later_word_of_the_parent_is_not() {
    let have = stored(&handover(5, 3), &word('b', 40));
    let check = |generation, parent, version| {
        newer(&have, &handover(generation, 1), &word(parent, version))
    };
    assert_eq!(
        check(3, 'b', 40),
        Some(5),
        "our tables are older than our API"
    );
    assert_eq!(check(3, 'b', 12), Some(5));
    assert_eq!(check(4, 'b', 41), None, "written again after a restore");
    assert_eq!(check(5, 'b', 40), None, "put right");
    assert_eq!(check(6, 'b', 41), None);
    assert_eq!(
        check(3, 'c', 7),
        None,
        "versions of another parent say nothing"
    );
    let mut other = handover(3, 1);
    other.key.uid = "u2".into();
    assert_eq!(
        newer(&have, &other, &word('b', 12)),
        None,
        "another Mission"
    );
}

#[test]
fn a_copy_that_an_api_from_a_backup_remembers_is_not_right() {
    let value = |h: &Handover| Bytes::from(serde_json::to_vec(h).unwrap());
    let of = |h: &Handover| {
        let mission = stored(h, &word('b', 1));
        let accepted = crate::accept::identify(&mission, &id('c')).unwrap();
        assert_eq!(accepted.path, "europe".parse::<ClusterPath>().unwrap());
        (mission, accepted)
    };
    let (mission, accepted) = of(&handover(3, 1));
    assert!(is_right(&value(&handover(3, 1)), &mission, &accepted));
    assert!(
        !is_right(&value(&handover(5, 1)), &mission, &accepted),
        "restored"
    );
    assert!(
        !is_right(&value(&handover(3, 2)), &mission, &accepted),
        "edited here"
    );
    assert!(
        is_right(&value(&handover(2, 2)), &mission, &accepted),
        "our tables are older"
    );
}
