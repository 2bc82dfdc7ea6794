//! The scheduler against an API server of a few lines.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod server;

use std::time::Duration;

use serde_json::{Value, json};

use server::Server;

fn node(name: &str, cpu: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "status": { "allocatable": { "cpu": cpu, "memory": "4Gi", "pods": "10" } },
    })
}

fn pod(name: &str, cpu: &str) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "default", "uid": format!("uid-{name}") },
        "spec": {
            "schedulerName": "default-scheduler",
            "containers": [{ "name": "c", "resources": { "requests": { "cpu": cpu } } }],
        },
        "status": { "phase": "Pending" },
    })
}

/// Waits until something holds; time is paused, so this takes none.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(600), wait).await;
    assert!(waited.is_ok(), "{what}");
}

async fn a_while() {
    tokio::time::sleep(Duration::from_secs(120)).await;
}

fn pairs(bindings: &[(String, String)]) -> Vec<(&str, &str)> {
    bindings.iter().map(|(p, n)| (&**p, &**n)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_bound_to_a_node_that_has_room() {
    let server = Server::new();
    server.put("nodes", node("small", "100m"));
    server.put("nodes", node("big", "4"));
    server.put("pods", pod("a", "1"));
    let _running = server.schedule();
    until("a is bound", || !server.bindings().is_empty()).await;
    server.put("pods", pod("b", "1"));
    until("b is bound", || server.bindings().len() == 2).await;
    let bindings = server.bindings();
    assert_eq!(pairs(&bindings), [("a", "big"), ("b", "big")]);
}

#[tokio::test(start_paused = true)]
async fn room_is_given_once_although_the_binding_is_not_shown_yet() {
    let server = Server::new();
    server.hide_bindings();
    server.put("nodes", node("n", "1"));
    for name in ["a", "b", "c"] {
        server.put("pods", pod(name, "600m"));
    }
    let _running = server.schedule();
    until("two say why", || {
        ["a", "b", "c"]
            .iter()
            .filter(|p| !server.reasons(p).is_empty())
            .count()
            == 2
    })
    .await;
    a_while().await;
    assert_eq!(server.bindings().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_fits_nowhere_says_why_and_is_bound_when_a_node_comes() {
    let server = Server::new();
    server.put("pods", pod("a", "1"));
    let _running = server.schedule();
    until("it says why", || !server.reasons("a").is_empty()).await;
    server.put("nodes", node("small", "500m"));
    until("it says why not this one", || {
        server.reasons("a").len() == 2
    })
    .await;
    assert_eq!(
        server.reasons("a"),
        [
            "no nodes available to schedule pods",
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: \
             1 Preemption is not helpful for scheduling."
        ]
    );
    a_while().await;
    assert_eq!(
        server.reasons("a").len(),
        2,
        "said once, tried on changes only"
    );

    server.put("nodes", node("big", "2"));
    until("it is bound", || !server.bindings().is_empty()).await;
    assert_eq!(pairs(&server.bindings()), [("a", "big")]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_leaves_makes_room_for_one_that_waits() {
    let server = Server::new();
    server.put("nodes", node("n", "1"));
    server.put("pods", pod("first", "1"));
    let _running = server.schedule();
    until("the first is bound", || server.bindings().len() == 1).await;
    server.put("pods", pod("second", "1"));
    until("the second waits", || !server.reasons("second").is_empty()).await;
    server.delete("pods", "default/first");
    until("the second is bound", || server.bindings().len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_over_makes_room_too() {
    let server = Server::new();
    server.put("nodes", node("n", "1"));
    let mut done = pod("done", "1");
    done["spec"]["nodeName"] = "n".into();
    server.put("pods", done.clone());
    server.put("pods", pod("next", "1"));
    let _running = server.schedule();
    until("the next waits", || !server.reasons("next").is_empty()).await;
    done["status"]["phase"] = "Succeeded".into();
    server.put("pods", done);
    until("the next is bound", || server.bindings().len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_binding_that_fails_is_tried_again() {
    let server = Server::new();
    server.refuse_bindings(3);
    server.put("nodes", node("n", "1"));
    server.put("pods", pod("a", "1"));
    let _running = server.schedule();
    until("a is bound", || !server.bindings().is_empty()).await;
    assert_eq!(pairs(&server.bindings()), [("a", "n")]);
}

#[tokio::test(start_paused = true)]
async fn the_more_important_pod_gets_the_last_room() {
    let server = Server::new();
    server.put("nodes", node("n", "1"));
    server.put("pods", pod("low", "1"));
    let mut high = pod("vital", "1");
    high["spec"]["priority"] = 1000.into();
    server.put("pods", high);
    let _running = server.schedule();
    until("the other waits", || !server.reasons("low").is_empty()).await;
    assert_eq!(pairs(&server.bindings()), [("vital", "n")]);
}

#[tokio::test(start_paused = true)]
async fn a_gate_holds_a_pod_until_it_is_lifted() {
    let server = Server::new();
    server.put("nodes", node("n", "1"));
    let mut gated = pod("a", "1");
    gated["spec"]["schedulingGates"] = json!([{ "name": "acme.io/wait" }]);
    server.put("pods", gated);
    let _running = server.schedule();
    a_while().await;
    assert!(server.bindings().is_empty());
    server.put("pods", pod("a", "1"));
    until("a is bound", || !server.bindings().is_empty()).await;
}
