//! Swagger 2.0: one document for everything, for clients that know no newer one.

use serde_json::{Map, Value, json};

use cedge_schema::openapi::Dialect;

use super::v3::{by_name, schemas, shared_parameters};
use super::{Operation, Path, Response, TITLE, VERSION, operations};
use crate::catalog::{Catalog, Resource};

const JSON: &str = "application/json";
const WATCH: &str = "application/json;stream=watch";

/// `/openapi/v2`.
pub(crate) fn document(catalog: &Catalog) -> Value {
    let paths: Vec<Path> = catalog
        .versions()
        .iter()
        .flat_map(|(group, version)| {
            operations::paths(group, version, &catalog.of_version(group, version))
        })
        .collect();
    let resources: Vec<&Resource> = catalog.resources().iter().collect();
    let mut definitions = schemas(&resources, &paths, Dialect::V2);
    let mut paths: Map<String, Value> = paths
        .iter()
        .map(|path| (path.path.clone(), path_item(path)))
        .collect();
    super::roots::add_to(catalog, &mut paths, &mut definitions);
    json!({
        "swagger": "2.0",
        "info": {"title": TITLE, "version": VERSION},
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {"BearerToken": {
            "description": "Bearer Token authentication",
            "type": "apiKey",
            "name": "authorization",
            "in": "header",
        }},
        "security": [{"BearerToken": []}],
    })
}

fn path_item(path: &Path) -> Value {
    let shared = shared_parameters(path);
    let mut item: Map<String, Value> = path
        .operations
        .iter()
        .map(|(method, operation)| ((*method).to_owned(), written(operation, &shared)))
        .collect();
    if !shared.is_empty() {
        item.insert("parameters".to_owned(), flat(shared));
    }
    item.into()
}

fn written(operation: &Operation, shared: &[Value]) -> Value {
    let own = operation.parameters.iter().filter(|p| !shared.contains(p));
    let own = flat(by_name(own.cloned().collect()));
    let mut parameters = own.as_array().cloned().unwrap_or_default();
    if let Some(request) = &operation.request {
        let mut body = json!({"name": "body", "in": "body", "schema": reference(&request.schema)});
        if request.required {
            body["required"] = true.into();
        }
        parameters.insert(0, body);
    }
    let (produces, schema): (&[&str], Value) = match &operation.response {
        Response::Object { schema, watchable } => {
            let produces: &[&str] = if *watchable { &[JSON, WATCH] } else { &[JSON] };
            (produces, reference(schema))
        }
        Response::Text => (&["text/plain"], json!({"type": "string"})),
        Response::Opaque => (&["*/*"], json!({"type": "string"})),
    };
    let mut responses = Map::new();
    for (code, text) in std::iter::once(&("200", "OK")).chain(operation.codes) {
        let response = json!({"description": text, "schema": schema});
        responses.insert((*code).to_owned(), response);
    }
    responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
    let consumes = operation.request.as_ref().map_or(&["*/*"][..], |r| r.media);
    let mut out = json!({
        "description": operation.description,
        "consumes": consumes,
        "produces": produces,
        "schemes": ["https"],
        "tags": [operation.tag],
        "operationId": operation.id,
        "responses": responses,
    });
    if !parameters.is_empty() {
        out["parameters"] = parameters.into();
    }
    if let Some(action) = operation.action {
        out["x-kubernetes-action"] = action.into();
    }
    if let Some((group, version, kind)) = &operation.speaks {
        out["x-kubernetes-group-version-kind"] =
            json!({"group": group, "version": version, "kind": kind});
    }
    out
}

/// Here a parameter's type stands in the parameter itself.
fn flat(parameters: Vec<Value>) -> Value {
    let flatten = |mut parameter: Value| {
        let schema = parameter.as_object_mut().and_then(|p| p.remove("schema"));
        for (key, value) in schema
            .as_ref()
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            parameter[key] = value.clone();
        }
        parameter
    };
    parameters.into_iter().map(flatten).collect()
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/definitions/{schema}")})
}
