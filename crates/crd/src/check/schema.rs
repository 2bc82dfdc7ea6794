//! A version's schema: what OpenAPI v3 and Kubernetes' extensions allow in it.

use serde_json::Value;

use cedge_kinds::error::Errors;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;

use super::structural;
use crate::cel::check as cel_check;
use crate::node::{Additional, Node};
use crate::object;

const TYPES: &[&str] = &["array", "boolean", "integer", "number", "object", "string"];
const REASONS: &[&str] = &[
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];
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

/// What is wrong with a version's schema.
pub(super) fn validate(schema: &Value, has_status: bool, path: &Path<'_>, errors: &mut Errors) {
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
        defaults(node, schema, true, path, errors);
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
        errors
            .0
            .append(&mut rules(schema, &node, path, true, None).0);
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
        list_type(schema, path, &mut self.errors);
        rule_entries(schema, path, &mut self.errors);
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

fn list_type(schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    let list_type = schema.text("x-kubernetes-list-type");
    let keys = schema.items("x-kubernetes-list-map-keys");
    let items = schema.field("items");
    if !keys.is_empty() && list_type != "map" {
        let place = path.child("x-kubernetes-list-type");
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        if list_type.is_empty() {
            errors.required(&place, detail);
        } else {
            errors.invalid(&place, list_type, detail);
        }
    }
    match list_type {
        "set" => set_items(items, path, errors),
        "map" => map_items(schema, items, keys, path, errors),
        _ => return,
    }
    if items.flag("nullable") {
        let place = path.child("items");
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.forbidden(&place.child("nullable"), detail);
    }
}

fn set_items(items: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("items");
    let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let inner = items.text("x-kubernetes-list-type");
    match items.text("type") {
        "array" if !matches!(inner, "" | "atomic") => {
            errors.invalid(&path.child("x-kubernetes-list-type"), inner, detail);
        }
        "object" if items.text("x-kubernetes-map-type") != "atomic" => {
            let shown = items.field("x-kubernetes-list-type").clone();
            errors.invalid(&path.child("x-kubernetes-map-type"), shown, detail);
        }
        _ => {}
    }
}

fn map_items(schema: &Value, items: &Value, keys: &[Value], path: &Path<'_>, errors: &mut Errors) {
    let keys_path = path.child("x-kubernetes-list-map-keys");
    let items_path = path.child("items");
    if keys.is_empty() {
        errors.required(
            &keys_path,
            "must not be empty if x-kubernetes-list-type is map",
        );
    }
    if !items.is_object() {
        errors.required(
            &items_path,
            "must have a schema if x-kubernetes-list-type is map",
        );
        return;
    }
    let kind = items.text("type");
    if kind != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        errors.invalid(&items_path.child("type"), kind, detail);
        return;
    }
    let shown = schema.field("x-kubernetes-list-map-keys");
    let properties = items_path.child("properties");
    let mut seen = Vec::new();
    for key in keys.iter().filter_map(Value::as_str) {
        let property = &items["properties"][key];
        if property.is_null() {
            errors.invalid(
                &keys_path,
                shown.clone(),
                "entries must all be names of item properties",
            );
        } else if matches!(property.text("type"), "array" | "object") {
            let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            errors.invalid(&properties.key(key).child("type"), kind, detail);
        }
        if seen.contains(&key) {
            errors.invalid(
                &keys_path,
                shown.clone(),
                "must not contain duplicate entries",
            );
        }
        seen.push(key);
    }
    for key in keys.iter().filter_map(Value::as_str) {
        let property = &items["properties"][key];
        let required = items.items("required").iter().any(|r| r == key);
        if property.is_object() && !required && !property.has("default") {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.required(&properties.key(key).child("default"), detail);
        }
        if property.flag("nullable") {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.forbidden(&properties.key(key).child("nullable"), detail);
        }
    }
}

fn rule_entries(schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("x-kubernetes-validations");
    let breaks = |text: &str| text.contains(['\n', '\r']);
    for (i, entry) in schema.items("x-kubernetes-validations").iter().enumerate() {
        let path = path.index(i);
        let (rule, message) = (entry.text("rule").trim(), entry.text("message"));
        if rule.is_empty() {
            errors.required(&path.child("rule"), "rule is not specified");
        } else if !message.is_empty() && message.trim().is_empty() {
            errors.invalid(
                &path.child("message"),
                message,
                "must be non-empty if specified",
            );
        } else if breaks(message.trim()) {
            errors.invalid(
                &path.child("message"),
                message,
                "must not contain line breaks",
            );
        } else if breaks(rule) && message.trim().is_empty() {
            let detail = "message must be specified if rule contains line breaks";
            errors.required(&path.child("message"), detail);
        }
        let expression = entry.text("messageExpression");
        if !expression.is_empty() && expression.trim().is_empty() {
            let detail = "messageExpression must be non-empty if specified";
            errors.required(&path.child("messageExpression"), detail);
        }
        let reason = entry.text("reason");
        if entry.has("reason") && !REASONS.contains(&reason) {
            errors.not_supported(&path.child("reason"), reason, REASONS);
        }
        field_path(
            entry.text("fieldPath"),
            schema,
            &path.child("fieldPath"),
            errors,
        );
    }
}

fn field_path(text: &str, schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    if text.is_empty() {
        return;
    }
    if text.trim().is_empty() {
        errors.invalid(path, text, "must be non-empty if specified");
    }
    if text.contains(['\n', '\r']) {
        errors.invalid(path, text, "must not contain line breaks");
    }
    let dotted = text.replace("['", ".").replace("']", "");
    if super::fields::resolve(&dotted, schema).is_err() {
        errors.invalid(path, text, "must be a valid path");
    }
}

/// Compiles every rule of a sound schema; the deepest come last, as they are found.
fn rules(
    schema: &Value,
    node: &Node,
    path: &Path<'_>,
    root: bool,
    uncorrelated: Option<&str>,
) -> Errors {
    let mut errors = Errors::new();
    if !node.has_rules {
        return errors;
    }
    let here = path.to_string();
    if let Additional::Schema(inner) = &node.additional {
        let additional = schema.field("additionalProperties");
        let below = path.child("additionalProperties");
        errors
            .0
            .append(&mut rules(additional, inner, &below, false, uncorrelated).0);
    }
    let properties = path.child("properties");
    let atomic = schema.text("x-kubernetes-map-type") == "atomic";
    let inner = if atomic {
        uncorrelated.or(Some(&here))
    } else {
        uncorrelated
    };
    for (name, known) in &node.properties {
        let property = &schema["properties"][name];
        errors
            .0
            .append(&mut rules(property, known, &properties.key(name), false, inner).0);
    }
    if let Some(item) = &node.items {
        let keyed = schema.text("x-kubernetes-list-type") == "map";
        let inner = if keyed {
            uncorrelated
        } else {
            uncorrelated.or(Some(&here))
        };
        errors.0.append(
            &mut rules(
                schema.field("items"),
                item,
                &path.child("items"),
                false,
                inner,
            )
            .0,
        );
    }
    own_rules(schema, node, path, root, uncorrelated, &mut errors);
    errors
}

fn own_rules(
    schema: &Value,
    node: &Node,
    path: &Path<'_>,
    root: bool,
    uncorrelated: Option<&str>,
    errors: &mut Errors,
) {
    let entries = schema.items("x-kubernetes-validations");
    if entries.is_empty() {
        return;
    }
    let path = path.child("x-kubernetes-validations");
    for (i, (entry, rule)) in entries.iter().zip(&node.rules).enumerate() {
        let path = path.index(i);
        if let Some(wrong) = cel_check::rule(rule, node, root) {
            errors.invalid(&path.child("rule"), internal_form(entry), wrong);
        }
        let message = entry.text("messageExpression");
        if !message.is_empty()
            && let Some(wrong) = cel_check::message(message, node, root)
        {
            errors.invalid(
                &path.child("messageExpression"),
                internal_form(entry),
                wrong,
            );
        }
        if rule.uses_old_self {
            if let Some(place) = uncorrelated {
                let detail = format!(
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within {place}"
                );
                errors.invalid(&path.child("rule"), entry.text("rule"), detail);
            }
        } else if entry.has("optionalOldSelf") {
            let detail = "may not be set if oldSelf is not used in rule";
            errors.invalid(
                &path.child("optionalOldSelf"),
                entry.flag("optionalOldSelf"),
                detail,
            );
        }
    }
}

/// A rule as Kubernetes' internal form writes it, for messages that show it whole.
fn internal_form(entry: &Value) -> Value {
    serde_json::json!({
        "Rule": entry.text("rule"),
        "Message": entry.text("message"),
        "MessageExpression": entry.text("messageExpression"),
        "Reason": entry.field("reason"),
        "FieldPath": entry.text("fieldPath"),
        "OptionalOldSelf": entry.field("optionalOldSelf"),
    })
}

/// A default must itself be valid, and must not hold what the schema does not know.
fn defaults(node: &Node, schema: &Value, root: bool, path: &Path<'_>, errors: &mut Errors) {
    if let Some(default) = &node.default {
        let place = path.child("default");
        let mut pruned = default.clone();
        let removed = object::prune(&mut pruned, &unrooted(node));
        if removed.is_empty() {
            let name = place.to_string();
            for mut error in object::validate_schema(default, None, node, "") {
                error.field = if error.field == "<nil>" {
                    name.clone()
                } else {
                    format!("{name}.{}", error.field)
                };
                errors.0.push(error);
            }
        } else {
            let detail = "must not have unknown fields";
            errors.invalid(&place, default.clone(), detail);
        }
    }
    let properties = path.child("properties");
    for (name, property) in &node.properties {
        let meta = root && matches!(name.as_str(), "metadata" | "kind" | "apiVersion");
        if !meta {
            defaults(
                property,
                &schema["properties"][name],
                false,
                &properties.key(name),
                errors,
            );
        }
    }
    if let Some(items) = node.items.as_deref() {
        defaults(
            items,
            schema.field("items"),
            false,
            &path.child("items"),
            errors,
        );
    }
    if let Additional::Schema(inner) = &node.additional {
        let place = path.child("additionalProperties");
        defaults(
            inner,
            schema.field("additionalProperties"),
            false,
            &place,
            errors,
        );
    }
}

/// A schema whose root is no object of its own, so that nothing is spared from pruning.
fn unrooted(node: &Node) -> Node {
    let mut inner = node.clone();
    inner.default = None;
    inner
}
