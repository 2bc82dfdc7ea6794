//! A child that lies: properly joined, it says what it must not say, and asks for what is not its own.

use std::time::Duration;

use cedge_e2e::hostile::{self, Child, Link};
use cedge_e2e::manifest::{config_map, mission};
use cedge_e2e::{Chain, Folder, Site, enabled, eventually, number, text};
use cedge_wire::link::{Body, Renew};
use cedge_wire::table::{self, Bucket, Holds, KeyVersion, Open, Rows};
use serde_json::{Value, json};

const BARE: [&str; 2] = ["--without", "node,scheduler"];
/// What only the sibling may know.
const SECRET: &str = "the-word-of-b";
/// For as long as a lie might take to do harm.
const A_WHILE: Duration = Duration::from_secs(3);
/// The tables of a child cluster, as it should name them.
const OWN: [(&str, bool); 5] = [
    ("assignment", false),
    ("missions", false),
    ("cluster", true),
    ("reports", true),
    ("roster", true),
];

#[test]
fn a_lying_child_gets_and_changes_nothing_but_its_own() {
    if !enabled("a_lying_child_gets_and_changes_nothing_but_its_own") {
        return;
    }
    let folder = Folder::of("hostile");
    let mut tree = Chain::grow(&folder, &["a", "b"], &BARE);
    let a = tree.a();
    let only_b = json!({ "clusters": ["b"] });
    let secret = mission("secret", &only_b, &[config_map("secret", SECRET)]);
    a.apply(&secret).expect("a Mission for b");
    let all = mission("all", &Value::Null, &[config_map("all", "for-everybody")]);
    a.apply(&all).expect("a Mission for all");
    a.until_healthy("secret", 1);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(Box::pin(async {
        let evil = the_name_of_another_is_not_given_away(a).await;
        a_certificate_of_another_tree_is_nobody(a, &evil).await;
        it_reads_only_what_is_its_own(a, &evil).await;
        its_certificate_opens_no_api(a, &evil).await;
        what_it_has_no_part_in_it_does_not_change(a, &evil).await;
        its_reports_are_only_about_what_it_was_given(a, &evil).await;
    }));
    unharmed(a);
    a.apply(&mission(
        "after",
        &only_b,
        &[config_map("after", "all that")],
    ))
    .expect("a Mission");
    a.until_healthy("after", 1);
    a.kubectl(&["delete", "mission", "after"])
        .expect("a deletion");
    tree.b().until_gone("configmap", "after");
    assert!(tree.sites[0].is_alive(), "nobody fell");
    let log = std::fs::read_to_string(tree.a().dir.join("server.log"));
    let log = log.expect("a log");
    assert!(!log.contains("panicked"), "nothing panicked");
}

/// What must be as before, whatever was said.
fn unharmed(a: &Site) {
    a.until("b is as before", &["edgecluster", "b"], |b| {
        text(b, "/status/state") == "Healthy"
    });
    let secret = a.get(&["mission", "secret"]).expect("the Mission");
    assert_eq!(
        number(&secret, "/status/subtree/matched"),
        1,
        "{}",
        secret["status"]
    );
    let rows = secret.pointer("/status/children").and_then(Value::as_array);
    let names: Vec<String> = rows
        .into_iter()
        .flatten()
        .map(|row| text(row, "/name"))
        .collect();
    assert_eq!(names, ["b"], "nobody else has a say: {}", secret["status"]);
    let nodes = a.get(&["nodes"]).expect("the API answers");
    assert_eq!(nodes["items"], json!([]));
}

async fn the_name_of_another_is_not_given_away(a: &Site) -> Child {
    let token = a.token(&a.hub().to_string());
    let refused = hostile::join(&token, "b").await.expect_err("b is somebody");
    assert!(
        refused.contains("there is a cluster b here with another identity"),
        "{refused}"
    );
    hostile::join(&a.token(&a.hub().to_string()), "evil")
        .await
        .expect("a token for anybody")
}

async fn a_certificate_of_another_tree_is_nobody(a: &Site, evil: &Child) {
    let stranger = Child::of_another_tree(evil, "b");
    let hub = a.hub().to_string();
    // In TLS 1.3 the client's part of the handshake ends before the server has judged it.
    let heard = match stranger.dial(&hub, "b", &OWN).await {
        Ok(mut link) => link.hear(A_WHILE).await,
        Err(_) => None,
    };
    assert_eq!(heard, None, "the hub says nothing to a stranger");
    unharmed(a);
}

/// Its own part of the tables, under the name of its sibling, with tables of nodes besides.
async fn it_reads_only_what_is_its_own(a: &Site, evil: &Child) {
    let mut asked = OWN.to_vec();
    asked.extend([("pods", false), ("objects", false), ("node", true)]);
    let mut link = dial(a, evil, "b", &asked).await;
    for table in ["missions", "assignment", "pods", "objects"] {
        let open = Open {
            round: 1,
            ..Open::default()
        };
        let asked = link.say_of(table, table::Body::Open(open)).await;
        asked.expect("a question is no crime");
    }
    let mut heard = String::new();
    while let Some(body) = link.hear(A_WHILE).await {
        heard.push_str(&format!("{body:?}"));
        if let Body::Hello(hello) = &body {
            let tables: Vec<&str> = hello.tables.iter().map(|t| t.name.as_str()).collect();
            assert!(!tables.contains(&"pods"), "it is no node: {tables:?}");
        }
        if let Body::Table(frame) = body
            && let Some(table::Body::Welcome(welcome)) = frame.message.and_then(|m| m.body)
        {
            let all = table::Body::Rows(rows(&welcome, |_| Vec::new()));
            link.say_of(&frame.table, all).await.expect("a link");
        }
    }
    assert!(
        heard.contains("for-everybody"),
        "its own Mission comes: {heard}"
    );
    assert!(!heard.contains(SECRET), "and nobody else's");
}

async fn its_certificate_opens_no_api(a: &Site, evil: &Child) {
    for (port, path) in [
        (a.hub(), "/clusters/b/api/v1/configmaps"),
        (a.hub(), "/tree"),
        (a.api(), "/api/v1/configmaps"),
        (a.api(), "/apis/edge.centaurus.io/v1alpha1/missions/secret"),
    ] {
        let answer = evil.http(&port.to_string(), path).await;
        let answer = answer.unwrap_or_else(|refused| format!("refused: {refused}"));
        let refused = ["HTTP/1.1 401", "HTTP/1.1 403", "refused: "];
        assert!(
            refused.iter().any(|r| answer.starts_with(r)),
            "{path}: {answer}"
        );
    }
    // Nor does a stream up the link, of whatever kind.
    let mut link = dial(a, evil, "evil", &OWN).await;
    for kind in [1, 2, 3, 77] {
        let answer = link
            .ask(kind, "GET /api/v1/configmaps HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        let answer = answer.unwrap_or_default();
        assert_eq!(answer, "", "a parent serves no child");
    }
}

async fn what_it_has_no_part_in_it_does_not_change(a: &Site, evil: &Child) {
    // Tables of nodes: what is said of them is not listened to.
    let strange = [("node", true), ("podstatus", true), ("events", true)];
    let mut link = dial(a, evil, "evil", &strange).await;
    let node = json!({ "metadata": { "labels": {} }, "status": {} }).to_string();
    for (table, key) in [
        ("node", "node"),
        ("podstatus", "default/x/y"),
        ("events", "e"),
        ("\u{fffd}no such table", ""),
    ] {
        let _ = link.put(table, key, 1, node.as_bytes()).await;
    }
    while link.hear(A_WHILE).await.is_some() {}

    // The table that its parent writes: to write there ends the link, with a reason.
    let mut link = dial(a, evil, "evil", &OWN).await;
    let put = link.put("missions", "x/y", 1, b"{}").await;
    put.expect("the parent has not read it yet");
    let said = link.farewell().await;
    assert!(said.starts_with("BadRequest"), "{said:?}");

    // A certificate for another key than its own.
    let mut link = dial(a, evil, "evil", &OWN).await;
    let csr = Child::request_for_another_key();
    link.say(Body::Renew(Renew { csr })).await.expect("a link");
    let refused = loop {
        match link.hear(Duration::from_secs(30)).await {
            Some(Body::Renewed(renewed)) => break renewed,
            Some(_) => {}
            None => unreachable!("the parent answers"),
        }
    };
    assert!(refused.chain.is_empty(), "nobody signs that");
    let why = refused.refused.expect("it says why").message;
    assert!(why.contains("keeps the key"), "{why}");
}

/// It knows the key of the sibling's Mission, says that it holds it, and reports what it likes.
async fn its_reports_are_only_about_what_it_was_given(a: &Site, evil: &Child) {
    let secret = a.get(&["mission", "secret"]).expect("the Mission");
    let key = format!("{}/{}", evil.parent_id, text(&secret, "/metadata/uid"));
    let mut link = dial(a, evil, "evil", &OWN).await;
    claim_to_hold(&mut link, &key).await;
    let lie = json!({
        "target": { "generation": 1 }, "self": { "state": "Failed", "reason": "Lie" },
        "subtree": { "matched": 1000, "atTarget": 0, "states": { "Failed": 1000 } },
    });
    let lie = lie.to_string();
    for (version, (table, key, value)) in (1..).zip([
        ("reports", key.as_str(), lie.as_str()),
        ("reports", "not a key", &lie),
        ("reports", "../../etc/passwd", "not JSON"),
        ("roster", "../b", r#"{"state":"Unhealthy"}"#),
        ("roster", "b", "not JSON"),
        ("cluster", "self", "not JSON"),
        ("cluster", "b", r#"{"healthy":false}"#),
    ]) {
        link.put(table, key, version, value.as_bytes())
            .await
            .expect("these are its own tables");
    }
    // It is heard, and stays connected; what it says of others has no effect.
    let mut heard = String::new();
    while let Some(body) = link.hear(A_WHILE).await {
        heard.push_str(&format!("{body:?}"));
    }
    assert!(!heard.contains(SECRET), "to claim it is not to get it");
    assert!(!heard.contains("Goodbye"), "{heard}");
    unharmed(a);
    let tree = eventually("the tree is shown", 30, || {
        a.cedge(&["tree", "-o", "json"]).json()
    });
    let names: Vec<String> = tree["children"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|child| format!("{}:{}", text(child, "/name"), text(child, "/state")))
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&"b:Healthy".to_owned()), "{names:?}");
}

/// As a child does whose parent lost what it wrote: it has something that the parent does not know to be there.
async fn claim_to_hold(link: &mut Link, key: &str) {
    let open = Open {
        round: 1,
        rows: 1,
        root: 1,
        ..Open::default()
    };
    link.say_of("missions", table::Body::Open(open))
        .await
        .expect("a link");
    while let Some(body) = link.hear(A_WHILE).await {
        let Body::Table(frame) = body else { continue };
        let answer = match frame.message.and_then(|message| message.body) {
            Some(table::Body::Welcome(welcome)) => {
                table::Body::Rows(rows(&welcome, |index| vec![u64::from(index) + 1, 2]))
            }
            Some(table::Body::Unknown(unknown)) => table::Body::Holds(Holds {
                round: 1,
                part: unknown.part,
                keys: vec![KeyVersion {
                    key: key.to_owned(),
                    version: 7,
                }],
            }),
            Some(table::Body::Regressed(keys)) => {
                assert_eq!(keys.keys[0].key, key, "the claim was heard");
                return;
            }
            _ => continue,
        };
        link.say_of("missions", answer).await.expect("a link");
    }
    unreachable!("the parent says that it lost it");
}

/// What a child says that it has, in every bucket.
fn rows(welcome: &table::Welcome, of: impl Fn(u32) -> Vec<u64>) -> Rows {
    let bucket = |index| Bucket {
        index,
        rows: of(index),
    };
    Rows {
        round: welcome.round,
        part: 0,
        parts: 1,
        buckets: (0..1 << welcome.bits).map(bucket).collect(),
    }
}

async fn dial(a: &Site, evil: &Child, name: &str, tables: &[(&str, bool)]) -> Link {
    let link = evil.dial(&a.hub().to_string(), name, tables).await;
    let mut link = link.expect("it has joined");
    if tables == OWN {
        let hello = link.hear(Duration::from_secs(30)).await;
        assert!(matches!(hello, Some(Body::Hello(_))), "{hello:?}");
    }
    link
}
