//! Paths that are no objects: health, version, metrics, discovery, OpenAPI.

use std::sync::Arc;

use cedge_pki::Identity;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::json;

use crate::api::Api;
use crate::authz::Attributes;
use crate::negotiate::{Encoding, is_routed, not_routed, wants_pretty};
use crate::query::Query;
use crate::respond::{self, Body};
use crate::status::{About, Error, Result};

/// What `/version` says that we are.
pub const GIT_VERSION: &str = "v1.37.2+cedge";
const TEXT: &str = "text/plain; charset=utf-8";

/// What anybody may ask.
const OPEN: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];

/// What is answered whatever the method.
const ANY_METHOD: [&str; 5] = ["/healthz", "/livez", "/readyz", "/apis", "/openapi/v2"];

/// Whether a path ends with a word that announces a resource.
fn is_prefix_alone(path: &str) -> bool {
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    matches!(
        steps.as_slice(),
        ["api", _, "watch" | "proxy"] | ["apis", _, _, "watch" | "proxy"]
    )
}

/// Whether a path is that of objects, to which some methods are unknown.
fn is_of_objects(path: &str) -> bool {
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    matches!(steps.as_slice(), ["api", _, _, ..] | ["apis", _, _, _, ..])
}

/// Whether something may be behind a path.
fn is_known(path: &str) -> bool {
    let known = [
        "/version",
        "/metrics",
        "/api",
        "/apis",
        "/openapi",
        "/openid",
        "/.well-known",
    ];
    let mut known = known.iter();
    path.is_empty() || known.any(|k| path == *k || path.starts_with(&format!("{k}/")))
}

pub(crate) async fn serve(
    api: &Arc<Api>,
    identity: &Identity,
    parts: &Parts,
    query: &Query,
) -> Result<Response<Body>> {
    let path = parts.uri.path();
    let trimmed = path.trim_end_matches('/');
    if is_prefix_alone(trimmed) {
        let why = format!(
            "Internal Server Error: {path:?}: failed to create RequestInfo: unable to determine kind and namespace \
             from url, {path}\n"
        );
        return Ok(respond::bytes(StatusCode::INTERNAL_SERVER_ERROR, TEXT, why));
    }
    if !OPEN.contains(&trimmed) {
        let verb = parts.method.as_str().to_lowercase();
        api.authorizer
            .check(identity, &Attributes::path(&verb, path))?;
    }
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if parts.method == Method::HEAD && is_of_objects(trimmed) {
        return Err(Error::MethodNotAllowed(About::default(), String::new()));
    }
    if !reads && !ANY_METHOD.contains(&trimmed) {
        return Err(if is_known(trimmed) {
            Error::MethodNotAllowed(About::default(), String::new())
        } else {
            Error::NoSuchPath
        });
    }
    let encoding = if wants_pretty(&parts.headers, query) {
        Encoding::Pretty
    } else {
        Encoding::Json
    };
    let only_json = ["application/json"];
    if trimmed == "/version" && !is_routed(&parts.headers, &only_json) {
        return Err(not_routed(&only_json));
    }
    match trimmed {
        "/version" => Ok(respond::value(StatusCode::OK, Encoding::Pretty, &version())),
        "/healthz" | "/livez" | "/readyz" => Ok(health(api, &trimmed[1..], query)),
        "/healthz/ping" | "/livez/ping" | "/readyz/ping" => {
            Ok(respond::bytes(StatusCode::OK, TEXT, "ok"))
        }
        "/metrics" => Ok(respond::bytes(
            StatusCode::OK,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            metrics(api),
        )),
        "/openid/v1/jwks" => Ok(respond::value(
            StatusCode::OK,
            encoding,
            &api.config.tokens.jwks(),
        )),
        "/.well-known/openid-configuration" => {
            let host = parts
                .headers
                .get(http::header::HOST)
                .and_then(|h| h.to_str().ok());
            let jwks = format!("https://{}/openid/v1/jwks", host.unwrap_or("localhost"));
            let document = api.config.tokens.openid_configuration(&jwks);
            Ok(respond::value(StatusCode::OK, encoding, &document))
        }
        _ => api.documents.serve(api, parts, trimmed).await,
    }
}

/// Some gauges are set only when somebody looks.
fn metrics(api: &Api) -> String {
    api.fairness.measure();
    api.metrics.text(&api.cache)
}

/// The name under which a path is counted.
pub(crate) fn template(path: &str) -> &'static str {
    let first = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    match first {
        "healthz" | "livez" | "readyz" => "health",
        "version" => "version",
        "metrics" => "metrics",
        "openapi" => "openapi",
        "api" | "apis" | "" => "discovery",
        _ => "other",
    }
}

fn version() -> serde_json::Value {
    json!({
        "major": "1", "minor": "37",
        "emulationMajor": "1", "emulationMinor": "37",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "36",
        "gitVersion": GIT_VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc",
        "platform": format!("linux/{}", if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }),
    })
}

/// Alive is who answers; ready is who has caught up with the store and whose parts are all ready.
fn health(api: &Api, what: &str, query: &Query) -> Response<Body> {
    let mut checks: Vec<(String, bool)> = vec![("ping".into(), true)];
    if what != "livez" {
        let behind = api
            .cache
            .store()
            .revision()
            .get()
            .saturating_sub(api.cache.revision());
        checks.push(("cache".into(), behind < 10_000));
        for part in api.ready.waiting() {
            checks.push((part, false));
        }
    }
    if what == "readyz" {
        checks.push(("shutdown".into(), !api.tasks.shutdown().is_asked()));
    }
    checks.retain(|(name, _)| !query.all("exclude").any(|excluded| excluded == *name));
    let healthy = checks.iter().all(|(_, ok)| *ok);
    if healthy && query.get("verbose").is_none() {
        return respond::bytes(StatusCode::OK, TEXT, "ok");
    }
    let mut text = String::new();
    for (name, ok) in &checks {
        text.push_str(if *ok { "[+]" } else { "[-]" });
        text.push_str(name);
        text.push_str(if *ok {
            " ok\n"
        } else {
            " failed: reason withheld\n"
        });
    }
    text.push_str(what);
    text.push_str(if healthy {
        " check passed\n"
    } else {
        " check failed\n"
    });
    let code = if healthy {
        StatusCode::OK
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    respond::bytes(code, TEXT, text)
}
