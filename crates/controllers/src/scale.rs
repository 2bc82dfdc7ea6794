//! The scale of any object that has one: how many replicas it is to have, and has.

use http::Request;
use kube::Client;
use serde_json::{Value, json};

use crate::discovery::discover;
use crate::error::{Answer as _, Error};

/// Kinds whose plural need not be asked for.
const KNOWN: [(&str, &str, &str); 4] = [
    ("apps", "Deployment", "deployments"),
    ("apps", "ReplicaSet", "replicasets"),
    ("apps", "StatefulSet", "statefulsets"),
    ("", "ReplicationController", "replicationcontrollers"),
];

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// A scale as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    path: String,
    value: Value,
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Found {
    Scale(Scale),
    /// There is no such object.
    Nothing,
    /// The kind (`jobs.batch`) has no scale.
    NoScale(String),
    /// No such kind is served.
    NoKind,
}

// === impl Scale ===

impl Scale {
    pub(crate) fn uid(&self) -> &str {
        self.value["metadata"]["uid"].as_str().unwrap_or_default()
    }

    /// How many there are to be.
    pub(crate) fn wanted(&self) -> i32 {
        count(&self.value["spec"]["replicas"])
    }

    /// How many there are.
    pub(crate) fn present(&self) -> i32 {
        count(&self.value["status"]["replicas"])
    }

    /// The label selector of the replicas, as text; empty if the kind does not tell.
    pub(crate) fn selector(&self) -> &str {
        self.value["status"]["selector"]
            .as_str()
            .unwrap_or_default()
    }

    /// Asks for another number; refused by the API if the scale is not the newest.
    pub(crate) async fn set(mut self, client: &Client, replicas: i32) -> Result<(), kube::Error> {
        self.value["spec"]["replicas"] = json!(replicas);
        let request = Request::put(&self.path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(self.value.to_string().into_bytes())
            .map_err(kube::Error::HttpError)?;
        client.request::<Value>(request).await.map(|_| ())
    }
}

fn count(value: &Value) -> i32 {
    value
        .as_i64()
        .and_then(|n| i32::try_from(n).ok())
        .unwrap_or(0)
}

/// Reads the scale of an object.
///
/// *Errors*: the API refused, other than by saying that it is not there.
pub(crate) async fn get(client: &Client, target: &Target) -> Result<Found, Error> {
    let (group, _) = target.api_version.split_once('/').unwrap_or(("", ""));
    let Some((plural, api_version)) = plural(client, group, target).await? else {
        return Ok(Found::NoKind);
    };
    let root = if group.is_empty() { "/api" } else { "/apis" };
    let path = format!(
        "{root}/{api_version}/namespaces/{}/{plural}/{}/scale",
        target.namespace, target.name
    );
    match ask(client, &path).await {
        Ok(value) => Ok(Found::Scale(Scale { path, value })),
        Err(e) if e.is_not_found() => {
            // Discovery tells the kinds with a scale: the objects themselves are not everybody's to read.
            let kinds = ask(client, &format!("{root}/{api_version}")).await?;
            let name = format!("{plural}/scale");
            let mut kinds = kinds["resources"].as_array().into_iter().flatten();
            match kinds.any(|kind| kind["name"] == *name) {
                true => Ok(Found::Nothing),
                false if group.is_empty() => Ok(Found::NoScale(plural)),
                false => Ok(Found::NoScale(format!("{plural}.{group}"))),
            }
        }
        Err(e) => Err(e.into()),
    }
}

async fn ask(client: &Client, path: &str) -> Result<Value, kube::Error> {
    let request = Request::get(path).body(Vec::new());
    client
        .request(request.map_err(kube::Error::HttpError)?)
        .await
}

/// The plural of a kind, and the version under which it is served.
async fn plural(
    client: &Client,
    group: &str,
    target: &Target,
) -> Result<Option<(String, String)>, Error> {
    let known = KNOWN
        .iter()
        .find(|(g, k, _)| *g == group && *k == target.kind);
    if let Some((.., plural)) = known {
        let version = if group.is_empty() { "v1" } else { "apps/v1" };
        return Ok(Some(((*plural).to_owned(), version.to_owned())));
    }
    let served = discover(client).await?.served;
    let found = served.into_iter().map(|s| s.resource);
    let found = found
        .into_iter()
        .find(|r| r.group == group && r.kind == target.kind);
    Ok(found.map(|r| (r.plural, r.api_version)))
}
