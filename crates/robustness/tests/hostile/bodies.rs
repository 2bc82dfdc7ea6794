//! Bodies and patches.

use cedge_e2e::enabled;
use http::Method;
use serde_json::{Value, json};

use crate::{Siege, refused, send};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: &str = "application/json";
const YAML: &str = "application/yaml";

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_much_are_refused() {
    if !enabled("bodies_that_are_too_much_are_refused") {
        return;
    }
    let siege = Siege::lay("bodies").await;
    let door = siege.door();
    let mut client = door.client();

    // What is refused before it is read is answered all the same, and the connection goes on.
    let unread = format!(r#"{{"spec": "{}"}}"#, "x".repeat(200_000));
    for _ in 0..100 {
        let nowhere = "/apis/nowhere.io/v1/namespaces/default/things";
        let answer = send(&mut client, Method::POST, nowhere, JSON, unread.clone()).await;
        assert_eq!(answer.code, 404);
    }

    // Twenty megabytes, eight at a time, each on a connection of its own.
    let big = bytes::Bytes::from(format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"big"}},"data":{{"a":"{}"}}}}"#,
        "x".repeat(20 << 20)
    ));
    let mut sending = Vec::new();
    for _ in 0..8 {
        let (mut client, big) = (door.client(), big.clone());
        sending.push(cedge_tasks::spawn("hostile/big", async move {
            use cedge_robustness::door::request;
            client.ask(request(Method::POST, MAPS, JSON, big)).await
        }));
    }
    for sent in sending {
        // Whoever goes on sending after the answer may find the connection closed before he reads it.
        if let Ok(answer) = sent.await.expect("a client") {
            refused(&answer, &[413]);
        }
    }

    for (opens, closes) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = format!("{}1{}", opens.repeat(100_000), closes.repeat(100_000));
        let body = format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"deep"}},"data":{deep}}}"#
        );
        refused(
            &send(&mut client, Method::POST, MAPS, JSON, body.clone()).await,
            &[400],
        );
        refused(
            &send(&mut client, Method::POST, MAPS, YAML, body).await,
            &[400],
        );
    }
    let deep = format!(
        "a:\n{}x: 1\n",
        (1..2000)
            .map(|n| format!("{}a:\n", " ".repeat(n)))
            .collect::<String>()
    );
    refused(
        &send(&mut client, Method::POST, MAPS, YAML, deep).await,
        &[400],
    );

    // Nine lists of nine aliases each: a billion items, if somebody counts them out.
    let mut laughs = String::from(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: laughs}\na: &a [x,x,x,x,x,x,x,x,x]\n",
    );
    for (this, last) in "bcdefghij".chars().zip("abcdefghi".chars()) {
        let aliases = vec![format!("*{last}"); 9].join(",");
        laughs.push_str(&format!("{this}: &{this} [{aliases}]\n"));
    }
    refused(
        &send(&mut client, Method::POST, MAPS, YAML, laughs.clone()).await,
        &[400],
    );
    let path = format!("{MAPS}/laughs?fieldManager=x");
    refused(
        &send(
            &mut client,
            Method::PATCH,
            &path,
            "application/apply-patch+yaml",
            laughs,
        )
        .await,
        &[400],
    );
    let endless = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: &d {a: *d}\n";
    refused(
        &send(&mut client, Method::POST, MAPS, YAML, endless).await,
        &[400],
    );

    patches(&mut client).await;
    siege.ends(1024).await;
}

async fn patches(client: &mut cedge_robustness::door::Client) {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "patched"}, "data": {"a": "x".repeat(1000)}});
    assert_eq!(
        send(client, Method::POST, MAPS, JSON, object.to_string())
            .await
            .code,
        201
    );
    let path = format!("{MAPS}/patched");
    let kind = "application/json-patch+json";
    // Each step doubles what there is.
    let copies: Vec<Value> = (0..60)
        .map(|n| json!({"op": "copy", "from": "/data", "path": format!("/data/c{n}")}))
        .collect();
    refused(
        &send(
            client,
            Method::PATCH,
            &path,
            kind,
            json!(copies).to_string(),
        )
        .await,
        &[413, 422],
    );
    let many: Vec<Value> = (0..20_000)
        .map(|_| json!({"op": "test", "path": "/data/a", "value": "y"}))
        .collect();
    refused(
        &send(client, Method::PATCH, &path, kind, json!(many).to_string()).await,
        &[413],
    );
    let deep = format!("{}1{}", r#"{"data":"#.repeat(5000), "}".repeat(5000));
    for kind in [
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        kind,
    ] {
        refused(
            &send(client, Method::PATCH, &path, kind, deep.clone()).await,
            &[400, 422],
        );
    }
    // A value is at most as large as the store takes.
    let large = json!({"data": {"b": "x".repeat(2 << 20)}}).to_string();
    refused(
        &send(
            client,
            Method::PATCH,
            &path,
            "application/merge-patch+json",
            large,
        )
        .await,
        &[413, 422],
    );
}
