//! What is noted of one request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cedge_kinds::read::Read;
use cedge_pki::Identity;
use cedge_serving::Connection;
use http::header::USER_AGENT;
use http::request::Parts;
use serde_json::{Value, json};

use super::Audit;
use super::policy::{Level, Outcome};
use crate::authz::Attributes;
use crate::impersonate::Allowed;

/// When an event was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    RequestReceived,
    /// Of watches and other streams: the answer has begun.
    ResponseStarted,
    ResponseComplete,
    Panic,
}

/// A request of which something is noted.
#[derive(Debug)]
pub(crate) struct Record {
    audit: Arc<Audit>,
    outcome: Outcome,
    /// What is the same at every stage.
    head: Value,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    annotations: BTreeMap<String, String>,
    request: Option<Value>,
    response: Option<Value>,
}

// === impl Stage ===

impl Stage {
    pub(super) fn read(word: &str) -> Option<Self> {
        [
            Self::RequestReceived,
            Self::ResponseStarted,
            Self::ResponseComplete,
            Self::Panic,
        ]
        .into_iter()
        .find(|stage| stage.as_str() == word)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
        }
    }
}

// === impl Level ===

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }
}

// === impl Record ===

impl Record {
    #[expect(clippy::too_many_arguments, reason = "what a record is made of, once")]
    pub(super) fn new(
        audit: Arc<Audit>,
        outcome: Outcome,
        caller: &Identity,
        acts_as: Option<&Allowed>,
        asked: &Attributes,
        parts: &Parts,
        id: &str,
    ) -> Self {
        let mut head = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": outcome.level.as_str(),
            "auditID": id, "requestURI": parts.uri.path_and_query().map_or("/", |p| p.as_str()),
            "verb": asked.verb, "user": user(caller), "sourceIPs": sources(parts),
            "requestReceivedTimestamp": cedge_tasks::clock::now_micro(),
        });
        let agent = parts.headers.get(USER_AGENT).and_then(|a| a.to_str().ok());
        if let Some(agent) = agent {
            let cut = agent.floor_char_boundary(1024);
            head["userAgent"] = json!(agent[..cut]);
        }
        if let Some(acts_as) = acts_as {
            head["impersonatedUser"] = user(&acts_as.identity);
            if !acts_as.constraint.is_empty() {
                head["authenticationMetadata"] =
                    json!({ "impersonationConstraint": acts_as.constraint });
            }
        }
        if asked.path.is_empty() {
            head["objectRef"] = reference(asked);
        }
        Self {
            audit,
            outcome,
            head,
            noted: Mutex::default(),
        }
    }

    pub(crate) fn annotate(&self, key: String, value: String) {
        // What a webhook changed is part of the body.
        if key.starts_with("patch.webhook") && !self.wants_request() {
            return;
        }
        self.noted().annotations.entry(key).or_insert(value);
    }

    pub(crate) fn wants_request(&self) -> bool {
        self.outcome.level >= Level::Request
    }

    pub(crate) fn wants_response(&self) -> bool {
        self.outcome.level >= Level::RequestResponse
    }

    /// The body of the request, if it is JSON.
    pub(crate) fn request(&self, body: &Bytes) {
        let read = serde_json::from_slice(body).ok();
        self.noted().request = read.map(|body| self.shown(body));
    }

    /// The body of the answer, if it is JSON.
    pub(crate) fn response(&self, body: &Bytes) {
        let read = serde_json::from_slice(body).ok();
        self.noted().response = read.map(|body| self.shown(body));
    }

    fn shown(&self, mut object: Value) -> Value {
        if self.outcome.omit_managed {
            let mut strip = |object: &mut Value| {
                if let Some(metadata) = object["metadata"].as_object_mut() {
                    metadata.remove("managedFields");
                }
            };
            if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
                items.iter_mut().for_each(&mut strip);
            }
            if object.is_object() {
                strip(&mut object);
            }
        }
        object
    }

    /// Writes an event, if the policy wants it at this stage; `code` is the status of the answer.
    pub(crate) fn tell(&self, stage: Stage, code: Option<u16>) {
        if self.outcome.omit.contains(&stage) {
            return;
        }
        let mut event = self.head.clone();
        event["stage"] = json!(stage.as_str());
        event["stageTimestamp"] = json!(cedge_tasks::clock::now_micro());
        if let Some(code) = code {
            event["responseStatus"] = json!({"metadata": {}, "code": code});
        }
        let noted = self.noted();
        if !noted.annotations.is_empty() {
            event["annotations"] = json!(noted.annotations);
        }
        if let Some(request) = &noted.request {
            event["requestObject"] = request.clone();
            let name = request.at("metadata.name").as_str().unwrap_or_default();
            if event["objectRef"].is_object() && !event["objectRef"].has("name") && !name.is_empty()
            {
                event["objectRef"]["name"] = json!(name);
            }
        }
        if let Some(response) = &noted.response {
            if response.text("kind") == "Status" {
                event["responseStatus"] = status(response, code);
            }
            event["responseObject"] = response.clone();
        }
        drop(noted);
        let mut line = event.to_string().into_bytes();
        line.push(b'\n');
        self.audit.put(line);
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The status of an answer without what is told beside it.
fn status(response: &Value, code: Option<u16>) -> Value {
    let mut status = json!({"metadata": {}, "code": code});
    for field in ["status", "message", "reason", "details"] {
        if response.has(field) {
            status[field] = response[field].clone();
        }
    }
    status
}

fn user(identity: &Identity) -> Value {
    let mut user = json!({"username": identity.user});
    if let Some(uid) = identity.uid.as_deref().filter(|uid| !uid.is_empty()) {
        user["uid"] = json!(uid);
    }
    if !identity.groups.is_empty() {
        user["groups"] = json!(identity.groups);
    }
    if !identity.extra.is_empty() {
        user["extra"] = json!(identity.extra);
    }
    user
}

fn sources(parts: &Parts) -> Vec<String> {
    let connection = parts.extensions.get::<Connection>();
    let remote = connection.and_then(|c| c.remote);
    remote
        .map(|address| address.ip().to_string())
        .into_iter()
        .collect()
}

fn reference(asked: &Attributes) -> Value {
    let mut reference = json!({"resource": asked.resource, "apiVersion": asked.version});
    for (field, text) in [
        ("namespace", &asked.namespace),
        ("name", &asked.name),
        ("apiGroup", &asked.group),
        ("subresource", &asked.subresource),
    ] {
        if !text.is_empty() {
            reference[field] = json!(text);
        }
    }
    reference
}
