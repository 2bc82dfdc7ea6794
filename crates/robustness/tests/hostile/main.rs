//! Clients that ask for too much: they are told so in clear words, the server's memory stays bounded, and a polite client
//! beside them is answered all the time.
#![expect(clippy::panic, reason = "what a test finds is told like this")]

mod bodies;
mod connections;
mod definitions;
mod watches;

use std::time::Duration;

use bytes::Bytes;
use cedge_e2e::{Folder, Site, say};
use cedge_robustness::door::{Answer, Client, Door, request};
use cedge_robustness::memory::{mib, peak, resident};
use cedge_robustness::polite::Polite;
use http::Method;
use serde_json::Value;

/// A server without anything else that works.
const ALONE: [&str; 2] = ["--without", "controllers,scheduler,node,tree"];
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a polite client waits at most, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server under attack, and the polite client beside.
struct Siege {
    what: &'static str,
    site: Site,
    fresh: u64,
    polite: Polite,
    _folder: Folder,
}

impl Siege {
    async fn lay(what: &'static str) -> Self {
        let folder = Folder::of(what);
        let mut site = Site::new(&folder, what, &ALONE);
        site.launch();
        let certified = async {
            while !site.kubeconfig().exists() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let mut client = door(&site, "watchman").client();
            while !client
                .get("/readyz")
                .await
                .is_ok_and(|answer| answer.code == 200)
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(READY_WITHIN, certified)
            .await
            .expect("it starts");
        let fresh = resident(site.process().expect("it runs"));
        let polite = Polite::begin(&door(&site, "polite"));
        Self {
            what,
            site,
            fresh,
            polite,
            _folder: folder,
        }
    }

    /// One of those who ask for too much; he may do anything.
    fn door(&self) -> Door {
        door(&self.site, "hostile")
    }

    /// The polite client was answered, the server lives and has never occupied more than so many MiB above what it began with.
    async fn ends(mut self, most_mib: u64) {
        let report = self.polite.end().await;
        assert!(self.site.is_alive(), "{}", self.site.last_words());
        let process = self.site.process().expect("it runs");
        let (most, now) = (peak(process), resident(process));
        say(&format!(
            "{}: memory {} before, {} at most, {} after; a polite client asked {} times and waited {:.2} s at most",
            self.what,
            mib(self.fresh),
            mib(most),
            mib(now),
            report.asked,
            report.longest.as_secs_f64()
        ));
        assert_eq!(report.wrong, Vec::<String>::new());
        assert!(report.asked > 0 && report.longest < PATIENCE, "{report:?}");
        assert!(
            most < self.fresh + (most_mib << 20),
            "{} at most",
            mib(most)
        );
    }
}

fn door(site: &Site, user: &str) -> Door {
    Door::of(&site.dir, site.api(), user, "system:masters").expect("a certificate")
}

async fn send(
    client: &mut Client,
    method: Method,
    path: &str,
    kind: &str,
    body: impl Into<Bytes>,
) -> Answer {
    let sent = client.ask(request(method, path, kind, body.into())).await;
    sent.unwrap_or_else(|silence| panic!("{path}: {silence:?}"))
}

/// An answer that says this code, and why.
fn refused(answer: &Answer, codes: &[u16]) {
    let status: Value = answer.json();
    let message = status["message"].as_str().unwrap_or_default();
    let said = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into_owned();
    assert!(
        codes.contains(&answer.code) && !message.is_empty(),
        "{}: {said}",
        answer.code
    );
}
