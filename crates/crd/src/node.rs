//! One node of a compiled schema: what a value must look like, and what is below it.

use std::collections::BTreeMap;

use serde_json::Value;

use cedge_kinds::read::Read;

use crate::cel::Rule;

/// A schema node. The structural part (`properties`, `items`, `additional`) is walked by pruning and defaulting;
/// the rest judges values.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// `object`, `array`, `string`, `integer`, `number`, `boolean`; empty where any is allowed.
    pub kind: String,
    /// Only formats that Kubernetes knows for the type.
    pub format: String,
    /// Whether null is a value.
    pub nullable: bool,
    /// What an absent value becomes.
    pub default: Option<Value>,
    /// Known fields.
    pub properties: BTreeMap<String, Node>,
    /// What other fields hold.
    pub additional: Additional,
    /// What a list holds.
    pub items: Option<Box<Node>>,
    /// Fields that must be there.
    pub required: Vec<String>,
    /// The only values allowed, if any are given.
    pub choices: Vec<Value>,
    /// Bounds of numbers, lengths and sizes.
    pub bounds: Bounds,
    /// Pattern of a text, if there is one.
    pub pattern: String,
    /// All must hold.
    pub all_of: Vec<Node>,
    /// One or more must hold.
    pub any_of: Vec<Node>,
    /// Exactly one must hold.
    pub one_of: Vec<Node>,
    /// Must not hold.
    pub not: Option<Box<Node>>,
    /// Unknown fields stay.
    pub preserve: bool,
    /// The value is an object with `apiVersion`, `kind` and `metadata` of its own.
    pub embedded: bool,
    /// A whole number or a text.
    pub int_or_string: bool,
    /// `atomic`, `set`, `map`, or empty.
    pub list_type: String,
    /// Fields that tell the items of a `map` list apart.
    pub list_keys: Vec<String>,
    /// `x-kubernetes-validations`.
    pub rules: Vec<Rule>,
    /// Whether a rule stands here or below.
    pub has_rules: bool,
    /// Nodes, with this one and all alternatives: what judging a value may cost.
    pub size: usize,
}

/// `additionalProperties`.
#[derive(Debug, Clone, Default)]
pub enum Additional {
    /// Not said.
    #[default]
    Unset,
    /// True or false.
    Any(bool),
    /// A schema of its own.
    Schema(Box<Node>),
}

/// Limits of values; absent ones do not limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    /// Largest number, and whether it is itself excluded.
    pub maximum: Option<(f64, bool)>,
    /// Smallest number, and whether it is itself excluded.
    pub minimum: Option<(f64, bool)>,
    /// A number must be a multiple of this one.
    pub multiple_of: Option<f64>,
    /// Most characters of a text.
    pub max_length: Option<u64>,
    /// Fewest characters of a text.
    pub min_length: Option<u64>,
    /// Most items of a list.
    pub max_items: Option<u64>,
    /// Fewest items of a list.
    pub min_items: Option<u64>,
    /// Most fields of an object.
    pub max_properties: Option<u64>,
    /// Fewest fields of an object.
    pub min_properties: Option<u64>,
}

/// Formats of texts that are checked; all others are ignored, as Kubernetes does.
const TEXT_FORMATS: &[&str] = &[
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "bsonobjectid",
    "k8sshortname",
    "k8slongname",
];

impl Node {
    /// Compiles a `JSONSchemaProps`. What is malformed in it is left out; [`crate::check`] names it.
    #[must_use]
    pub fn compile(schema: &Value) -> Self {
        let kind = schema.text("type").to_owned();
        let properties: BTreeMap<String, Node> = schema
            .entries("properties")
            .map(|(name, property)| (name.to_owned(), Self::compile(property)))
            .collect();
        let additional = match schema.get("additionalProperties") {
            None | Some(Value::Null) => Additional::Unset,
            Some(Value::Bool(any)) => Additional::Any(*any),
            Some(schema) => Additional::Schema(Box::new(Self::compile(schema))),
        };
        let nodes = |name: &str| schema.items(name).iter().map(Self::compile).collect();
        let sub = |name: &str| {
            let schema = schema.get(name).filter(|s| s.is_object());
            schema.map(|schema| Box::new(Self::compile(schema)))
        };
        let mut node = Self {
            format: known_format(&kind, schema.text("format")),
            nullable: schema.flag("nullable"),
            default: schema.get("default").filter(|d| !d.is_null()).cloned(),
            properties,
            additional,
            items: sub("items"),
            required: texts(schema, "required"),
            choices: schema.items("enum").to_vec(),
            bounds: Bounds::compile(schema),
            pattern: schema.text("pattern").to_owned(),
            all_of: nodes("allOf"),
            any_of: nodes("anyOf"),
            one_of: nodes("oneOf"),
            not: sub("not"),
            preserve: schema.flag("x-kubernetes-preserve-unknown-fields"),
            embedded: schema.flag("x-kubernetes-embedded-resource"),
            int_or_string: schema.flag("x-kubernetes-int-or-string"),
            list_type: schema.text("x-kubernetes-list-type").to_owned(),
            list_keys: texts(schema, "x-kubernetes-list-map-keys"),
            rules: Vec::new(),
            has_rules: false,
            size: 1,
            kind,
        };
        let rules = schema.items("x-kubernetes-validations");
        node.rules = rules.iter().map(Rule::compile).collect();
        node.has_rules = !node.rules.is_empty() || node.children().any(|child| child.has_rules);
        let alternatives = node
            .any_of
            .iter()
            .chain(&node.one_of)
            .chain(node.not.as_deref());
        let below = node.children().chain(alternatives).map(|child| child.size);
        node.size += below.sum::<usize>();
        node
    }

    /// The schema of a field, declared or additional.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Node> {
        self.properties.get(name).or(match &self.additional {
            Additional::Schema(node) => Some(node),
            Additional::Unset | Additional::Any(_) => None,
        })
    }

    fn children(&self) -> impl Iterator<Item = &Node> {
        let additional = match &self.additional {
            Additional::Schema(node) => Some(node.as_ref()),
            Additional::Unset | Additional::Any(_) => None,
        };
        self.properties
            .values()
            .chain(additional)
            .chain(self.items.as_deref())
            .chain(&self.all_of)
    }
}

impl Bounds {
    fn compile(schema: &Value) -> Self {
        let number = |name: &str| schema.field(name).as_f64();
        let count = |name: &str| schema.field(name).as_u64();
        Self {
            maximum: number("maximum").map(|max| (max, schema.flag("exclusiveMaximum"))),
            minimum: number("minimum").map(|min| (min, schema.flag("exclusiveMinimum"))),
            multiple_of: number("multipleOf"),
            max_length: count("maxLength"),
            min_length: count("minLength"),
            max_items: count("maxItems"),
            min_items: count("minItems"),
            max_properties: count("maxProperties"),
            min_properties: count("minProperties"),
        }
    }
}

fn known_format(kind: &str, format: &str) -> String {
    let has_formats = matches!(kind, "" | "string" | "integer" | "number");
    if has_formats && is_format(kind, format) {
        format.to_owned()
    } else {
        String::new()
    }
}

/// Whether Kubernetes knows a format for values of this type; of other types than texts and numbers it knows of none that
/// would be wrong.
#[must_use]
pub fn is_format(kind: &str, format: &str) -> bool {
    match kind {
        "" | "string" => TEXT_FORMATS.contains(&format.replace('-', "").as_str()),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => true,
    }
}

pub(crate) fn texts(value: &Value, name: &str) -> Vec<String> {
    let items = value.items(name).iter();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
