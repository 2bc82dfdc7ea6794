//! Watches: the changes of a kind from some revision on, as one JSON object a line.

mod start;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use rand::Rng as _;
use serde_json::{Value, json};
use tokio::time::{Instant, Sleep};

use crate::api::Api;
use crate::cache::{Change, Event, Object, Seen, Watcher, line};
use crate::call::Call;
use crate::metrics::Gauge;
use crate::negotiate::{Encoding, Shape};
use crate::respond::{self, Body, BoxError};
use crate::selector::Filter;
use crate::status::{Error, Result};
use crate::stored;

use start::{Initial, start};

/// How long a watch lasts that does not say: 30 to 60 minutes, so that they do not all end at once.
const LASTS_MIN: u64 = 1800;
/// Lines that are put into one piece of the answer, in bytes.
const PIECE: usize = 64 << 10;

/// Objects that a webhook converts at once before they are sent.
const CONVERTED: usize = 500;

/// Marks the bookmark behind the objects that were there at the start of a streaming list.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

pub(crate) async fn watch(api: &Arc<Api>, call: Call) -> Result<Response<Body>> {
    if call.accepted.encoding == Encoding::Yaml {
        return Err(Error::NotAcceptable(
            "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
                .into(),
        ));
    }
    let place = api.limits.watch(&call.identity.user)?;
    let options = call.query.list_options(true)?;
    let resource = &call.resource;
    let mut fields = options.field_selector.clone();
    if !call.request.name.is_empty() && !fields.contains("metadata.name") {
        // The old form of a watch names one object in its path.
        let comma = if fields.is_empty() { "" } else { "," };
        fields = format!("{fields}{comma}metadata.name={}", call.request.name);
    }
    let filter = super::list::filter(
        resource,
        &call.request.namespace,
        &options.label_selector,
        &fields,
    )?;
    let (watcher, initial) = match start(api, &call, &filter, &options).await {
        Ok(started) => started,
        Err(error @ Error::Expired(..)) => return Ok(refused(&error)),
        Err(error) => return Err(error),
    };
    let seconds = options.timeout_seconds.filter(|s| *s > 0);
    let seconds = seconds.unwrap_or_else(|| LASTS_MIN + rand::rng().random_range(0..LASTS_MIN));
    let stream = Stream {
        _counted: api
            .metrics
            .watchers
            .count(&resource.group, &resource.plural),
        _place: place,
        api: api.clone(),
        made: HashMap::new(),
        plain: call.accepted.shape == Shape::Whole && resource.bytes_are_ours(),
        api_version: resource.api_version(),
        ends: Instant::now() + Duration::from_secs(seconds.min(86_400 * 365)),
        alarm: Box::pin(tokio::time::sleep(Duration::ZERO)),
        marked: watcher.revision(),
        bookmarks: options.bookmarks,
        bookmark_interval: api.config.bookmark_interval,
        shutdown: api.tasks.shutdown().clone(),
        columns: true,
        state: State::Initial,
        initial,
        watcher,
        filter,
        call,
    };
    let lines = futures::stream::unfold(stream, async |mut stream| {
        let piece = stream.next().await?;
        Some((Ok::<Bytes, BoxError>(piece), stream))
    });
    Ok(respond::with_body(
        StatusCode::OK,
        "application/json",
        respond::stream(lines),
    ))
}

/// A watch that begins too early is told so in its first line, as it would be later.
fn refused(error: &Error) -> Response<Body> {
    let status = serde_json::to_vec(&error.status()).unwrap_or_default();
    respond::bytes(StatusCode::OK, "application/json", line("ERROR", &status))
}

/// One watch, polled by the connection that it is sent on.
struct Stream {
    api: Arc<Api>,
    call: Call,
    watcher: Watcher,
    filter: Filter,
    /// Objects that a webhook has made ones of our version, by path and revision; taken when they are sent.
    made: HashMap<(String, u64), Result<Value>>,
    initial: Initial,
    /// Whether objects are sent as they are cached.
    plain: bool,
    api_version: String,
    bookmarks: bool,
    bookmark_interval: Duration,
    /// The revision that the client knows.
    marked: u64,
    ends: Instant,
    /// Rings when a bookmark is due or the watch ends.
    alarm: std::pin::Pin<Box<Sleep>>,
    /// Whether the next table tells its columns.
    columns: bool,
    state: State,
    shutdown: cedge_tasks::Shutdown,
    _counted: Gauge,
    _place: tokio::sync::OwnedSemaphorePermit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Initial,
    Following,
    Over,
}

// === impl Stream ===

impl Stream {
    /// The next lines; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.state {
                State::Over => return None,
                State::Initial => {
                    let first = self.initial.objects.iter().take(CONVERTED);
                    let first: Vec<Arc<Object>> = first.cloned().collect();
                    self.convert(&first).await;
                    if let Some(piece) = self.next_initial() {
                        return Some(piece);
                    }
                    self.state = State::Following;
                    self.set_alarm();
                }
                State::Following => {
                    let piece = self.next_changes().await;
                    if piece.is_some() {
                        return piece;
                    }
                }
            }
        }
    }

    /// Lets a webhook make objects ones of our version, if the kind has one.
    async fn convert(&mut self, objects: &[Arc<Object>]) {
        let resource = self.call.resource.clone();
        if resource.conversion().is_none() {
            return;
        }
        let new = objects.iter().filter(|o| !self.made.contains_key(&key(o)));
        let new: Vec<&Arc<Object>> = new.collect();
        let values = new.iter().map(|object| object.value());
        let converted = match values.collect::<Result<Vec<Value>>>() {
            Ok(mut values) => {
                let done = self.api.read_as(&resource, &mut values).await;
                done.map(|()| values)
            }
            Err(error) => Err(error),
        };
        for (i, object) in new.into_iter().enumerate() {
            let made = converted.as_ref().map(|values| values[i].clone());
            self.made.insert(key(object), made.map_err(Clone::clone));
        }
    }

    fn next_initial(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        let converts = self.call.resource.conversion().is_some();
        while out.len() < PIECE {
            let first = self.initial.objects.front();
            if converts && first.is_some_and(|first| !self.made.contains_key(&key(first))) {
                // The rest is converted before the next piece.
                break;
            }
            let Some(object) = self.initial.objects.pop_front() else {
                if let Some(revision) = self.initial.end.take() {
                    out.extend_from_slice(&self.bookmark(revision, true));
                }
                break;
            };
            out.extend_from_slice(&self.line(None, Change::Added, &object));
        }
        (!out.is_empty()).then(|| out.into())
    }

    async fn next_changes(&mut self) -> Option<Bytes> {
        let seen = tokio::select! {
            biased;
            () = self.shutdown.wait() => {
                self.state = State::Over;
                return None;
            }
            // Cancel safe: a position moves only when changes are given out.
            seen = self.watcher.next() => seen,
            () = self.alarm.as_mut() => return self.rung(),
        };
        match seen {
            Seen::Changes(events) => {
                let shown = events
                    .iter()
                    .filter_map(|e| Some(e.seen_by(&self.filter)?.1));
                let shown: Vec<Arc<Object>> = shown.collect();
                self.convert(&shown).await;
                self.lines(&events)
            }
            Seen::TooOld(error) => {
                self.state = State::Over;
                let status = serde_json::to_vec(&error.status()).unwrap_or_default();
                Some(line("ERROR", &status))
            }
            Seen::Closed => {
                self.state = State::Over;
                None
            }
        }
    }

    fn lines(&mut self, events: &[Arc<Event>]) -> Option<Bytes> {
        let mut seen = events.iter().filter_map(|event| {
            let (change, object) = event.seen_by(&self.filter)?;
            Some((event.clone(), change, object))
        });
        let (first, second) = (seen.next(), seen.next());
        let rest: Vec<_> = second.into_iter().chain(seen).collect();
        let (event, change, object) = first?;
        self.marked = event.revision();
        let line = self.line(Some(&event), change, &object);
        if rest.is_empty() {
            // The common case: the same bytes for every watcher, not copied.
            return Some(line);
        }
        let mut out = line.to_vec();
        for (event, change, object) in rest {
            self.marked = event.revision();
            out.extend_from_slice(&self.line(Some(&event), change, &object));
        }
        Some(out.into())
    }

    /// A bookmark is due, or the watch ends (after a last bookmark).
    fn rung(&mut self) -> Option<Bytes> {
        if Instant::now() >= self.ends {
            self.state = State::Over;
        }
        let revision = self.watcher.bookmark();
        self.set_alarm();
        if !self.bookmarks || revision <= self.marked {
            return None;
        }
        self.marked = revision;
        Some(self.bookmark(revision, false))
    }

    fn set_alarm(&mut self) {
        let next = Instant::now() + self.bookmark_interval;
        let at = if self.bookmarks {
            next.min(self.ends)
        } else {
            self.ends
        };
        self.alarm.as_mut().reset(at);
    }

    fn line(&mut self, event: Option<&Event>, change: Change, object: &Object) -> Bytes {
        if self.plain {
            return match event {
                Some(event) => event.line(change, object, &self.api_version),
                None => stored::with_api_version(&change.line(object.bytes()), &self.api_version),
            };
        }
        match self.shaped(object) {
            Ok(value) => change.line(&serde_json::to_vec(&value).unwrap_or_default()),
            Err(error) => line(
                "ERROR",
                &serde_json::to_vec(&error.status()).unwrap_or_default(),
            ),
        }
    }

    fn shaped(&mut self, object: &Object) -> Result<Value> {
        let value = match self.made.remove(&key(object)) {
            Some(made) => made?,
            None => {
                let mut value = object.value()?;
                self.call.resource.read_stored(&mut value);
                value
            }
        };
        let shaped = match self.call.accepted.shape {
            Shape::Whole => value,
            Shape::Metadata => respond::partial(&value),
            Shape::Table => {
                self.call.now = cedge_tasks::clock::now();
                let columns = std::mem::take(&mut self.columns);
                respond::table_of(&self.call, &[value], columns)?
            }
        };
        Ok(respond::in_version(&self.call, shaped))
    }

    fn bookmark(&self, revision: u64, initial_end: bool) -> Bytes {
        let resource = &self.call.resource;
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_end {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let mut object = json!({
            "kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata,
        });
        match self.call.accepted.shape {
            Shape::Whole => {}
            Shape::Metadata => {
                object["kind"] = json!("PartialObjectMetadata");
                object["apiVersion"] = json!("meta.k8s.io/v1");
            }
            Shape::Table => {
                let object = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata});
                let cells = resource.row(&json!({"metadata": {}}), self.call.now);
                return table_bookmark(&object, &cells, revision);
            }
        }
        line("BOOKMARK", &serde_json::to_vec(&object).unwrap_or_default())
    }
}

fn key(object: &Object) -> (String, u64) {
    (object.path().to_owned(), object.revision())
}

/// Tables carry the bookmark's metadata in a row: that of an object with nothing in it.
fn table_bookmark(object: &Value, cells: &[Value], revision: u64) -> Bytes {
    let table = json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": revision.to_string()}, "columnDefinitions": null,
        "rows": [{"cells": cells, "object": object}],
    });
    line("BOOKMARK", &serde_json::to_vec(&table).unwrap_or_default())
}
