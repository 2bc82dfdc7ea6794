//! The schemas of custom resources: the author's, completed with what every object has.

use serde_json::{Map, Value, json};

use cedge_schema::openapi::{Definitions, Dialect};

use super::{list_schema_of, schema_of, well_known};
use crate::catalog::Resource;

/// What the schemas here refer to.
pub(super) const REFERRED: [&str; 2] = [well_known::LIST_META, well_known::OBJECT_META];
/// A built-in type that has the fields of every object, with their descriptions.
const LIKE: &str = "io.k8s.api.core.v1.ConfigMap";
/// And one that has those of every list.
const LIKE_LIST: &str = "io.k8s.api.core.v1.ConfigMapList";

/// The schema of the objects and that of their lists.
pub(super) fn schemas(
    resource: &Resource,
    definitions: &Definitions,
    dialect: Dialect,
) -> Vec<(String, Value)> {
    let (Some(name), Some(list_name)) = (schema_of(resource), list_schema_of(resource)) else {
        return Vec::new();
    };
    let property = |of: &str, name: &str| {
        let definition = definitions.definition(of, dialect);
        let mut property = definition.map_or(Value::Null, |d| d["properties"][name].clone());
        property.as_object_mut().map(|p| p.remove("default"));
        property
    };
    let mut object = match &resource.custom {
        Some(Value::Object(schema)) => schema.clone(),
        _ => Map::new(),
    };
    // The older dialect has no word for "and anything else", so there an open schema names no fields at all.
    let is_open = object.get(PRESERVE) == Some(&Value::Bool(true));
    if dialect == Dialect::V2 {
        simplify(&mut object);
    }
    object.insert("type".to_owned(), "object".into());
    if dialect == Dialect::V2 && is_open {
        object.retain(|key, _| key == "type" || key == "description");
    } else {
        let fields = object.entry("properties").or_insert_with(|| json!({}));
        for field in ["apiVersion", "kind", "metadata"] {
            fields[field] = property(LIKE, field);
        }
    }
    object.insert(GVK.to_owned(), spoken(resource, &resource.kind));

    let own = match dialect {
        Dialect::V2 => format!("#/definitions/{name}"),
        Dialect::V3 => format!("#/components/schemas/{name}"),
    };
    let more =
        "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";
    let mut list_metadata = property(LIKE_LIST, "metadata");
    list_metadata["description"] =
        format!("Standard list metadata. More info: {more}#types-kinds").into();
    let list = json!({
        "description": format!("{} is a list of {}", resource.list_kind, resource.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": property(LIKE_LIST, "apiVersion"),
            "items": {
                "description": format!("List of {}. More info: {more}", resource.plural),
                "type": "array",
                "items": {"$ref": own},
            },
            "kind": property(LIKE_LIST, "kind"),
            "metadata": list_metadata,
        },
        GVK: spoken(resource, &resource.list_kind),
    });
    vec![(name, object.into()), (list_name, list)]
}

const GVK: &str = "x-kubernetes-group-version-kind";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
/// What Swagger 2.0 does not know.
const NEWER: [&str; 6] = ["allOf", "anyOf", "default", "not", "nullable", "oneOf"];

fn spoken(resource: &Resource, kind: &str) -> Value {
    json!([{"group": resource.group, "kind": kind, "version": resource.version}])
}

/// Takes out what the older dialect cannot say: the document then allows more, never less.
fn simplify(schema: &mut Map<String, Value>) {
    schema.retain(|key, _| !NEWER.contains(&key.as_str()));
    let is_open = schema.get(PRESERVE) == Some(&Value::Bool(true));
    let is_either = schema.contains_key("x-kubernetes-int-or-string");
    if is_open || is_either {
        schema.retain(|key, _| key == "description" || key.starts_with("x-"));
        return;
    }
    for key in ["properties", "items", "additionalProperties"] {
        match schema.get_mut(key) {
            Some(Value::Object(fields)) if key == "properties" => {
                for field in fields.values_mut().filter_map(Value::as_object_mut) {
                    simplify(field);
                }
            }
            Some(Value::Object(inner)) => simplify(inner),
            _ => {}
        }
    }
}
