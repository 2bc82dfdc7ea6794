//! One server in the middle of a sequence.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use anyhow::bail;
use bytes::BytesMut;
use futures::{Stream, StreamExt as _};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::sequence::{Action, Answer, Step, Who};
use crate::server::Server;

/// Headers of an answer that clients read.
const HEADERS: [&str; 8] = [
    "content-type",
    "warning",
    "allow",
    "etag",
    "retry-after",
    "location",
    "access-control-allow-origin",
    "x-echo",
];
/// How long an event may take.
const EVENT_WITHIN: Duration = Duration::from_secs(6);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

type Events = Pin<Box<dyn Stream<Item = anyhow::Result<Value>> + Send>>;

/// One server in the middle of a sequence.
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct Session<'a> {
    server: &'a dyn Server,
    known: BTreeMap<String, String>,
    opened: Option<Events>,
}

impl<'a> Session<'a> {
    /// At the beginning.
    #[must_use]
    pub fn new(server: &'a dyn Server, namespace: &str, echo: Option<SocketAddr>) -> Self {
        let (ip, port) = echo.map_or_else(Default::default, |a| {
            (a.ip().to_string(), a.port().to_string())
        });
        let known = [
            ("{ns}", namespace),
            ("{rv}", "1"),
            ("{uid}", "none"),
            ("{continue}", ""),
            ("{echo.ip}", &ip),
            ("{echo.port}", &port),
        ];
        Self {
            server,
            known: known
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            opened: None,
        }
    }

    fn filled(&self, text: &str) -> String {
        self.known
            .iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(name, value)
            })
    }

    /// Does one step. A document has several answers, each with a name; else there is one, without. A connection that
    /// breaks is an answer, too.
    pub async fn send(&mut self, step: &Step) -> Vec<(String, Answer)> {
        let one = |answer| vec![(String::new(), answer)];
        let work = async {
            let answers = match step.action {
                Action::Ask => one(self.ask(step).await?),
                Action::Open => one(self.open(step).await?),
                Action::Events(wanted) => one(self.events(wanted).await?),
                Action::Wait => one(self.wait(step).await?),
                Action::Document => parts(self.ask(step).await?),
            };
            anyhow::Ok(answers)
        };
        let late = |_| Err(anyhow::anyhow!("no answer in time"));
        let done = tokio::time::timeout(ANSWER_WITHIN, work).await;
        done.unwrap_or_else(late).unwrap_or_else(|error| {
            one(Answer {
                body: format!("{error:#}").into(),
                ..Answer::default()
            })
        })
    }

    fn request(&self, step: &Step) -> anyhow::Result<http::Request<Body>> {
        let mut request = http::Request::builder()
            .method(step.method.as_str())
            .uri(encoded(&self.filled(&step.path)))
            .header("user-agent", "side-by-side");
        for (name, value) in &step.headers {
            request = request.header(name.as_str(), self.filled(value));
        }
        let body = match &step.body {
            Some(body) => match std::str::from_utf8(body) {
                Ok(text) => self.filled(text).into_bytes(),
                Err(_) => body.clone(),
            },
            None => Vec::new(),
        };
        Ok(request.body(Body::from(body))?)
    }

    fn client(&self, step: &Step) -> &'a Client {
        match step.who {
            Who::Admin => self.server.client(),
            Who::Headers => self.server.stranger(),
        }
    }

    async fn ask(&mut self, step: &Step) -> anyhow::Result<Answer> {
        let answer = self.client(step).send(self.request(step)?).await?;
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let headers = headers(&head.headers);
        let body = match headers.get("content-type").map(String::as_str) {
            // What it says, not how it is laid out.
            Some("application/yaml") => {
                serde_saphyr::from_slice(&bytes).unwrap_or_else(|_| read(&bytes))
            }
            _ => read(&bytes),
        };
        self.remember(step, &body);
        Ok(Answer {
            code: head.status.as_u16(),
            headers,
            body,
        })
    }

    async fn wait(&mut self, step: &Step) -> anyhow::Result<Answer> {
        while self.ask(step).await?.code != 200 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(Answer::default())
    }

    async fn open(&mut self, step: &Step) -> anyhow::Result<Answer> {
        let answer = self.client(step).send(self.request(step)?).await?;
        let (head, body) = answer.into_parts();
        let mut answer = Answer {
            code: head.status.as_u16(),
            headers: headers(&head.headers),
            body: Value::Null,
        };
        if head.status.is_success() {
            let chunks = body.into_data_stream();
            self.opened = Some(Box::pin(lines(chunks)));
        } else {
            answer.body = read(&body.collect().await?.to_bytes());
        }
        Ok(answer)
    }

    /// The next events; fewer, if the stream ends or nothing more comes.
    async fn events(&mut self, wanted: usize) -> anyhow::Result<Answer> {
        let Some(opened) = &mut self.opened else {
            bail!("nothing is opened");
        };
        let mut seen = Vec::new();
        while seen.len() < wanted {
            match tokio::time::timeout(EVENT_WITHIN, opened.next()).await {
                Ok(Some(Ok(event))) => seen.push(event),
                Ok(Some(Err(_)) | None) => {
                    seen.push(json!("the end"));
                    break;
                }
                Err(_) => {
                    seen.push(json!("nothing more"));
                    break;
                }
            }
        }
        Ok(Answer {
            body: Value::Array(seen),
            ..Answer::default()
        })
    }

    fn remember(&mut self, step: &Step, body: &Value) {
        let always = [
            ("{rv}", "/metadata/resourceVersion"),
            ("{uid}", "/metadata/uid"),
            ("{continue}", "/metadata/continue"),
        ];
        for (name, pointer) in always {
            if let Some(value) = body.pointer(pointer).and_then(Value::as_str)
                && !value.is_empty()
            {
                self.known.insert(name.to_owned(), value.to_owned());
            }
        }
        for (name, pointer) in &step.keep {
            let value = match body.pointer(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            self.known.insert(format!("{{{name}}}"), value);
        }
    }
}

/// What no URI may have, as it may.
fn encoded(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b' ' | b'"' | b'<' | b'>' | b'{' | b'}' | b'^' | b'|' | b'`' | b'\\' => {
                format!("%{byte:02X}")
            }
            0x80.. => format!("%{byte:02X}"),
            _ => char::from(byte).to_string(),
        })
        .collect()
}

fn headers(given: &http::HeaderMap) -> BTreeMap<String, String> {
    let headers = HEADERS.iter().filter_map(|name| {
        let all: Vec<&str> = given
            .get_all(*name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        (!all.is_empty()).then(|| ((*name).to_owned(), all.join("; ")))
    });
    headers.collect()
}

/// JSON, several JSON values as an array, or text.
fn read(bytes: &[u8]) -> Value {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let read: Result<Vec<Value>, _> = values.by_ref().collect();
    match read {
        Ok(mut values) if values.len() == 1 => values.remove(0),
        Ok(values) if !values.is_empty() => Value::Array(values),
        _ => Value::String(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// Lines of JSON.
fn lines<S, E>(chunks: S) -> impl Stream<Item = anyhow::Result<Value>> + Send
where
    S: Stream<Item = Result<bytes::Bytes, E>> + Send + Unpin,
    E: std::error::Error + Send + Sync + 'static,
{
    futures::stream::try_unfold((chunks, BytesMut::new()), async |(mut chunks, mut kept)| {
        loop {
            if let Some(end) = kept.iter().position(|byte| *byte == b'\n') {
                let line = kept.split_to(end + 1);
                return Ok(Some((read(&line), (chunks, kept))));
            }
            match chunks.next().await {
                Some(chunk) => kept.extend_from_slice(&chunk?),
                None if kept.is_empty() => return Ok(None),
                None => {
                    let line = kept.split();
                    return Ok(Some((read(&line), (chunks, kept))));
                }
            }
        }
    })
}

/// The parts of an OpenAPI document: each schema. Its paths tell of protobuf, which is not written here.
fn parts(answer: Answer) -> Vec<(String, Answer)> {
    let mut rest = answer;
    let mut parts = Vec::new();
    for at in ["/definitions", "/components/schemas"] {
        let Some(Value::Object(fields)) = rest.body.pointer_mut(at).map(Value::take) else {
            continue;
        };
        for (name, body) in fields {
            let answer = Answer {
                body,
                ..Answer::default()
            };
            parts.push((format!("{at}/{name}"), answer));
        }
    }
    if let Some(paths) = rest.body.get_mut("paths") {
        *paths = Value::Null;
    }
    parts.push(("rest".to_owned(), rest));
    parts
}
