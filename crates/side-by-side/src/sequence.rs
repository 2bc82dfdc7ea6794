//! Requests in a row, and what one server answers to them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::Value;

/// Headers of an answer that clients read.
const HEADERS: [&str; 3] = ["content-type", "warning", "allow"];

/// Requests that belong together. They share a namespace of their own.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// What it is about, and the name of its namespace.
    pub name: String,
    /// The requests, in order.
    pub steps: Vec<Step>,
}

/// One request. In path and body, `{ns}` is the sequence's namespace; `{rv}` and `{uid}` are of the last object that the
/// server answered with.
#[derive(Debug, Clone)]
pub struct Step {
    /// `GET`.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// `Content-Type` of the body.
    pub content: &'static str,
    /// `Accept`.
    pub accept: &'static str,
    /// The body, if there is one.
    pub body: Option<Value>,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The headers that clients read.
    pub headers: BTreeMap<String, String>,
    /// The body: JSON, or a string of whatever else it was.
    pub body: Value,
}

impl Step {
    /// A request without a body that takes JSON.
    #[must_use]
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            content: "application/json",
            accept: "application/json",
            body: None,
        }
    }

    /// With a body.
    #[must_use]
    pub fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With a body of another type.
    #[must_use]
    pub fn of(mut self, content: &'static str) -> Self {
        self.content = content;
        self
    }

    /// Taking another type.
    #[must_use]
    pub fn takes(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }
}

/// One server in the middle of a sequence.
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct Session<'a> {
    client: &'a Client,
    known: BTreeMap<&'static str, String>,
}

impl<'a> Session<'a> {
    /// At the beginning.
    #[must_use]
    pub fn new(client: &'a Client, namespace: &str) -> Self {
        let known = [("{ns}", namespace), ("{rv}", "1"), ("{uid}", "none")];
        Self {
            client,
            known: known.map(|(name, value)| (name, value.to_owned())).into(),
        }
    }

    fn filled(&self, text: &str) -> String {
        self.known
            .iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(name, value)
            })
    }

    /// Sends one request.
    ///
    /// # Errors
    /// The connection broke; what the server refuses is an answer.
    pub async fn send(&mut self, step: &Step) -> anyhow::Result<Answer> {
        let mut request = http::Request::builder()
            .method(step.method)
            .uri(self.filled(&step.path))
            .header("accept", step.accept)
            .header("user-agent", "side-by-side");
        let body = match &step.body {
            Some(body) => {
                request = request.header("content-type", step.content);
                self.filled(&body.to_string()).into_bytes()
            }
            None => Vec::new(),
        };
        let request = request.body(Body::from(body))?;
        let answer = self
            .client
            .send(request)
            .await
            .with_context(|| format!("{} {}", step.method, step.path))?;
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        self.remember(&body);
        let headers = HEADERS.iter().filter_map(|name| {
            let all: Vec<&str> = head
                .headers
                .get_all(*name)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .collect();
            (!all.is_empty()).then(|| ((*name).to_owned(), all.join("; ")))
        });
        Ok(Answer {
            code: head.status.as_u16(),
            headers: headers.collect(),
            body,
        })
    }

    fn remember(&mut self, body: &Value) {
        for (name, field) in [
            ("{rv}", "/metadata/resourceVersion"),
            ("{uid}", "/metadata/uid"),
        ] {
            let value = body.pointer(field).and_then(Value::as_str);
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                self.known.insert(name, value.to_owned());
            }
        }
    }
}
