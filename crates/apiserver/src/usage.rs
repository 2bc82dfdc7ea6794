//! `metrics.k8s.io/v1beta1`: what nodes and pods use, for `kubectl top` and the autoscaler.
//!
//! Nothing is measured or stored while nobody asks: a question is handed on to the nodes concerned, and their answers are
//! believed for a few seconds. Whoever registers an API server of his own for this group takes it over.

mod shapes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api::Api;
use crate::cache::Object;
use crate::negotiate::{Accepted, Offer};
use crate::query::Query;
use crate::request::{ResourceRequest, Verb};
use crate::respond::{self, Body};
use crate::selector::Filter;
use crate::status::{About, Error, Result};
use crate::subresource::node;

pub(crate) use shapes::resources;

const GROUP: &str = "metrics.k8s.io";
const VERSION: &str = "v1beta1";
const SERVICE: &str = "v1beta1.metrics.k8s.io";
/// How long an answer of a node is believed.
const BELIEVED: Duration = Duration::from_secs(10);
/// How long a node may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A node with a thousand containers answers with some 400 KiB.
const ANSWER_MAX: usize = 8 << 20;
/// Nodes that are asked at once.
const AT_ONCE: usize = 32;

/// The last answers.
#[derive(Debug, Default)]
pub(crate) struct Usage(Mutex<HashMap<String, (Instant, Arc<Value>)>>);

/// Whether nobody else serves the group.
pub(crate) fn is_ours(api: &Api) -> bool {
    let services = api.cache.kind("apiregistration.k8s.io", "apiservices");
    let other = services.get(SERVICE).and_then(|s| s.value().ok());
    !other.is_some_and(|s| s["spec"]["service"].is_object())
}

/// Whether a request is answered here.
pub(crate) fn takes(api: &Api, request: &ResourceRequest) -> bool {
    request.group == GROUP
        && request.version == VERSION
        && matches!(request.resource.as_str(), "nodes" | "pods")
        && request.subresource.is_empty()
        && is_ours(api)
}

pub(crate) async fn serve(
    api: &Arc<Api>,
    request: &ResourceRequest,
    query: &Query,
    headers: &HeaderMap,
    pretty: bool,
) -> Result<Response<Body>> {
    let pods = request.resource == "pods";
    let scoped = pods != request.namespace.is_empty();
    let fits = match request.verb {
        Verb::Get => scoped,
        Verb::List => pods || scoped,
        _ => return Err(Error::MethodNotAllowed(About::default(), String::new())),
    };
    if !fits {
        return Err(Error::NoSuchResource);
    }
    let accepted = Accepted::parse(headers, pretty, Offer::default())?;
    api.cache.fresh().await?;
    let answer = match request.verb {
        Verb::Get => one(api, request, pods).await?,
        _ => list(api, request, query, pods).await?,
    };
    Ok(respond::value(StatusCode::OK, accepted.encoding, &answer))
}

async fn one(api: &Arc<Api>, request: &ResourceRequest, pods: bool) -> Result<Value> {
    let about = || Error::NotFound(About::new(GROUP, &request.resource, &request.name));
    let path = if pods {
        format!("{}/{}", request.namespace, request.name)
    } else {
        request.name.clone()
    };
    let found = api.cache.kind("", &request.resource).get(&path);
    let mut items = measured(api, vec![found.ok_or_else(about)?], pods).await?;
    items.pop().ok_or_else(about)
}

async fn list(
    api: &Arc<Api>,
    request: &ResourceRequest,
    query: &Query,
    pods: bool,
) -> Result<Value> {
    let kind = api.cache.kind("", &request.resource);
    let selectable = kind.indexer().map(|i| i.names.to_vec()).unwrap_or_default();
    let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let (labels, fields) = (text("labelSelector"), text("fieldSelector"));
    let filter = Filter::parse(&request.namespace, &labels, &fields, &selectable, &|name| {
        Ok(name.to_owned())
    })?;
    let objects = kind.list(&filter, None, 0, 0).objects;
    let items = measured(api, objects, pods).await?;
    let kind = if pods {
        "PodMetricsList"
    } else {
        "NodeMetricsList"
    };
    Ok(json!({
        "kind": kind, "apiVersion": format!("{GROUP}/{VERSION}"), "metadata": {}, "items": items,
    }))
}

/// What is known of these objects; of those that cannot be measured now, nothing.
async fn measured(api: &Arc<Api>, objects: Vec<Arc<Object>>, pods: bool) -> Result<Vec<Value>> {
    let mut values = Vec::with_capacity(objects.len());
    for object in &objects {
        let value = object.value()?;
        let node = if pods {
            value["spec"]["nodeName"].as_str().unwrap_or_default()
        } else {
            object.name()
        };
        values.push((node.to_owned(), value));
    }
    let mut nodes: Vec<&str> = values.iter().map(|(node, _)| node.as_str()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let mut answers: HashMap<&str, Arc<Value>> = HashMap::new();
    for some in nodes.chunks(AT_ONCE) {
        let asked = some.iter().filter(|node| !node.is_empty());
        let asked = asked.map(|node| async move { (*node, ask(api, node).await) });
        let done = futures::future::join_all(asked).await;
        answers.extend(
            done.into_iter()
                .filter_map(|(node, answer)| Some((node, answer?))),
        );
    }
    let items = values.iter().filter_map(|(node, object)| {
        let answer = answers.get(node.as_str())?;
        if pods {
            shapes::pod(object, answer)
        } else {
            shapes::node(object, answer)
        }
    });
    Ok(items.collect())
}

/// What a node said a moment ago, or says now.
async fn ask(api: &Arc<Api>, name: &str) -> Option<Arc<Value>> {
    let known = {
        let answers = api.usage.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(name).cloned()
    };
    if let Some((at, answer)) = known
        && at.elapsed() < BELIEVED
    {
        return Some(answer);
    }
    let asking = Box::pin(node::fetch(api, name, "/stats/summary", ANSWER_MAX));
    let said = match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(said)) => said,
        Ok(Err(error)) => {
            tracing::debug!(node = name, %error, "a node does not say what it uses");
            return None;
        }
        Err(_) => return None,
    };
    let answer: Arc<Value> = Arc::new(serde_json::from_slice(&said).ok()?);
    let mut answers = api.usage.0.lock().unwrap_or_else(PoisonError::into_inner);
    // Nodes that are gone are forgotten when somebody asks of the others.
    answers.retain(|_, (at, _)| at.elapsed() < BELIEVED);
    answers.insert(name.to_owned(), (Instant::now(), answer.clone()));
    Some(answer)
}
