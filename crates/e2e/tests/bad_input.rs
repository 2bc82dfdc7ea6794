//! What must be refused, with words that help, without harm to anything else.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use cedge_e2e::manifest::{config_map, mission};
use cedge_e2e::{Chain, Folder, Site, condition, enabled, eventually, holds_for, text};
use serde_json::{Value, json};

/// Without workloads: nothing of it is needed to refuse.
const BARE: [&str; 2] = ["--without", "node,scheduler"];

#[test]
fn a_mission_that_cannot_be_followed_says_so_and_harms_no_other() {
    if !enabled("a_mission_that_cannot_be_followed_says_so_and_harms_no_other") {
        return;
    }
    let folder = Folder::of("bad-missions");
    let tree = Chain::grow(&folder, &["a", "b"], &BARE);
    let a = tree.a();
    a.until_tree("a:Healthy b:Healthy");

    let no_version = json!({ "kind": "ConfigMap", "metadata": { "name": "x" } });
    refused(
        a,
        &mission("no-version", &Value::Null, &[no_version]),
        "apiVersion",
    );
    let big = "x".repeat(1_700_000);
    let oversize = mission("oversize", &Value::Null, &[config_map("big", &big)]);
    let created = a.create(&oversize);
    assert!(
        !created.ok && created.err.to_lowercase().contains("too large"),
        "{created:?}"
    );

    let no_name = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": {} });
    not_accepted(a, "no-name", &Value::Null, &[no_name], "metadata.name");
    let bad_glob = json!({ "clusters": ["b/[c"] });
    not_accepted(a, "bad-glob", &bad_glob, &[config_map("x", "x")], "b/[c");
    let twice = [config_map("x", "one"), config_map("x", "two")];
    not_accepted(a, "twice", &Value::Null, &twice, "ConfigMap");

    let lamp = json!({ "apiVersion": "lamps.example.com/v1", "kind": "Lamp", "metadata": { "name": "x" } });
    a.apply(&mission("unknown-kind", &Value::Null, &[lamp]))
        .expect("a kind may come later");
    for (site, name) in [
        (a, "unknown-kind".to_owned()),
        (tree.b(), copy_of(tree.b(), "unknown-kind")),
    ] {
        site.until("it waits for the kind", &["mission", &name], |m| {
            text(m, "/status/self/state") == "Waiting"
                && text(m, "/status/self/reason") == "KindUnknown"
        });
    }

    a.apply(&mission(
        "good",
        &Value::Null,
        &[config_map("good", "fine")],
    ))
    .expect("a good one");
    a.until_healthy("good", 2);
    let _ = tree.b().get(&["configmap", "good"]).expect("it is there");
}

/// The API takes it not, and says where it is wrong.
fn refused(site: &Site, manifest: &str, word: &str) {
    let ran = site.create(manifest);
    assert!(!ran.ok && ran.err.contains(word), "{ran:?}");
}

/// The API takes it, and the Mission says what is wrong.
fn not_accepted(site: &Site, name: &str, placement: &Value, manifests: &[Value], word: &str) {
    site.apply(&mission(name, placement, manifests))
        .expect("what only the walk can judge");
    let seen = site.until("it is not accepted", &["mission", name], |m| {
        condition(m, "Accepted").0 == "False"
    });
    let message = condition(&seen, "Accepted").1;
    assert!(message.contains(word), "{message}");
}

/// The name of the copy of a Mission at a child.
fn copy_of(site: &Site, name: &str) -> String {
    eventually("the copy is there", 20, || {
        let list = site.get(&["missions"])?;
        let all = list["items"].as_array().cloned().unwrap_or_default();
        let mut names = all.iter().map(|m| text(m, "/metadata/name"));
        names
            .find(|n| n.starts_with(&format!("{name}.")))
            .ok_or_else(|| list.to_string())
    })
}

#[test]
fn a_token_lets_in_whom_it_is_for_and_nobody_else() {
    if !enabled("a_token_lets_in_whom_it_is_for_and_nobody_else") {
        return;
    }
    let folder = Folder::of("tokens");
    let mut sites: Vec<Site> = ["a", "x", "y"]
        .iter()
        .map(|name| Site::new(&folder, name, &BARE))
        .collect();
    for site in &mut sites {
        site.start();
    }
    let [a, x, y] = &sites[..] else {
        unreachable!("there are three")
    };
    let hub = a.hub().to_string();

    let expired = a.cedge(&["token", "create", "--ttl", "1s", "--address", &hub]);
    let expired = expired.expect("a token of one second");
    holds_for("its second passes", 2, || Ok::<(), ()>(()));
    let said = join(x, expired.trim());
    assert!(said.contains("the token expired at"), "{said}");

    let revoked = a
        .cedge(&["token", "create", "--address", &hub, "-o", "json"])
        .json()
        .expect("the API answers");
    a.cedge(&["token", "revoke", &text(&revoked, "/id")])
        .expect("revoked");
    let said = join(x, &text(&revoked, "/token"));
    assert!(said.contains("not known here"), "{said}");

    // A token of another tree, for the address of this one: the keys are not those that it names.
    let foreign = y.token(&hub);
    let said = join(x, &foreign);
    assert!(!said.is_empty(), "a token for other keys is worth nothing");
    let said = join(x, "cedge1.bm90IGEgdG9rZW4");
    assert!(said.contains("token"), "{said}");

    let once = a.token(&hub);
    assert_eq!(join(x, &once), "", "its one use");
    let said = join(y, &once);
    assert!(
        said.contains("may be used 1 times") && said.contains('x'),
        "{said}"
    );
    a.until("x is there", &["edgecluster", "x"], |c| {
        text(c, "/status/state") == "Healthy"
    });
    assert!(!a.kubectl(&["get", "edgecluster", "y"]).ok, "y is not");
}

/// Joins; answers what was said if it was refused.
fn join(site: &Site, token: &str) -> String {
    let dir = site.dir.display().to_string();
    let ran = site.cedge(&["join", token, "--data-dir", &dir]);
    if ran.ok { String::new() } else { ran.err }
}

#[test]
fn garbage_on_the_ports_is_turned_away() {
    if !enabled("garbage_on_the_ports_is_turned_away") {
        return;
    }
    let folder = Folder::of("garbage");
    let tree = Chain::grow(&folder, &["a", "b"], &BARE);
    let a = tree.a();
    a.until_tree("a:Healthy b:Healthy");
    for port in [a.hub(), a.api()] {
        for garbage in [
            &b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"[..],
            &b"\x16\x03\x01\xff\xff\x01\x00\x00\x00"[..],
            &[0xff; 100_000][..],
            &b""[..],
        ] {
            throw(port, garbage);
        }
    }
    // Silent connections are not waited for.
    let silent: Vec<TcpStream> = (0..50)
        .map(|_| TcpStream::connect(a.hub()).expect("the port takes connections"))
        .collect();
    a.until_tree("a:Healthy b:Healthy");
    a.apply(&mission(
        "after",
        &Value::Null,
        &[config_map("after", "all that")],
    ))
    .expect("the API goes on");
    a.until_healthy("after", 2);
    drop(silent);
}

/// Whatever the other side does with it: it neither hangs nor dies.
fn throw(at: SocketAddr, garbage: &[u8]) {
    let mut stream = TcpStream::connect(at).expect("the port takes connections");
    let limit = Some(Duration::from_secs(2));
    stream.set_read_timeout(limit).expect("a socket");
    stream.set_write_timeout(limit).expect("a socket");
    let _ = stream.write_all(garbage);
    let mut answer = [0; 1024];
    let _ = stream.read(&mut answer);
}

#[test]
fn an_evicted_child_keeps_its_work_and_cannot_return_by_itself() {
    if !enabled("an_evicted_child_keeps_its_work_and_cannot_return_by_itself") {
        return;
    }
    let folder = Folder::of("evicted");
    let mut tree = Chain::grow(&folder, &["a", "b"], &BARE);
    let first = tree.b().joined_with().expect("a child joined with a token");
    let made = tree.a().apply(&mission(
        "work",
        &Value::Null,
        &[config_map("work", "done")],
    ));
    made.expect("a Mission");
    tree.a().until_healthy("work", 2);
    tree.a().cedge(&["cluster", "evict", "b"]).expect("evicted");
    tree.a().until_gone("edgecluster", "b");
    let why = tree.b().until_uplink("Connected", "False");
    assert!(why.contains("revoked") || why.contains("evicted"), "{why}");
    tree.sites[1].stop();
    tree.sites[1].start();
    let why = tree.b().until_uplink("Connected", "False");
    assert!(!why.is_empty(), "it says why");
    holds_for("it does not come back", 3, || {
        match tree.a().kubectl(&["get", "edgecluster", "b"]) {
            ran if ran.ok => Err(ran.out),
            _ => Ok(()),
        }
    });
    let _ = tree
        .b()
        .get(&["configmap", "work"])
        .expect("its work stays");
    let said = join(tree.b(), &first);
    assert!(
        said.contains("was used by it before"),
        "its old token is of no use: {said}"
    );
    let token = tree.a().token(&tree.wire.address());
    assert_eq!(join(tree.b(), &token), "", "a new token lets it in again");
    tree.a().until_tree("a:Healthy b:Healthy");
}
