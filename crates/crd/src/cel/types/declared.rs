//! What a schema declares to the expressions in it: the type of a value, and how large it may be in one request.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Type;
use crate::cel::values::escape;
use crate::node::{Additional, Node};

/// Largest request, from which the sizes of what has no limit of its own follow.
pub(crate) const REQUEST_MAX: u64 = 3 * 1024 * 1024;
/// Longest name of an object.
const NAME_MAX: u64 = 253;

/// A value that expressions may meet.
#[derive(Debug)]
pub(crate) struct Declared {
    /// What it holds.
    pub(crate) shape: Shape,
    /// Most characters, items or entries.
    pub(crate) size_max: u64,
    /// Fewest bytes that it takes in JSON.
    pub(crate) bytes_min: u64,
}

/// What a declared value holds.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Nothing that has a type of its own.
    Plain(Type),
    /// Items.
    List(Arc<Declared>),
    /// Values under keys that are texts.
    Map(Arc<Declared>),
    /// Fields, by the names that expressions know.
    Object(BTreeMap<String, Arc<Declared>>),
}

// === impl Declared ===

impl Declared {
    /// What the schema declares; `None` where expressions see nothing. The root of a resource, or of one that is
    /// embedded, has a name and a kind in any case.
    pub(crate) fn of(node: &Node, resource: bool) -> Option<Arc<Self>> {
        if node.int_or_string {
            let size = node.bounds.max_length.map(|n| n.saturating_mul(4));
            let size = size.unwrap_or(REQUEST_MAX - 2);
            return Some(plain(Type::Dyn, size, 1));
        }
        match node.kind.as_str() {
            "array" => list(node),
            "object" => match &node.additional {
                Additional::Schema(value) => map(node, value),
                _ => Some(object(node, resource && !names_itself(node))),
            },
            "string" => Some(text(node)),
            "boolean" => Some(plain(Type::Plain("bool"), 0, 4)),
            "number" => Some(plain(Type::Plain("double"), 0, 1)),
            "integer" => Some(plain(Type::Plain("int"), 0, 1)),
            _ => None,
        }
    }

    /// Its type.
    pub(crate) fn kind(this: &Arc<Self>) -> Type {
        match &this.shape {
            Shape::Plain(kind) => kind.clone(),
            Shape::List(item) => Type::list(Self::kind(item)),
            Shape::Map(value) => Type::map(Self::kind(value)),
            Shape::Object(_) => Type::Object(this.clone()),
        }
    }

    /// A field, by the name that expressions know.
    pub(crate) fn field(&self, name: &str) -> Option<&Arc<Self>> {
        match &self.shape {
            Shape::Object(fields) => fields.get(name),
            _ => None,
        }
    }

    /// How many values of this kind fit into one request.
    pub(crate) fn most_in_a_request(&self) -> u64 {
        REQUEST_MAX / (self.bytes_min + 1)
    }
}

fn plain(kind: Type, size_max: u64, bytes_min: u64) -> Arc<Declared> {
    Arc::new(Declared {
        shape: Shape::Plain(kind),
        size_max,
        bytes_min,
    })
}

fn list(node: &Node) -> Option<Arc<Declared>> {
    let items = node.items.as_deref()?;
    let item = Declared::of(items, items.embedded)?;
    let most = (REQUEST_MAX - 2) / (item.bytes_min + 1);
    Some(Arc::new(Declared {
        size_max: node.bounds.max_items.unwrap_or(most),
        shape: Shape::List(item),
        bytes_min: 2,
    }))
}

fn map(node: &Node, value: &Node) -> Option<Arc<Declared>> {
    let value = Declared::of(value, value.embedded)?;
    // A key in its quotes, a colon, a comma.
    let most = (REQUEST_MAX - 2) / (value.bytes_min + 6);
    Some(Arc::new(Declared {
        size_max: node.bounds.max_properties.unwrap_or(most),
        shape: Shape::Map(value),
        bytes_min: 2,
    }))
}

fn object(node: &Node, resource: bool) -> Arc<Declared> {
    let mut fields = BTreeMap::new();
    let mut bytes_min = 2;
    for (name, property) in &node.properties {
        let replaced = resource && matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
        let declared = if replaced {
            None
        } else {
            Declared::of(property, property.embedded)
        };
        let Some(declared) = declared else { continue };
        // What has a default is filled in by the server, so it need not be in the request.
        if node.required.contains(name) && property.default.is_none() {
            bytes_min += name.len() as u64 + declared.bytes_min + 4;
        }
        if let Some(name) = escape(name) {
            fields.insert(name, declared);
        }
    }
    if resource {
        fields.extend(identity(node));
        bytes_min += identity_bytes(node);
    }
    Arc::new(Declared {
        shape: Shape::Object(fields),
        size_max: 0,
        bytes_min,
    })
}

/// Whether the schema itself says all that every resource has.
fn names_itself(node: &Node) -> bool {
    let text = |node: Option<&Node>| node.is_some_and(|node| node.kind == "string");
    let metadata = node.properties.get("metadata");
    let metadata = metadata.filter(|node| node.kind == "object");
    text(node.properties.get("kind"))
        && text(node.properties.get("apiVersion"))
        && metadata.is_some_and(|metadata| {
            text(metadata.properties.get("name")) && text(metadata.properties.get("generateName"))
        })
}

/// What every resource has, whatever its schema says.
fn identity(node: &Node) -> [(String, Arc<Declared>); 3] {
    let word = || plain(Type::Plain("string"), REQUEST_MAX - 2, 2);
    let given = |name: &str| {
        let metadata = node.properties.get("metadata")?;
        metadata.properties.get(name)?.bounds.max_length
    };
    let name = |name: &str, most: u64| {
        let most = given(name).map_or(most, |given| given.min(most));
        (name.to_owned(), plain(Type::Plain("string"), most * 4, 2))
    };
    // A generated name has one letter more at least.
    let names = [name("name", NAME_MAX), name("generateName", NAME_MAX - 1)];
    let metadata = Arc::new(Declared {
        shape: Shape::Object(names.into()),
        size_max: 0,
        bytes_min: 2,
    });
    [
        ("apiVersion".to_owned(), word()),
        ("kind".to_owned(), word()),
        ("metadata".to_owned(), metadata),
    ]
}

/// What `kind`, `apiVersion` and `metadata` take at least, where they are required.
fn identity_bytes(node: &Node) -> u64 {
    let names = ["apiVersion", "kind", "metadata"];
    let required = names
        .iter()
        .filter(|name| node.required.iter().any(|r| r == *name));
    required.map(|name| name.len() as u64 + 6).sum()
}

fn text(node: &Node) -> Arc<Declared> {
    let length = node.bounds.max_length;
    match node.format.as_str() {
        "byte" => plain(Type::Plain("bytes"), length.unwrap_or(REQUEST_MAX - 2), 2),
        "duration" => plain(Type::Plain("duration"), 32, 3),
        "date" => plain(Type::Plain("timestamp"), 12, 12),
        "date-time" => plain(Type::Plain("timestamp"), 32, 21),
        _ => {
            let size = match length {
                // A character has four bytes at most.
                Some(length) => length.saturating_mul(4),
                None if node.choices.is_empty() => REQUEST_MAX - 2,
                None => longest(&node.choices),
            };
            plain(Type::Plain("string"), size, 2)
        }
    }
}

fn longest(choices: &[Value]) -> u64 {
    let texts = choices.iter().filter_map(Value::as_str);
    texts.map(|text| text.len() as u64).max().unwrap_or(0)
}
