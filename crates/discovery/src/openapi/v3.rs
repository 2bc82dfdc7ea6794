//! OpenAPI 3: an index, and one document for each version of a group.

use serde_json::{Map, Value, json};

use cedge_schema::openapi::{Definitions, Dialect};

use super::{Operation, Path, Response, TITLE, VERSION, custom, operations, spoken};
use crate::catalog::{Catalog, Resource, group_version, root_of};

/// Raised when the form of the documents changes, so that clients fetch them again.
const FORM: u32 = 1;
const GVK: &str = "x-kubernetes-group-version-kind";

/// `/openapi/v3`. The hashes tell documents of one server apart; they are made of what goes into a document, so that the
/// index costs no more than reading the catalog.
pub(crate) fn index(catalog: &Catalog) -> Value {
    let mut paths = Map::new();
    for (group, version) in catalog.versions() {
        let root = root_of(group, version);
        let hash = hash(&catalog.of_version(group, version));
        let url = format!("/openapi/v3{root}?hash={hash}");
        let name = root.trim_start_matches('/').to_owned();
        paths.insert(name, json!({"serverRelativeURL": url}));
    }
    for name in super::roots::documents(catalog) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&FORM.to_le_bytes());
        hasher.update(VERSION.as_bytes());
        hasher.update(name.as_bytes());
        let hash = hasher.finalize().to_hex().to_uppercase();
        let url = format!("/openapi/v3/{name}?hash={hash}");
        paths.insert(name, json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

/// `/openapi/v3/apis/GROUP/VERSION`.
pub(crate) fn document(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    let resources = catalog.of_version(group, version);
    if resources.is_empty() {
        return None;
    }
    let paths = operations::paths(group, version, &resources);
    let schemas = schemas(&resources, &paths, Dialect::V3);
    let paths: Map<String, Value> = paths
        .into_iter()
        .map(|path| (path.path.clone(), path_item(&path)))
        .collect();
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": TITLE, "version": VERSION},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"BearerToken": {
                "type": "apiKey",
                "description": "Bearer Token authentication",
                "name": "authorization",
                "in": "header",
            }},
        },
    }))
}

/// The schemas that these paths speak, and all that those refer to.
pub(super) fn schemas(
    resources: &[&Resource],
    paths: &[Path],
    dialect: Dialect,
) -> Map<String, Value> {
    let definitions = Definitions::load();
    let mut wanted = spoken(paths);
    let mut schemas = Map::new();
    for resource in resources.iter().filter(|r| r.is_custom) {
        wanted.extend(custom::REFERRED.iter().map(|name| (*name).to_owned()));
        schemas.extend(custom::schemas(resource, &definitions, dialect));
    }
    for name in definitions.closure(wanted.iter().map(String::as_str)) {
        if let Some(mut definition) = definitions.definition(name, dialect) {
            if dialect == Dialect::V3 {
                keep_own_kinds(&mut definition, resources);
            }
            schemas.insert(name.to_owned(), definition);
        }
    }
    schemas
}

/// A type that every group has as a kind of its own (`DeleteOptions`) is in this document that of this group and of the
/// core one.
fn keep_own_kinds(definition: &mut Value, resources: &[&Resource]) {
    let Some(kinds) = definition.get_mut(GVK).and_then(Value::as_array_mut) else {
        return;
    };
    if kinds.len() > 1 {
        let own = |group: &str, version: &str| {
            resources
                .iter()
                .any(|r| r.group == group && r.version == version)
        };
        kinds.retain(|kind| {
            let text = |key: &str| kind[key].as_str().unwrap_or_default();
            let (group, version) = (text("group"), text("version"));
            (group, version) == ("", "v1") || own(group, version)
        });
    }
}

fn hash(resources: &[&Resource]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&FORM.to_le_bytes());
    hasher.update(VERSION.as_bytes());
    for resource in resources {
        let text = serde_json::to_vec(resource).expect("a resource can be written as JSON");
        hasher.update(group_version(&resource.group, &resource.version).as_bytes());
        hasher.update(&text);
    }
    hasher.finalize().to_hex().to_uppercase()
}

fn path_item(path: &Path) -> Value {
    let shared = shared_parameters(path);
    let mut item: Map<String, Value> = path
        .operations
        .iter()
        .map(|(method, operation)| ((*method).to_owned(), written(operation, &shared)))
        .collect();
    if !shared.is_empty() {
        item.insert("parameters".to_owned(), shared.into());
    }
    item.into()
}

/// What all operations of a path take stands once, above them.
pub(super) fn shared_parameters(path: &Path) -> Vec<Value> {
    let mut operations = path.operations.values();
    let first = operations.next();
    let mut shared = first.map(|o| o.parameters.clone()).unwrap_or_default();
    for operation in operations {
        shared.retain(|p| operation.parameters.contains(p));
    }
    by_name(shared)
}

pub(super) fn by_name(mut parameters: Vec<Value>) -> Vec<Value> {
    let name = |p: &Value| p["name"].as_str().unwrap_or_default().to_owned();
    parameters.sort_by_key(name);
    parameters
}

fn written(operation: &Operation, shared: &[Value]) -> Value {
    let own = operation.parameters.iter().filter(|p| !shared.contains(p));
    let own = by_name(own.cloned().collect());
    let answer = content(&operation.response);
    let mut responses = Map::new();
    let codes = std::iter::once(&("200", "OK")).chain(operation.codes);
    for (code, text) in codes {
        let response = json!({"description": text, "content": answer});
        responses.insert((*code).to_owned(), response);
    }
    responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
    let mut out = json!({
        "tags": [operation.tag],
        "description": operation.description,
        "operationId": operation.id,
        "responses": responses,
    });
    if !own.is_empty() {
        out["parameters"] = own.into();
    }
    if let Some(request) = &operation.request {
        let schema = json!({"schema": reference(&request.schema)});
        let media = request.media.iter();
        let content: Map<String, Value> =
            media.map(|m| ((*m).to_owned(), schema.clone())).collect();
        out["requestBody"] = json!({"content": content});
        if request.required {
            out["requestBody"]["required"] = true.into();
        }
    }
    if let Some(action) = operation.action {
        out["x-kubernetes-action"] = action.into();
    }
    if let Some((group, version, kind)) = &operation.speaks {
        out[GVK] = json!({"group": group, "version": version, "kind": kind});
    }
    out
}

fn content(response: &Response) -> Value {
    match response {
        Response::Object { schema, watchable } => {
            let schema = json!({"schema": reference(schema)});
            let mut content = json!({"application/json": schema});
            if *watchable {
                content["application/json;stream=watch"] = schema;
            }
            content
        }
        Response::Text => json!({"text/plain": {"schema": {"type": "string"}}}),
        Response::Opaque => json!({"*/*": {"schema": {"type": "string"}}}),
    }
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}
