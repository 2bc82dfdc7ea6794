//! Who creates, changes, deletes and reads, at random.

use std::time::Duration;

use bytes::Bytes;
use cedge_tasks::Shutdown;
use http::Method;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::Clock;
use crate::door::{Answer, Client, Door, Silence, request};
use crate::history::{Call, Deed, Key, Outcome, Seen};
use crate::kinds;

/// After a connection ended: the server is being started again.
const BREATH: Duration = Duration::from_millis(100);

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// One client.
#[derive(Debug)]
pub struct Writer {
    number: usize,
    client: Client,
    clock: Clock,
    rng: StdRng,
    /// Objects of each kind.
    objects: u32,
    next_tag: u64,
    calls: Vec<Call>,
}

// === impl Writer ===

impl Writer {
    /// The client of this number.
    #[must_use]
    pub fn new(number: usize, door: &Door, clock: Clock, seed: u64, objects: u32) -> Self {
        Self {
            number,
            client: door.client(),
            clock,
            rng: StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number as u64)),
            objects: (objects / 10).max(1),
            next_tag: (number as u64 + 1) << 32,
            calls: Vec::new(),
        }
    }

    /// Works until it is told to stop; what it did.
    pub async fn run(mut self, pause: Duration, stop: Shutdown) -> Vec<Call> {
        while !stop.is_asked() {
            self.step().await;
            tokio::time::sleep(pause).await;
        }
        self.calls
    }

    async fn step(&mut self) {
        let key = Key {
            kind: self.rng.random_range(0..kinds::KINDS.len()),
            index: self.rng.random_range(0..self.objects),
        };
        match self.rng.random_range(0..100) {
            0..20 => {
                self.get(key).await;
            }
            20..38 => self.create(key).await,
            38..56 => self.update(key).await,
            56..70 => self.patch(key).await,
            70..84 => self.apply(key).await,
            84..91 => self.delete(key, None, None).await,
            91..98 => self.delete_what_was_seen(key).await,
            _ => self.list(key.kind).await,
        }
    }

    /// What it did.
    #[must_use]
    pub fn into_calls(self) -> Vec<Call> {
        self.calls
    }

    /// Creates an object.
    pub async fn create(&mut self, key: Key) {
        let tag = self.tag();
        let body = kinds::object(key, tag, true);
        let path = kinds::path_of(key.kind);
        self.write(Deed::Create { key, tag }, Method::POST, &path, JSON, &body)
            .await;
    }

    async fn update(&mut self, key: Key) {
        let Some((seen, mut body)) = self.get(key).await else {
            return;
        };
        let (tag, base) = (self.tag(), seen.revision);
        kinds::retag(&mut body, tag);
        let deed = Deed::Update { key, tag, base };
        self.write(deed, Method::PUT, &kinds::path(key), JSON, &body)
            .await;
    }

    async fn patch(&mut self, key: Key) {
        let tag = self.tag();
        let (deed, body) = (Deed::Patch { key, tag }, kinds::patch(tag));
        self.write(deed, Method::PATCH, &kinds::path(key), MERGE, &body)
            .await;
    }

    async fn apply(&mut self, key: Key) {
        let tag = self.tag();
        let body = kinds::object(key, tag, false);
        let path = format!("{}?fieldManager=storm&force=true", kinds::path(key));
        self.write(Deed::Apply { key, tag }, Method::PATCH, &path, APPLY, &body)
            .await;
    }

    async fn delete_what_was_seen(&mut self, key: Key) {
        let Some((seen, _)) = self.get(key).await else {
            return;
        };
        let uid = self.rng.random_bool(0.6).then_some(seen.uid);
        let revision = (uid.is_none() || self.rng.random_bool(0.5)).then_some(seen.revision);
        self.delete(key, uid, revision).await;
    }

    async fn delete(&mut self, key: Key, uid: Option<String>, revision: Option<u64>) {
        let mut preconditions = json!({});
        if let Some(uid) = &uid {
            preconditions["uid"] = json!(uid);
        }
        if let Some(revision) = revision {
            preconditions["resourceVersion"] = json!(revision.to_string());
        }
        let body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions,
        });
        let deed = Deed::Delete { key, uid, revision };
        let (start, answer) = self
            .send(Method::DELETE, &kinds::path(key), JSON, &body)
            .await;
        let outcome = outcome(answer, |object| {
            let uid = object["details"]["uid"].as_str();
            let uid = uid.or_else(|| object["metadata"]["uid"].as_str())?;
            Some(Outcome::Deleted { uid: uid.into() })
        });
        self.note(start, deed, outcome).await;
    }

    async fn get(&mut self, key: Key) -> Option<(Seen, Value)> {
        let (start, answer) = self
            .send(Method::GET, &kinds::path(key), "", &Value::Null)
            .await;
        let mut found = None;
        let outcome = match answer {
            Ok(answer) if answer.code == 404 => Some(Outcome::Read(None)),
            answer => outcome(answer, |object| {
                let (_, seen) = kinds::seen(object)?;
                found = Some((seen.clone(), object.clone()));
                Some(Outcome::Read(Some(seen)))
            }),
        };
        self.note(start, Deed::Get { key }, outcome).await;
        found
    }

    /// Reads a whole list, in pages.
    pub async fn list(&mut self, kind: usize) {
        let begun = self.clock.now();
        let limit = self.rng.random_range(20..300);
        let (mut pages, mut items, mut token) = (Vec::new(), Vec::new(), String::new());
        let outcome = loop {
            let path = format!("{}?limit={limit}&continue={token}", kinds::path_of(kind));
            let (_, answer) = self.send(Method::GET, &path, "", &Value::Null).await;
            let page = outcome(answer, |list| {
                pages.push(kinds::revision(list)?);
                items.extend(kinds::items(list));
                let next = &list["metadata"]["continue"];
                token = next.as_str().unwrap_or_default().to_owned();
                Some(Outcome::Read(None))
            });
            match page {
                Some(Outcome::Read(None)) if token.is_empty() => {
                    break Some(Outcome::Listed { pages, items });
                }
                Some(Outcome::Read(None)) => {}
                ended => break ended,
            }
        };
        self.note(begun, Deed::List { kind }, outcome).await;
    }

    async fn write(
        &mut self,
        deed: Deed,
        method: Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) {
        let (start, answer) = self.send(method, path, content_type, body).await;
        let outcome = outcome(answer, |object| {
            Some(Outcome::Wrote(kinds::seen(object)?.1))
        });
        self.note(start, deed, outcome).await;
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> (u64, Result<Answer, Silence>) {
        let body = match body {
            Value::Null => Bytes::new(),
            body => body.to_string().into(),
        };
        let start = self.clock.now();
        let request = request(method, path, content_type, body);
        (start, self.client.ask(request).await)
    }

    async fn note(&mut self, start: u64, deed: Deed, outcome: Option<Outcome>) {
        let end = self.clock.now();
        let Some(outcome) = outcome else {
            tokio::time::sleep(BREATH).await;
            return;
        };
        let is_unknown = matches!(outcome, Outcome::Unknown(_));
        self.calls.push(Call {
            client: self.number,
            start,
            end,
            deed,
            outcome,
        });
        if is_unknown {
            tokio::time::sleep(BREATH).await;
        }
    }

    fn tag(&mut self) -> u64 {
        self.next_tag += 1;
        self.next_tag
    }
}

/// What came of a call; `None` if it was never sent. What the server says of its own failures says nothing of the write.
fn outcome(
    answer: Result<Answer, Silence>,
    read: impl FnOnce(&Value) -> Option<Outcome>,
) -> Option<Outcome> {
    match answer {
        Err(Silence::NeverSent(_)) => None,
        Err(Silence::Unknown(why)) => Some(Outcome::Unknown(why)),
        Ok(answer) if answer.code < 300 => {
            let unreadable = || Outcome::Unknown("the answer could not be read".into());
            Some(read(&answer.json()).unwrap_or_else(unreadable))
        }
        Ok(answer) if answer.code < 500 => Some(Outcome::Refused(answer.code)),
        Ok(answer) => Some(Outcome::Unknown(format!(
            "{}: {}",
            answer.code,
            String::from_utf8_lossy(&answer.body)
        ))),
    }
}
