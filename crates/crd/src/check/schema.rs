//! A version's schema: what OpenAPI v3 and Kubernetes' extensions allow in it.

use serde_json::Value;

use cedge_kinds::error::Errors;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;

use super::rules::{self, Costs};
use super::{defaults, lists, structural};
use crate::node::Node;

const TYPES: &[&str] = &["array", "boolean", "integer", "number", "object", "string"];
/// Parts of JSON Schema that definitions may not use.
const UNSUPPORTED: &[&str] = &[
    "id",
    "additionalItems",
    "patternProperties",
    "definitions",
    "dependencies",
    "$ref",
];
/// Deepest schema that is judged; deeper ones are refused, so that no walk over one can exhaust the stack.
const DEPTH_MAX: usize = 100;

/// What is wrong with a version's schema. What a rule may cost is not asked where the schema is `unchanged`.
pub(super) fn validate(
    schema: &Value,
    has_status: bool,
    unchanged: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    if !schema.is_object() {
        return;
    }
    if depth(schema) > DEPTH_MAX {
        errors.forbidden(
            path,
            format!("must not be nested deeper than {DEPTH_MAX} levels"),
        );
        return;
    }
    if has_status {
        root_with_status(schema, path, errors);
    }
    if schema.flag("nullable") {
        errors.forbidden(
            &path.child("nullable"),
            "nullable cannot be true at the root",
        );
    }
    let before = errors.0.len();
    structural::validate(schema, path, errors);
    let node = (errors.0.len() == before).then(|| Node::compile(schema));
    if let Some(node) = &node {
        defaults::validate(node, schema, true, path, errors);
    }
    let mut walk = Walk {
        errors: Errors::new(),
    };
    let top = Place {
        root: true,
        in_meta: false,
        no_default: None,
        uncorrelated: None,
    };
    walk.node(schema, path, &top);
    let sound = walk.errors.is_empty() && errors.0.len() == before;
    errors.0.append(&mut walk.errors.0);
    if let Some(node) = node.filter(|_| sound) {
        let mut costs = Costs::new(unchanged);
        rules::validate(schema, &node, path, &mut costs, errors);
        costs.tell(path, errors);
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

const ALLOWED_AT_ROOT: &[&str] = &[
    "description",
    "type",
    "format",
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "required",
    "items",
    "properties",
    "externalDocs",
    "example",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

/// With a status subresource, the root may hold only what a part of it can be judged without.
fn root_with_status(schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    let map = schema.as_object();
    for (name, value) in map.into_iter().flatten() {
        let zero = value.is_null()
            || *value == false
            || *value == ""
            || *value == Value::Array(Vec::new());
        if zero || ALLOWED_AT_ROOT.contains(&name.as_str()) {
            continue;
        }
        errors.invalid(
            path,
            schema.clone(),
            "only [Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations] fields are allowed at the root of the schema if the status subresource is enabled",
        );
        break;
    }
    let kind = schema.text("type");
    if !kind.is_empty() && kind != "object" {
        let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.invalid(&path.child("type"), kind, detail);
    }
}

/// Where in a schema the walk is.
#[derive(Clone)]
struct Place {
    root: bool,
    in_meta: bool,
    no_default: Option<String>,
    /// The first ancestor whose children cannot be found again in an old object.
    uncorrelated: Option<String>,
}

struct Walk {
    errors: Errors,
}

impl Walk {
    fn node(&mut self, schema: &Value, path: &Path<'_>, place: &Place) {
        self.standard(schema, path, place);
        if schema.flag("uniqueItems") {
            let detail =
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.errors.forbidden(&path.child("uniqueItems"), detail);
        }
        self.additional(schema, path, place);
        self.properties(schema, path, place);
        self.junctors(schema, path, place);
        self.items(schema, path, place);
        self.extensions(schema, path);
        lists::validate(schema, path, &mut self.errors);
        rules::validate_entries(schema, path, &mut self.errors);
    }

    fn standard(&mut self, schema: &Value, path: &Path<'_>, place: &Place) {
        let kind = schema.text("type");
        if !kind.is_empty() && !TYPES.contains(&kind) {
            self.errors.not_supported(&path.child("type"), kind, TYPES);
        }
        if let Some(reason) = place
            .no_default
            .as_deref()
            .filter(|_| schema.has("default"))
        {
            self.errors
                .forbidden(&path.child("default"), format!("must not be set {reason}"));
        }
        for name in UNSUPPORTED {
            if schema.has(name) {
                self.errors
                    .forbidden(&path.child(name), format!("{name} is not supported"));
            }
        }
        if kind == "null" {
            let detail = "type cannot be set to null, use nullable as an alternative";
            self.errors.forbidden(&path.child("type"), detail);
        }
        if schema.field("items").is_array() {
            let detail = "items must be a schema object and not an array";
            self.errors.forbidden(&path.child("items"), detail);
        }
        if place.in_meta && schema.flag("x-kubernetes-embedded-resource") {
            let detail = "must not be used inside of resource meta";
            self.errors
                .forbidden(&path.child("x-kubernetes-embedded-resource"), detail);
        }
    }

    fn additional(&mut self, schema: &Value, path: &Path<'_>, place: &Place) {
        let additional = schema.field("additionalProperties");
        if additional.is_null() {
            return;
        }
        let below = path.child("additionalProperties");
        if schema.entries("properties").next().is_some() && *additional != true {
            let detail = "additionalProperties and properties are mutual exclusive";
            self.errors.forbidden(&below, detail);
        }
        let mut inner = place.below();
        if place.in_meta {
            inner.no_default =
                Some("inside additionalProperties applying to object metadata".to_owned());
        }
        if additional.is_object() {
            self.node(additional, &below, &inner);
        }
    }

    fn properties(&mut self, schema: &Value, path: &Path<'_>, place: &Place) {
        let properties = path.child("properties");
        let atomic = schema.text("x-kubernetes-map-type") == "atomic";
        for (name, property) in schema.entries("properties") {
            let mut inner = place.below();
            if atomic && inner.uncorrelated.is_none() {
                inner.uncorrelated = Some(path.to_string());
            }
            let resource = place.root || schema.flag("x-kubernetes-embedded-resource");
            if resource && matches!(name, "metadata" | "kind" | "apiVersion") {
                inner.in_meta = true;
                if place.root {
                    inner.no_default = Some(format!("in top-level {name}"));
                }
            }
            self.node(property, &properties.key(name), &inner);
        }
    }

    fn junctors(&mut self, schema: &Value, path: &Path<'_>, place: &Place) {
        let inner = place.below();
        if schema.field("not").is_object() {
            self.node(schema.field("not"), &path.child("not"), &inner);
        }
        for name in ["allOf", "oneOf", "anyOf"] {
            for (i, clause) in schema.items(name).iter().enumerate() {
                self.node(clause, &path.child(name).index(i), &inner);
            }
        }
    }

    fn items(&mut self, schema: &Value, path: &Path<'_>, place: &Place) {
        let items = schema.field("items");
        if !items.is_object() {
            return;
        }
        let mut inner = place.below();
        if schema.text("x-kubernetes-list-type") != "map" && inner.uncorrelated.is_none() {
            inner.uncorrelated = Some(path.to_string());
        }
        self.node(items, &path.child("items"), &inner);
    }

    fn extensions(&mut self, schema: &Value, path: &Path<'_>) {
        if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
            let place = path.child("x-kubernetes-preserve-unknown-fields");
            self.errors
                .invalid(&place, false, "must be true or undefined");
        }
        let kind = schema.text("type");
        let mut wants = |extension: &str, wanted: &str| {
            let detail = format!("must be {wanted} if {extension} is specified");
            if kind.is_empty() {
                self.errors.required(&path.child("type"), &detail);
            } else if kind != wanted {
                self.errors.invalid(&path.child("type"), kind, detail);
            }
        };
        let map_type = schema.text("x-kubernetes-map-type");
        if !map_type.is_empty() {
            wants("x-kubernetes-map-type", "object");
        }
        let list_type = schema.text("x-kubernetes-list-type");
        if !list_type.is_empty() {
            wants("x-kubernetes-list-type", "array");
        }
        if !matches!(map_type, "" | "atomic" | "granular") {
            let place = path.child("x-kubernetes-map-type");
            self.errors
                .not_supported(&place, map_type, &["atomic", "granular"]);
        }
        if !matches!(list_type, "" | "atomic" | "set" | "map") {
            let place = path.child("x-kubernetes-list-type");
            self.errors
                .not_supported(&place, list_type, &["atomic", "set", "map"]);
        }
    }
}

impl Place {
    fn below(&self) -> Self {
        Self {
            root: false,
            ..self.clone()
        }
    }
}
