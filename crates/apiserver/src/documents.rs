//! Discovery and OpenAPI: made when somebody asks, forgotten when nobody does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cedge_discovery::{Answer, Ask, Catalog, CustomResource, Document};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, VARY,
};
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::api::Api;
use crate::crds;
use crate::negotiate::{Accepted, Encoding, Offer};
use crate::respond::{self, Body};
use crate::selector::Filter;
use crate::status::{Error, Result};

/// Documents that nobody has asked for in this time are forgotten.
const IDLE: Duration = Duration::from_secs(120);

/// The documents of what is served now.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    documents: Option<Arc<cedge_discovery::Documents>>,
    /// Counts how often what is served has changed: what was made before is not kept.
    changes: u64,
}

// === impl Documents ===

impl Documents {
    /// What is served has changed.
    pub(crate) fn forget(&self) {
        let mut made = self.lock();
        made.documents = None;
        made.changes += 1;
    }

    pub(crate) async fn serve(
        &self,
        api: &Arc<Api>,
        parts: &Parts,
        path: &str,
    ) -> Result<Response<Body>> {
        if path.is_empty() {
            return Ok(paths());
        }
        api.cache.fresh().await?;
        let behind = path.strip_prefix("/openapi/v3");
        if let Some(route) = behind.and_then(|path| api.extensions.find(path)) {
            let document = crate::extension::openapi(api, &route).await;
            let document = document.ok_or(Error::NoSuchPath)?;
            let encoding = Encoding::Json;
            return Ok(respond::value(StatusCode::OK, encoding, &document));
        }
        let documents = self.of(api).await?;
        let header = |name: HeaderName| -> Option<String> {
            let values = parts.headers.get_all(name);
            let values: Vec<&str> = values.iter().filter_map(|v| v.to_str().ok()).collect();
            (!values.is_empty()).then(|| values.join(","))
        };
        let (mut accept, known) = (header(ACCEPT), header(IF_NONE_MATCH));
        let yaml = wants_yaml(parts, path)?;
        if yaml {
            accept = None;
        }
        let gzip = !yaml && header(ACCEPT_ENCODING).is_some_and(|e| e.contains("gzip"));
        let path = path.to_owned();
        // OpenAPI takes some ten milliseconds: not on a thread that others wait for.
        let made = tokio::task::spawn_blocking(move || {
            documents.answer(&Ask {
                path: &path,
                accept: accept.as_deref(),
                gzip,
                if_none_match: known.as_deref(),
            })
        });
        match made.await.map_err(Error::internal)? {
            Answer::NotFound if parts.uri.path().starts_with("/openapi/v3/") => {
                Ok(silent(StatusCode::NOT_FOUND))
            }
            Answer::NotFound => Err(missing(parts.uri.path())),
            Answer::NotAcceptable if parts.uri.path().starts_with("/openapi") => {
                Ok(silent(StatusCode::NOT_ACCEPTABLE))
            }
            Answer::NotAcceptable => Err(Error::NotAcceptable(
                "application/json, application/yaml, application/vnd.kubernetes.protobuf".into(),
            )),
            Answer::NotModified(etag) => Ok(not_modified(&etag)),
            Answer::Document(document) if yaml => in_yaml(&document),
            Answer::Document(document) => Ok(answer(document, parts.uri.path())),
        }
    }

    /// What is there, or made now; never while a lock is held that the feed of the cache wants.
    async fn of(&self, api: &Arc<Api>) -> Result<Arc<cedge_discovery::Documents>> {
        loop {
            let changes = {
                let made = self.lock();
                if let Some(documents) = &made.documents {
                    return Ok(documents.clone());
                }
                made.changes
            };
            let served = api.clone();
            let making = tokio::task::spawn_blocking(move || make(&served));
            let documents = making.await.map_err(Error::internal)??;
            let mut made = self.lock();
            // A definition that came meanwhile may be missing.
            if made.changes != changes {
                continue;
            }
            made.documents = Some(documents.clone());
            drop(made);
            forget_when_idle(api, &documents);
            return Ok(documents);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make(api: &Api) -> Result<Arc<cedge_discovery::Documents>> {
    let address = api
        .config
        .advertised
        .map(|a| a.to_string())
        .unwrap_or_default();
    let catalog = Catalog::new(custom(api)?);
    let documents = cedge_discovery::Documents::new(catalog, address);
    Ok(Arc::new(documents.with(api.extensions.remotes())))
}

/// Looks after documents until they are replaced or nobody uses them.
fn forget_when_idle(api: &Arc<Api>, documents: &Arc<cedge_discovery::Documents>) {
    let (documents, api) = (Arc::downgrade(documents), api.clone());
    api.tasks.clone().spawn("apiserver/documents", async move {
        while api
            .tasks
            .shutdown()
            .or(tokio::time::sleep(IDLE))
            .await
            .is_some()
        {
            let Some(documents) = documents.upgrade() else {
                return;
            };
            documents.forget_unused();
            if documents.kept_bytes() == 0 {
                api.documents.forget();
                return;
            }
        }
    });
}

/// The served versions of the definitions.
fn custom(api: &Api) -> Result<Vec<CustomResource>> {
    let definitions = api.cache.kind(crds::GROUP, crds::PLURAL);
    let mut all = Vec::new();
    for object in definitions.list(&Filter::default(), None, 0, 0).objects {
        let definition = object.value()?;
        if !crds::is_true(&definition, "Established") {
            continue;
        }
        let versions = definition["spec"]["versions"]
            .as_array()
            .into_iter()
            .flatten();
        let served = versions.filter(|v| v["served"] == true);
        all.extend(served.map(|version| of_version(&definition, version)));
    }
    if crate::usage::is_ours(api) {
        all.extend(crate::usage::resources());
    }
    Ok(all)
}

/// A version that a group of ours does not have is told as such.
fn missing(path: &str) -> Error {
    match path
        .trim_matches('/')
        .split('/')
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["api", _] => Error::NoSuchResource,
        ["apis", group, _] => crate::handler::unknown(group),
        _ => Error::NoSuchPath,
    }
}

fn of_version(definition: &Value, version: &Value) -> CustomResource {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(Value::as_str)
            .map(ToOwned::to_owned)
            .collect()
    };
    let names = &definition["status"]["acceptedNames"];
    CustomResource {
        group: text(&definition["spec"]["group"]),
        version: text(&version["name"]),
        kind: text(&names["kind"]),
        list_kind: text(&names["listKind"]),
        plural: text(&names["plural"]),
        singular: text(&names["singular"]),
        short_names: texts(&names["shortNames"]),
        categories: texts(&names["categories"]),
        namespaced: definition["spec"]["scope"] == "Namespaced",
        status: version["subresources"]["status"].is_object(),
        scale: version["subresources"]["scale"].is_object(),
        schema: Some(&version["schema"]["openAPIV3Schema"])
            .filter(|s| s.is_object())
            .cloned(),
        told_only: false,
        storage: storage_version(definition),
    }
}

/// The version in which a definition's objects are stored.
fn storage_version(definition: &Value) -> String {
    let versions = definition["spec"]["versions"].as_array();
    let mut versions = versions.into_iter().flatten();
    let storage = versions.find(|v| v["storage"] == true);
    let name = storage.and_then(|v| v["name"].as_str());
    name.unwrap_or_default().to_owned()
}

/// Whether discovery is asked for as YAML; who takes neither that nor JSON is refused, each path in its own words.
fn wants_yaml(parts: &Parts, path: &str) -> Result<bool> {
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (is_list, routed) = match steps.as_slice() {
        ["api"] | ["api", _] | ["apis", _, _] => (true, true),
        ["apis"] | ["apis", _] => (true, false),
        _ => (false, false),
    };
    let asks = parts.headers.get(ACCEPT).and_then(|a| a.to_str().ok());
    if !is_list || asks.is_some_and(|a| a.contains("APIGroupDiscoveryList")) {
        return Ok(false);
    }
    match Accepted::parse(&parts.headers, false, Offer::default()) {
        Ok(accepted) => Ok(accepted.encoding == Encoding::Yaml),
        Err(error) if routed => Err(error),
        Err(_) => Err(Error::NotAcceptable(
            "application/json, application/yaml, application/vnd.kubernetes.protobuf".into(),
        )),
    }
}

fn in_yaml(document: &Document) -> Result<Response<Body>> {
    let value: Value = serde_json::from_slice(&document.body).map_err(Error::internal)?;
    Ok(respond::value(StatusCode::OK, Encoding::Yaml, &value))
}

fn answer(document: Document, path: &str) -> Response<Body> {
    let mut response = respond::bytes(StatusCode::OK, document.content_type, document.body);
    // Plain discovery is never asked whether it has changed.
    if path.contains("openapi") || document.content_type.contains("as=") {
        tag(&mut response, &document.etag);
    }
    if document.gzip {
        let headers = response.headers_mut();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// What a handler of OpenAPI says that has nothing: a number.
fn silent(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(respond::full(Vec::new()));
    *response.status_mut() = code;
    response
}

fn not_modified(etag: &str) -> Response<Body> {
    let mut response = Response::new(respond::full(Vec::new()));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    tag(&mut response, etag);
    response
}

fn tag(response: &mut Response<Body>, etag: &str) {
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(ETAG, etag);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
}

/// What `/` lists.
fn paths() -> Response<Body> {
    let list = json!({"paths": [
        "/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics",
        "/openapi/v2", "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version",
    ]});
    respond::value(StatusCode::OK, Encoding::Json, &list)
}
