//! What an extension API server says it serves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cedge_discovery::Remote;
use cedge_kinds::read::Read;
use http::header::{ACCEPT, HOST};
use http::{Request, Response};
use serde_json::{Value, json};

use super::Route;
use crate::api::Api;
use crate::outbound::whole;
use crate::respond::Body;

const ASK_LIMIT: Duration = Duration::from_secs(5);
/// Largest document that is read.
const DOCUMENT_MAX: usize = 16 << 20;
const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// Asks for the resources of its version, and for its OpenAPI documents.
///
/// # Errors
/// In words, why it does not answer.
pub(super) async fn ask(api: &Arc<Api>, route: &Route) -> Result<Remote, String> {
    let root = route.root();
    let url = format!("https://{}{root}", route.peer(None).authority());
    let failed = |why: String| format!("failing or missing response from {url}: {why}");
    let answer = get(api, route, &root, "application/json").await;
    let answer = answer.map_err(|why| failed(format!("Get {url:?}: {why}")))?;
    let code = answer.status();
    if !code.is_success() {
        return Err(failed(format!("bad status from {url}: {}", code.as_u16())));
    }
    let list = json_of(answer).await.map_err(failed)?;
    let resources = match aggregated(api, route).await {
        Some(resources) => resources,
        None => converted(&list),
    };
    let index = fetch(api, route, "/openapi/v3", "application/json").await;
    let place = root.trim_start_matches('/');
    let v3 = index.and_then(|i| {
        let url = i.field("paths").field(place).text("serverRelativeURL");
        (!url.is_empty()).then(|| url.to_owned())
    });
    let v2 = fetch(api, route, "/openapi/v2", "application/json").await;
    Ok(Remote {
        group: route.group.clone(),
        version: route.version.clone(),
        priorities: route.priorities,
        current: true,
        resources,
        v3,
        v2: v2.filter(|d| d.text("swagger") == "2.0").map(Arc::new),
    })
}

/// The OpenAPI document of a version that another server answers.
pub(crate) async fn openapi(api: &Arc<Api>, route: &Route) -> Option<Value> {
    let path = format!("/openapi/v3{}", route.root());
    fetch(api, route, &path, "application/json").await
}

/// The resources in the newer form of discovery, if the server speaks it.
async fn aggregated(api: &Arc<Api>, route: &Route) -> Option<Vec<Value>> {
    let list = fetch(api, route, "/apis", AGGREGATED).await?;
    if list.text("kind") != "APIGroupDiscoveryList" {
        return None;
    }
    let groups = list.items("items").iter();
    let mut of_group = groups.filter(|g| g.at("metadata.name") == route.group.as_str());
    let versions = of_group.next()?.items("versions").iter();
    let mut of_version = versions.filter(|v| v.text("version") == route.version);
    Some(of_version.next()?.items("resources").to_vec())
}

/// The resources of the older form in the newer one.
fn converted(list: &Value) -> Vec<Value> {
    let own = list.text("groupVersion");
    let (own_group, own_version) = own.split_once('/').unwrap_or(("", own));
    let kind = |entry: &Value| {
        let or = |field: &str, own: &str| match entry.text(field) {
            "" => own.to_owned(),
            given => given.to_owned(),
        };
        json!({"group": or("group", own_group), "version": or("version", own_version), "kind": entry.text("kind")})
    };
    let mut made: Vec<Value> = Vec::new();
    let entries = list.items("resources");
    for entry in entries.iter().filter(|e| !e.text("name").contains('/')) {
        let scope = if entry.flag("namespaced") {
            "Namespaced"
        } else {
            "Cluster"
        };
        let mut resource = json!({
            "resource": entry.text("name"), "responseKind": kind(entry), "scope": scope,
            "singularResource": entry.text("singularName"), "verbs": entry.items("verbs"),
        });
        for field in ["shortNames", "categories"] {
            if !entry.items(field).is_empty() {
                resource[field] = json!(entry.items(field));
            }
        }
        let parts: Vec<Value> = entries
            .iter()
            .filter_map(|part| {
                let (of, name) = part.text("name").split_once('/')?;
                (of == entry.text("name")).then(|| {
                    json!({"subresource": name, "responseKind": kind(part), "verbs": part.items("verbs")})
                })
            })
            .collect();
        if !parts.is_empty() {
            resource["subresources"] = json!(parts);
        }
        made.push(resource);
    }
    made
}

/// A document, if there is one.
async fn fetch(api: &Arc<Api>, route: &Route, path: &str, accept: &str) -> Option<Value> {
    let answer = get(api, route, path, accept).await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    json_of(answer).await.ok()
}

async fn json_of(answer: Response<Body>) -> Result<Value, String> {
    let reading = tokio::time::timeout(ASK_LIMIT, whole(answer.into_body(), DOCUMENT_MAX));
    let body = reading.await.map_err(|e| e.to_string())??;
    serde_json::from_slice(&body).map_err(|e| e.to_string())
}

/// Asks in the name of the aggregator, which may read everything.
async fn get(
    api: &Arc<Api>,
    route: &Route,
    path: &str,
    accept: &str,
) -> Result<Response<Body>, String> {
    let peer = route.peer(api.front_proxy());
    let request = Request::get(path)
        .header(HOST, peer.authority())
        .header(ACCEPT, accept)
        .header("x-remote-user", "system:kube-aggregator")
        .header("x-remote-group", "system:masters")
        .body(Bytes::new())
        .map_err(|e| e.to_string())?;
    let asking = tokio::time::timeout(ASK_LIMIT, api.outbound.send(api, &peer, request, true));
    let late = |_| "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    let answer = asking.await.map_err(late)?;
    answer.map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_form_of_discovery_says_the_same() {
        let list = json!({"kind": "APIResourceList", "groupVersion": "x.io/v1", "resources": [
            {"name": "things", "singularName": "thing", "namespaced": true, "kind": "Thing", "verbs": ["get"]},
            {"name": "things/scale", "singularName": "", "namespaced": true, "kind": "Scale", "group": "autoscaling",
                "version": "v1", "verbs": ["get"]},
        ]});
        assert_eq!(
            json!(converted(&list)),
            json!([{
                "resource": "things", "scope": "Namespaced", "singularResource": "thing", "verbs": ["get"],
                "responseKind": {"group": "x.io", "version": "v1", "kind": "Thing"},
                "subresources": [{"subresource": "scale", "verbs": ["get"],
                    "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"}}],
            }])
        );
    }
}
