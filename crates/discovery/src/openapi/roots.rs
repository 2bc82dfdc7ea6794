//! What stands above the versions of groups: which versions and groups there are, and what the server is. A document of
//! its own for each in OpenAPI 3, and paths among the others in Swagger.

use std::sync::LazyLock;

use cedge_schema::openapi::Dialect;
use serde_json::{Map, Value, json};

use super::operations::names;
use super::{TITLE, VERSION};
use crate::catalog::Catalog;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const DISCOVERY: &[&str] = &["application/json", "application/yaml"];
const JSON: &[&str] = &["application/json"];

/// The schemas of what is told here, in both dialects.
static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../data/roots.json")).expect("the file holds JSON")
});

/// One path that is only read.
struct Root {
    /// `apis/apps`, without the slashes around it.
    path: String,
    id: String,
    tag: String,
    description: &'static str,
    /// The schema of the answer; a text where there is none.
    schema: Option<String>,
    media: &'static [&'static str],
}

/// The names of their documents, for the index.
pub(super) fn documents(catalog: &Catalog) -> Vec<String> {
    roots(catalog).into_iter().map(|root| root.path).collect()
}

/// `/openapi/v3/PATH`.
pub(crate) fn document(catalog: &Catalog, path: &str) -> Option<Value> {
    let root = roots(catalog).into_iter().find(|root| root.path == path)?;
    let schemas: Map<String, Value> = named(root.schema.as_deref(), Dialect::V3);
    let answer = match &root.schema {
        Some(schema) => json!({"$ref": format!("#/components/schemas/{schema}")}),
        None => json!({"type": "string"}),
    };
    let content: Map<String, Value> = root
        .media
        .iter()
        .map(|media| ((*media).to_owned(), json!({"schema": answer})))
        .collect();
    let get = json!({
        "tags": [root.tag], "description": root.description, "operationId": root.id,
        "responses": {
            "200": {"description": "OK", "content": content},
            "401": {"description": "Unauthorized"},
        },
    });
    let mut components = json!({"securitySchemes": {"BearerToken": {
        "type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header",
    }}});
    if !schemas.is_empty() {
        components["schemas"] = Value::Object(schemas);
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": TITLE, "version": VERSION},
        "paths": {format!("/{}/", root.path): {"get": get}},
        "components": components,
    }))
}

/// Adds their paths and schemas to the document of everything.
pub(super) fn add_to(
    catalog: &Catalog,
    paths: &mut Map<String, Value>,
    into: &mut Map<String, Value>,
) {
    for root in roots(catalog) {
        into.extend(named(root.schema.as_deref(), Dialect::V2));
        let answer = match &root.schema {
            Some(schema) => json!({"$ref": format!("#/definitions/{schema}")}),
            None => json!({"type": "string"}),
        };
        let get = json!({
            "description": root.description, "consumes": root.media, "produces": root.media, "schemes": ["https"],
            "tags": [root.tag], "operationId": root.id,
            "responses": {
                "200": {"description": "OK", "schema": answer},
                "401": {"description": "Unauthorized"},
            },
        });
        paths.insert(format!("/{}/", root.path), json!({"get": get}));
    }
}

fn roots(catalog: &Catalog) -> Vec<Root> {
    let root = |path: &str, id: &str, tag: &str, description, schema: Option<&str>, media| Root {
        path: path.to_owned(),
        id: id.to_owned(),
        tag: tag.to_owned(),
        description,
        schema: schema.map(|s| {
            if s.contains('.') {
                s.to_owned()
            } else {
                format!("{META}.{s}")
            }
        }),
        media,
    };
    let versions = "get available API versions";
    let mut roots = vec![
        root(
            "api",
            "getCoreAPIVersions",
            "core",
            versions,
            Some("APIVersions"),
            DISCOVERY,
        ),
        root(
            "apis",
            "getAPIVersions",
            "apis",
            versions,
            Some("APIGroupList"),
            DISCOVERY,
        ),
        root(
            "version",
            "getCodeVersion",
            "version",
            "get the version information for this server",
            Some("io.k8s.apimachinery.pkg.version.Info"),
            JSON,
        ),
        root(
            ".well-known/openid-configuration",
            "getServiceAccountIssuerOpenIDConfiguration",
            "WellKnown",
            "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
            None,
            JSON,
        ),
        root(
            "openid/v1/jwks",
            "getServiceAccountIssuerOpenIDKeyset",
            "openid",
            "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)",
            None,
            &["application/jwk-set+json"],
        ),
    ];
    for group in catalog.groups().iter().filter(|g| !g.name.is_empty()) {
        let mut resources = catalog.resources().iter();
        if resources.any(|r| r.group == *group.name && r.is_custom) {
            continue;
        }
        let id = format!("get{}APIGroup", names::camel(group.name, ""));
        let tag = names::group_tag(group.name);
        let path = format!("apis/{}", group.name);
        let what = "get information of a group";
        roots.push(root(&path, &id, &tag, what, Some("APIGroup"), DISCOVERY));
    }
    roots
}

/// A schema and those that it refers to.
fn named(schema: Option<&str>, dialect: Dialect) -> Map<String, Value> {
    let all = match dialect {
        Dialect::V2 => &SCHEMAS["v2"],
        Dialect::V3 => &SCHEMAS["v3"],
    };
    let mut found = Map::new();
    let mut wanted: Vec<String> = schema.map(ToOwned::to_owned).into_iter().collect();
    while let Some(name) = wanted.pop() {
        let definition = all[&name].clone();
        if found.contains_key(&name) || definition.is_null() {
            continue;
        }
        let text = definition.to_string();
        let others = all.as_object().into_iter().flat_map(Map::keys);
        wanted.extend(
            others
                .filter(|o| text.contains(&format!("/{o}\"")))
                .cloned(),
        );
        found.insert(name, definition);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_brings_those_that_it_refers_to() {
        let names = |schema: &str| -> Vec<String> {
            let found = named(Some(&format!("{META}.{schema}")), Dialect::V3);
            found
                .keys()
                .map(|name| name.rsplit('.').next().unwrap().to_owned())
                .collect()
        };
        assert_eq!(
            names("APIVersions"),
            ["APIVersions", "ServerAddressByClientCIDR"]
        );
        assert_eq!(
            names("APIGroup"),
            [
                "APIGroup",
                "GroupVersionForDiscovery",
                "ServerAddressByClientCIDR"
            ]
        );
    }
}
