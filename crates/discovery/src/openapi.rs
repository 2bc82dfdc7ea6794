//! OpenAPI documents: the paths of every resource and the schemas that they speak.

mod custom;
mod operations;
mod parameters;
pub(crate) mod protobuf;
pub(crate) mod roots;
pub(crate) mod v2;
pub(crate) mod v3;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::catalog::Resource;

/// What the documents say of themselves.
const TITLE: &str = "Kubernetes";
/// The version of Kubernetes whose API this is.
const VERSION: &str = "1.37";

/// The objects that every document needs.
pub(crate) mod well_known {
    pub(crate) const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
    pub(crate) const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
    pub(crate) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    pub(crate) const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
    pub(crate) const RESOURCE_LIST: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList";
    pub(crate) const WATCH_EVENT: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent";
    pub(crate) const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
}

/// A path with what can be done there.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) path: String,
    pub(crate) operations: BTreeMap<&'static str, Operation>,
}

/// One thing that can be done.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) tag: String,
    pub(crate) description: String,
    /// `list`, `patch`, …; none for discovery itself.
    pub(crate) action: Option<&'static str>,
    /// Group, version and kind of what is spoken.
    pub(crate) speaks: Option<(String, String, String)>,
    /// In the form of OpenAPI 3.
    pub(crate) parameters: Vec<Value>,
    pub(crate) request: Option<Request>,
    pub(crate) response: Response,
    /// Answers beside 200.
    pub(crate) codes: &'static [(&'static str, &'static str)],
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) media: &'static [&'static str],
    pub(crate) schema: String,
    pub(crate) required: bool,
}

/// The body of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Response {
    /// An object of this schema, perhaps as a stream of changes.
    Object { schema: String, watchable: bool },
    /// Text (logs).
    Text,
    /// Whatever the other end says (upgraded connections, proxies).
    Opaque,
}

/// The name of the schema of a kind.
pub(crate) fn schema_name(group: &str, version: &str, kind: &str) -> Option<&'static str> {
    cedge_schema::builtin().of(group, version, kind)?.name()
}

/// The name of the schema of a resource's objects.
pub(crate) fn schema_of(resource: &Resource) -> Option<String> {
    if resource.is_custom {
        let group: Vec<&str> = resource.group.rsplit('.').collect();
        let (version, kind) = (&resource.version, &resource.kind);
        return Some(format!("{}.{version}.{kind}", group.join(".")));
    }
    schema_name(&resource.group, &resource.version, &resource.kind).map(str::to_owned)
}

/// The name of the schema of a list of them.
pub(crate) fn list_schema_of(resource: &Resource) -> Option<String> {
    let name = schema_of(resource)?;
    let prefix = name.strip_suffix(resource.kind.as_ref())?;
    Some(format!("{prefix}{}", resource.list_kind))
}

/// The names of the built-in schemas that these paths speak. (Custom ones are added by `custom`.)
pub(crate) fn spoken(paths: &[Path]) -> Vec<String> {
    let operations = || paths.iter().flat_map(|p| p.operations.values());
    let watchable = |o: &Operation| {
        matches!(
            o.response,
            Response::Object {
                watchable: true,
                ..
            }
        )
    };
    let event = operations()
        .any(watchable)
        .then(|| well_known::WATCH_EVENT.to_owned());
    operations()
        .flat_map(|o| {
            let request = o.request.as_ref().map(|r| r.schema.clone());
            let response = match &o.response {
                Response::Object { schema, .. } => Some(schema.clone()),
                Response::Text | Response::Opaque => None,
            };
            request.into_iter().chain(response)
        })
        .chain(event)
        .collect()
}
