//! An API server that is just enough: watches with a streamed list, bindings, statuses, events.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cedge_informer::{Events, Informers};
use cedge_tasks::{Group, Trigger, shutdown};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;

type Reply = http::Response<BoxBody<Bytes, Infallible>>;

/// What the server holds and was told. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    revision: u64,
    /// plural → namespace/name → object.
    objects: HashMap<String, BTreeMap<String, Value>>,
    watches: HashMap<String, Vec<mpsc::Sender<Bytes>>>,
    bindings: Vec<(String, String)>,
    /// Bindings that are refused before one is taken.
    refusals: usize,
    statuses: Vec<(String, Value)>,
    /// Whether a bound pod is shown to watchers.
    shows_bindings: bool,
}

/// A scheduler that runs against a server until it is dropped.
pub(crate) struct Running {
    _stop: Trigger,
}

impl Server {
    pub(crate) fn new() -> Self {
        let server = Self::default();
        server.state.lock().unwrap().shows_bindings = true;
        server
    }

    pub(crate) fn hide_bindings(&self) {
        self.state.lock().unwrap().shows_bindings = false;
    }

    pub(crate) fn refuse_bindings(&self, count: usize) {
        self.state.lock().unwrap().refusals = count;
    }

    pub(crate) fn put(&self, plural: &str, object: Value) {
        self.state.lock().unwrap().put(plural, object);
    }

    pub(crate) fn delete(&self, plural: &str, key: &str) {
        let mut state = self.state.lock().unwrap();
        let Some(mut object) = state
            .objects
            .entry(plural.to_owned())
            .or_default()
            .remove(key)
        else {
            panic!("no {key}");
        };
        state.revision += 1;
        object["metadata"]["resourceVersion"] = state.revision.to_string().into();
        state.tell(plural, "DELETED", &object);
    }

    pub(crate) fn bindings(&self) -> Vec<(String, String)> {
        self.state.lock().unwrap().bindings.clone()
    }

    /// What was written as the condition of a pod, in order.
    pub(crate) fn reasons(&self, pod: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let of_pod = state.statuses.iter().filter(|(name, _)| name == pod);
        let message = |(_, patch): &(String, Value)| {
            let condition = &patch["status"]["conditions"][0];
            assert_eq!(condition["type"], "PodScheduled");
            assert_eq!(condition["reason"], "Unschedulable");
            condition["message"].as_str().unwrap().to_owned()
        };
        of_pod.map(message).collect()
    }

    pub(crate) fn schedule(&self) -> Running {
        let server = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let client = kube::Client::new(service, "default");
        let (stop, signal) = shutdown();
        let group = Group::new(signal);
        let informers = Informers::new(client.clone(), group.clone());
        let events = Events::start(client.clone(), &group);
        group.spawn(
            "scheduler",
            cedge_scheduler::run(client, informers, events, group.clone()),
        );
        Running { _stop: stop }
    }

    async fn answer(&self, request: http::Request<Body>) -> Reply {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let parts: Vec<&str> = path.split('/').collect();
        let mut state = self.state.lock().unwrap();
        match (head.method.as_str(), parts.as_slice()) {
            ("GET", [.., plural]) => state.watch(plural),
            ("POST", [.., "pods", pod, "binding"]) => state.bind(pod, &body),
            ("PATCH", [.., "pods", pod, "status"]) => {
                state.statuses.push(((*pod).to_owned(), body));
                state.set(pod)
            }
            ("POST" | "PATCH", [.., "events"] | [.., "events", _]) => reply(201, &body),
            other => panic!("not expected: {other:?}"),
        }
    }
}

impl State {
    fn put(&mut self, plural: &str, mut object: Value) {
        self.revision += 1;
        let meta = &mut object["metadata"];
        meta["resourceVersion"] = self.revision.to_string().into();
        if meta["uid"].is_null() {
            meta["uid"] = meta["name"].clone();
        }
        let namespace = meta["namespace"].as_str().unwrap_or("");
        let key = format!("{namespace}/{}", meta["name"].as_str().unwrap());
        let objects = self.objects.entry(plural.to_owned()).or_default();
        let kind = match objects.insert(key, object.clone()) {
            None => "ADDED",
            Some(_) => "MODIFIED",
        };
        self.tell(plural, kind, &object);
    }

    fn tell(&mut self, plural: &str, kind: &str, object: &Value) {
        for watch in self.watches.entry(plural.to_owned()).or_default() {
            let _ = watch.try_send(event(kind, object));
        }
    }

    /// The list as a stream, then what happens.
    fn watch(&mut self, plural: &str) -> Reply {
        let (sender, mut receiver) = mpsc::channel(1024);
        let objects = self.objects.entry(plural.to_owned()).or_default();
        for object in objects.values() {
            sender.try_send(event("ADDED", object)).unwrap();
        }
        let end = json!({ "metadata": {
            "resourceVersion": self.revision.to_string(),
            "annotations": { "k8s.io/initial-events-end": "true" },
        } });
        sender.try_send(event("BOOKMARK", &end)).unwrap();
        let watches = self.watches.entry(plural.to_owned()).or_default();
        watches.push(sender);
        let frames = futures::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let frames =
            futures::StreamExt::map(frames, |bytes| Ok::<_, Infallible>(Frame::data(bytes)));
        let body = BoxBody::new(StreamBody::new(frames));
        http::Response::new(body)
    }

    fn bind(&mut self, pod: &str, binding: &Value) -> Reply {
        if self.refusals > 0 {
            self.refusals -= 1;
            return reply(
                500,
                &json!({ "kind": "Status", "code": 500, "status": "Failure" }),
            );
        }
        assert_eq!(binding["target"]["kind"], "Node");
        let node = binding["target"]["name"].as_str().unwrap().to_owned();
        self.bindings.push((pod.to_owned(), node.clone()));
        if self.shows_bindings {
            let mut object = self.objects["pods"][&format!("default/{pod}")].clone();
            assert_eq!(binding["metadata"]["uid"], object["metadata"]["uid"]);
            object["spec"]["nodeName"] = node.into();
            self.put("pods", object);
        }
        reply(201, &json!({ "kind": "Status", "status": "Success" }))
    }

    /// Stores the condition that was just told.
    fn set(&mut self, pod: &str) -> Reply {
        let (_, patch) = self.statuses.last().unwrap();
        let mut object = self.objects["pods"][&format!("default/{pod}")].clone();
        object["status"] = patch["status"].clone();
        self.put("pods", object.clone());
        reply(200, &object)
    }
}

fn event(kind: &str, object: &Value) -> Bytes {
    let mut line = json!({ "type": kind, "object": object }).to_string();
    line.push('\n');
    line.into()
}

fn reply(code: u16, body: &Value) -> Reply {
    let body = Full::from(body.to_string());
    let response = http::Response::builder().status(code);
    response.body(BoxBody::new(body)).unwrap()
}
