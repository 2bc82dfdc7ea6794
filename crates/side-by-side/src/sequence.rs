//! Requests in a row: what they are, before anybody is asked.

use std::collections::BTreeMap;

use serde_json::Value;

/// Requests that belong together. They share a namespace of their own.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    /// What it is about, and the name of its namespace.
    pub name: String,
    /// Whether nothing else may happen at the servers meanwhile: it looks at what belongs to all.
    pub alone: bool,
    /// The requests, in order.
    pub steps: Vec<Step>,
}

/// One request. In path, headers and body, `{ns}` is the sequence's namespace; `{rv}`, `{uid}` and `{continue}` are of the
/// last object that the server answered with; other names are kept by earlier steps.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers; `Content-Type` and `Accept` among them.
    pub headers: Vec<(String, String)>,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
    /// Names for parts of the answer: name, JSON pointer.
    pub keep: Vec<(String, String)>,
    /// Who asks.
    pub who: Who,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Sends a request and reads the whole answer.
    Ask,
    /// Sends a request whose answer goes on; the answer is its head.
    Open,
    /// Reads so many events from what was opened last.
    Events(usize),
    /// Asks until there is something; no answer counts.
    Wait,
    /// Asks for a document, whose parts count as answers each.
    Document,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The administrator of the configuration.
    Admin,
    /// Whoever the step's headers name, or nobody.
    Headers,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Default)]
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
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            action: Action::Ask,
            method: method.into(),
            path: path.into(),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            body: None,
            keep: Vec::new(),
            who: Who::Admin,
        }
    }

    /// With a body of JSON.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "it is made for this")]
    pub fn with(mut self, body: Value) -> Self {
        if !self.headers.iter().any(|(name, _)| name == "content-type") {
            self = self.of("application/json");
        }
        self.body = Some(body.to_string().into_bytes());
        self
    }

    /// With a body of another type.
    #[must_use]
    pub fn of(self, content: &str) -> Self {
        self.header("content-type", content)
    }

    /// Taking another type.
    #[must_use]
    pub fn takes(self, accept: &str) -> Self {
        self.header("accept", accept)
    }

    /// With a header, in place of what was there under its name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(n, _)| *n != name);
        self.headers.push((name, value.to_owned()));
        self
    }
}
