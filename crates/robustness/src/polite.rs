//! A client that asks for little, beside those who ask for too much: it is answered all the time.

use std::time::Duration;

use bytes::Bytes;
use cedge_tasks::{Trigger, shutdown};
use http::Method;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::door::{Door, request};

const PAUSE: Duration = Duration::from_millis(50);
const PATH: &str = "/api/v1/namespaces/default/configmaps";

/// The client, until it is asked how it went.
#[derive(Debug)]
pub struct Polite {
    stop: Trigger,
    work: JoinHandle<Report>,
}

/// How it went.
#[derive(Debug, Default)]
pub struct Report {
    /// Requests.
    pub asked: u32,
    /// The longest wait for an answer.
    pub longest: Duration,
    /// What was not answered as it should.
    pub wrong: Vec<String>,
}

// === impl Polite ===

impl Polite {
    /// Begins to ask: an object of its own, written and read in turn.
    #[must_use]
    pub fn begin(door: &Door) -> Self {
        let (stop, stopped) = shutdown();
        let mut client = door.client();
        let work = cedge_tasks::spawn("polite", async move {
            let mut report = Report::default();
            let object =
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "polite"}});
            let _ = client
                .ask(request(
                    Method::POST,
                    PATH,
                    "application/json",
                    object.to_string().into(),
                ))
                .await;
            while !stopped.is_asked() {
                report.asked += 1;
                let asked = Instant::now();
                let path = format!("{PATH}/polite");
                let request = if report.asked % 2 == 0 {
                    let patch = json!({"data": {"n": report.asked.to_string()}}).to_string();
                    request(
                        Method::PATCH,
                        &path,
                        "application/merge-patch+json",
                        patch.into(),
                    )
                } else {
                    request(Method::GET, &path, "", Bytes::new())
                };
                let answer = client.ask(request).await;
                report.longest = report.longest.max(asked.elapsed());
                match answer {
                    Ok(answer) if answer.code == 200 => {}
                    other => report.wrong.push(format!("{other:?}")),
                }
                tokio::time::sleep(PAUSE).await;
            }
            report
        });
        Self { stop, work }
    }

    /// Stops asking; how it went.
    ///
    /// # Panics
    /// If it did not end well.
    pub async fn end(self) -> Report {
        self.stop.ask();
        self.work.await.expect("it ends well")
    }
}
