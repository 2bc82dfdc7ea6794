//! A scripted server: each request takes the next answer.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use cedge_tasks::{Group, shutdown};
use http_body_util::Full;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;

use crate::{Change, Informers};

type Asked = Arc<Mutex<Vec<String>>>;

fn server(answers: &[(u16, String)]) -> (Client, Asked) {
    let asked = Asked::default();
    let log = asked.clone();
    let answers = Arc::new(Mutex::new(VecDeque::from(answers.to_vec())));
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        log.lock().unwrap().push(request.uri().to_string());
        let answer = answers.lock().unwrap().pop_front();
        async move {
            let Some((code, body)) = answer else {
                return std::future::pending().await;
            };
            let response = http::Response::builder().status(code);
            Ok::<_, Infallible>(response.body(Full::from(body)).unwrap())
        }
    });
    (Client::new(service, "default"), asked)
}

fn event(kind: &str, name: &str, revision: u32) -> String {
    let object = serde_json::json!({"metadata": {"name": name, "namespace": "a", "uid": name, "resourceVersion": revision.to_string()}});
    serde_json::json!({"type": kind, "object": object}).to_string() + "\n"
}

fn end_of_list(revision: u32) -> String {
    serde_json::json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": revision.to_string(),
        "annotations": {"k8s.io/initial-events-end": "true"}}}})
    .to_string()
        + "\n"
}

/// Runs until the server has been asked `requests` times; returns what subscribers were told and what was asked.
async fn run(answers: &[(u16, String)], requests: usize) -> (Vec<String>, Vec<String>) {
    let (client, asked) = server(answers);
    let (_trigger, shutdown) = shutdown();
    let informers = Informers::new(client, Group::new(shutdown));
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    informers.of::<ConfigMap>().subscribe(move |change| {
        let sign = match change {
            Change::Added(_) => '+',
            Change::Updated { .. } => '~',
            Change::Deleted(_) => '-',
        };
        log.lock()
            .unwrap()
            .push(format!("{sign}{}", change.object().name()));
    });
    while asked.lock().unwrap().len() < requests {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    (told.lock().unwrap().clone(), asked.lock().unwrap().clone())
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_where_it_ended() {
    let first = [
        event("ADDED", "x", 1),
        end_of_list(5),
        event("ADDED", "y", 7),
    ]
    .concat();
    let second = [event("MODIFIED", "x", 8), event("DELETED", "y", 9)].concat();
    let (told, asked) = run(&[(200, first), (200, second)], 3).await;
    assert_eq!(told, ["+x", "+y", "~x", "-y"]);
    assert!(asked[0].contains("sendInitialEvents=true"), "{asked:?}");
    assert!(asked[1].contains("resourceVersion=7"), "{asked:?}");
    assert!(asked[2].contains("resourceVersion=9"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn after_an_expired_revision_what_vanished_is_told_as_deleted() {
    let first = [
        event("ADDED", "x", 1),
        event("ADDED", "y", 2),
        end_of_list(5),
    ]
    .concat();
    let expired = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n".to_owned();
    let again = [event("ADDED", "y", 2), end_of_list(50)].concat();
    let (told, asked) = run(&[(200, first), (200, expired), (200, again)], 4).await;
    assert_eq!(told, ["+x", "+y", "-x"]);
    assert!(asked[2].contains("sendInitialEvents=true"), "{asked:?}");
    assert!(asked[3].contains("resourceVersion=50"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn half_a_streamed_list_deletes_nothing_and_is_begun_again() {
    let first = [
        event("ADDED", "x", 1),
        event("ADDED", "y", 2),
        end_of_list(5),
    ]
    .concat();
    let gone = (410, "{\"kind\":\"Status\",\"code\":410}".to_owned());
    let half = (200, event("ADDED", "x", 1));
    let (told, asked) = run(&[(200, first), gone, half], 4).await;
    assert_eq!(told, ["+x", "+y"]);
    assert!(asked[3].contains("sendInitialEvents=true"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_finish_a_streamed_list_is_asked_for_pages() {
    let told = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":500}}\n".to_owned();
    let page = serde_json::json!({"metadata": {"resourceVersion": "9"}, "items": null});
    let (_, asked) = run(&[(200, told), (200, page.to_string())], 3).await;
    assert!(asked[1].contains("limit="), "{asked:?}");
    assert!(asked[2].contains("resourceVersion=9"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_stream_lists_is_asked_for_pages() {
    let refused = (422, "{\"kind\":\"Status\",\"code\":422}".to_owned());
    let item = |name: &str| serde_json::json!({"metadata": {"name": name, "namespace": "a", "uid": name, "resourceVersion": "1"}});
    let page1 = serde_json::json!({"metadata": {"resourceVersion": "9", "continue": "a/b="}, "items": [item("x")]});
    let page2 = serde_json::json!({"metadata": {"resourceVersion": "9"}, "items": [item("y")]});
    let answers = [refused, (200, page1.to_string()), (200, page2.to_string())];
    let (told, asked) = run(&answers, 4).await;
    assert_eq!(told, ["+x", "+y"]);
    assert!(asked[2].contains("continue=a%2Fb%3D"), "{asked:?}");
    assert!(
        asked[3].contains("watch=true") && asked[3].contains("resourceVersion=9"),
        "{asked:?}"
    );
}
