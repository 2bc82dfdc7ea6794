//! Swagger 2.0 as protobuf, for clients that ask for nothing else: kubectl, for a kind that it does not find, and every
//! kubectl older than OpenAPI 3. The messages are those of `openapi.v2`, as tables; what we never write is not in them.

use serde_json::Value;

/// A message: the JSON name of each field, its number, and how it is written.
type Message = &'static [(&'static str, u32, Is)];

/// How a field is written.
#[derive(Debug, Clone, Copy)]
enum Is {
    Text,
    Texts,
    Flag,
    Integer,
    Double,
    /// Any value, as YAML.
    Any,
    Anys,
    One(fn() -> Message),
    Many(fn() -> Message),
    /// A message whose one field holds pairs of a name and a value; the number is that field's.
    Named(u32, fn() -> Message),
    /// A list whose items are objects of lists of strings.
    Requirements,
    /// A name or several.
    Type,
    /// The schema of all items.
    Items,
    /// A schema, or whether there may be more.
    More,
    /// What stands in the body of an answer.
    Body,
    Responses,
    Parameters,
}

const LEN: u32 = 2;

fn document() -> Message {
    &[
        ("swagger", 1, Is::Text),
        ("info", 2, Is::One(info)),
        ("paths", 8, Is::Named(2, path_item)),
        ("definitions", 9, Is::Named(1, schema)),
        ("security", 12, Is::Requirements),
        ("securityDefinitions", 13, Is::Named(1, security)),
    ]
}

fn info() -> Message {
    &[("title", 1, Is::Text), ("version", 2, Is::Text)]
}

/// One of several kinds; ours is the key.
fn security() -> Message {
    &[("", 2, Is::One(api_key))]
}

fn api_key() -> Message {
    &[
        ("type", 1, Is::Text),
        ("name", 2, Is::Text),
        ("in", 3, Is::Text),
        ("description", 4, Is::Text),
    ]
}

fn path_item() -> Message {
    &[
        ("get", 2, Is::One(operation)),
        ("put", 3, Is::One(operation)),
        ("post", 4, Is::One(operation)),
        ("delete", 5, Is::One(operation)),
        ("options", 6, Is::One(operation)),
        ("head", 7, Is::One(operation)),
        ("patch", 8, Is::One(operation)),
        ("parameters", 9, Is::Parameters),
        ("x-", 10, Is::Any),
    ]
}

fn operation() -> Message {
    &[
        ("tags", 1, Is::Texts),
        ("description", 3, Is::Text),
        ("operationId", 5, Is::Text),
        ("produces", 6, Is::Texts),
        ("consumes", 7, Is::Texts),
        ("parameters", 8, Is::Parameters),
        ("responses", 9, Is::Responses),
        ("schemes", 10, Is::Texts),
        ("deprecated", 11, Is::Flag),
        ("x-", 13, Is::Any),
    ]
}

fn response() -> Message {
    &[("description", 1, Is::Text), ("schema", 2, Is::Body)]
}

fn body_parameter() -> Message {
    &[
        ("description", 1, Is::Text),
        ("name", 2, Is::Text),
        ("in", 3, Is::Text),
        ("required", 4, Is::Flag),
        ("schema", 5, Is::One(schema)),
    ]
}

fn header_or_path_parameter() -> Message {
    &[
        ("required", 1, Is::Flag),
        ("in", 2, Is::Text),
        ("description", 3, Is::Text),
        ("name", 4, Is::Text),
        ("type", 5, Is::Text),
        ("format", 6, Is::Text),
        ("uniqueItems", 19, Is::Flag),
    ]
}

fn query_parameter() -> Message {
    &[
        ("required", 1, Is::Flag),
        ("in", 2, Is::Text),
        ("description", 3, Is::Text),
        ("name", 4, Is::Text),
        ("type", 6, Is::Text),
        ("format", 7, Is::Text),
        ("uniqueItems", 20, Is::Flag),
    ]
}

fn schema() -> Message {
    &[
        ("$ref", 1, Is::Text),
        ("format", 2, Is::Text),
        ("title", 3, Is::Text),
        ("description", 4, Is::Text),
        ("default", 5, Is::Any),
        ("multipleOf", 6, Is::Double),
        ("maximum", 7, Is::Double),
        ("exclusiveMaximum", 8, Is::Flag),
        ("minimum", 9, Is::Double),
        ("exclusiveMinimum", 10, Is::Flag),
        ("maxLength", 11, Is::Integer),
        ("minLength", 12, Is::Integer),
        ("pattern", 13, Is::Text),
        ("maxItems", 14, Is::Integer),
        ("minItems", 15, Is::Integer),
        ("uniqueItems", 16, Is::Flag),
        ("maxProperties", 17, Is::Integer),
        ("minProperties", 18, Is::Integer),
        ("required", 19, Is::Texts),
        ("enum", 20, Is::Anys),
        ("additionalProperties", 21, Is::More),
        ("type", 22, Is::Type),
        ("items", 23, Is::Items),
        ("allOf", 24, Is::Many(schema)),
        ("properties", 25, Is::Named(1, schema)),
        ("readOnly", 27, Is::Flag),
        ("example", 30, Is::Any),
        ("x-", 31, Is::Any),
    ]
}

/// The document, written.
pub(crate) fn encode(swagger: &Value) -> Vec<u8> {
    written(document(), swagger)
}

fn written(message: Message, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, number, is) in message {
        match *name {
            "" => field(&mut out, *number, *is, value),
            "x-" => extensions(&mut out, *number, value),
            name => {
                if let Some(value) = value.get(name) {
                    field(&mut out, *number, *is, value);
                }
            }
        }
    }
    out
}

fn field(out: &mut Vec<u8>, number: u32, is: Is, value: &Value) {
    let items = || value.as_array().into_iter().flatten();
    match is {
        Is::Text => bytes(out, number, value.as_str().unwrap_or_default().as_bytes()),
        Is::Texts => items().for_each(|item| field(out, number, Is::Text, item)),
        Is::Flag => integer(out, number, u64::from(value.as_bool() == Some(true))),
        Is::Integer => integer(out, number, value.as_u64().unwrap_or_default()),
        Is::Double => {
            varint(out, u64::from(number << 3 | 1));
            out.extend(value.as_f64().unwrap_or_default().to_le_bytes());
        }
        Is::Any => bytes(out, number, &any(value)),
        Is::Anys => items().for_each(|item| bytes(out, number, &any(item))),
        Is::One(message) => bytes(out, number, &written(message(), value)),
        Is::Many(message) => items().for_each(|item| bytes(out, number, &written(message(), item))),
        Is::Named(inner, message) => {
            bytes(
                out,
                number,
                &named(value, inner, |v| written(message(), v), |_| true),
            );
        }
        Is::Requirements => {
            for item in items() {
                let requirement = named(item, 1, |v| texts(1, v), |_| true);
                bytes(out, number, &requirement);
            }
        }
        Is::Type => {
            let names = if value.is_array() {
                texts(1, value)
            } else {
                wrapped(1, value.as_str().unwrap_or_default().as_bytes())
            };
            bytes(out, number, &names);
        }
        Is::Items | Is::Body => bytes(out, number, &wrapped(1, &written(schema(), value))),
        Is::More => {
            let mut more = Vec::new();
            match value.as_bool() {
                Some(allowed) => integer(&mut more, 2, u64::from(allowed)),
                None => bytes(&mut more, 1, &written(schema(), value)),
            }
            bytes(out, number, &more);
        }
        Is::Responses => {
            let response = |v: &Value| wrapped(1, &written(response(), v));
            bytes(out, number, &named(value, 1, response, |_| true));
        }
        Is::Parameters => items().for_each(|item| bytes(out, number, &parameter(item))),
    }
}

/// A parameter in all its wrappers; each says which of several kinds it is.
fn parameter(value: &Value) -> Vec<u8> {
    let not_body = |kind: u32, message: Message| {
        let inner = wrapped(kind, &written(message, value));
        wrapped(2, &inner)
    };
    let parameter = match value["in"].as_str().unwrap_or_default() {
        "body" => wrapped(1, &written(body_parameter(), value)),
        "header" => not_body(1, header_or_path_parameter()),
        "path" => not_body(4, header_or_path_parameter()),
        _ => not_body(3, query_parameter()),
    };
    wrapped(1, &parameter)
}

fn extensions(out: &mut Vec<u8>, number: u32, value: &Value) {
    out.extend(named(value, number, any, |name| name.starts_with("x-")));
}

/// Pairs of a name and a value, each a field of this number.
fn named(
    value: &Value,
    number: u32,
    write: impl Fn(&Value) -> Vec<u8>,
    wanted: impl Fn(&str) -> bool,
) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        if wanted(name) {
            let mut pair = wrapped(1, name.as_bytes());
            bytes(&mut pair, 2, &write(value));
            bytes(&mut out, number, &pair);
        }
    }
    out
}

fn texts(number: u32, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    field(&mut out, number, Is::Texts, value);
    out
}

/// JSON is YAML.
fn any(value: &Value) -> Vec<u8> {
    wrapped(2, value.to_string().as_bytes())
}

fn wrapped(number: u32, inner: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inner.len() + 4);
    bytes(&mut out, number, inner);
    out
}

fn bytes(out: &mut Vec<u8>, number: u32, inner: &[u8]) {
    varint(out, u64::from(number << 3 | LEN));
    varint(out, inner.len() as u64);
    out.extend_from_slice(inner);
}

fn integer(out: &mut Vec<u8>, number: u32, value: u64) {
    varint(out, u64::from(number << 3));
    varint(out, value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low(value) | 0x80);
        value >>= 7;
    }
    out.push(low(value));
}

/// The seven lowest bits.
fn low(value: u64) -> u8 {
    u8::try_from(value & 0x7f).expect("seven bits fit")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_written_field_by_field() {
        let written = encode(&json!({
            "swagger": "2.0",
            "definitions": {"A": {"type": "object", "maxLength": 300, "x-a": 1}},
        }));
        let schema = [
            &[0x58, 0xac, 0x02][..],   // maxLength
            &[0xb2, 0x01, 8, 0x0a, 6], // type
            b"object",
            &[0xfa, 0x01, 10, 0x0a, 3], // x-a
            b"x-a",
            &[0x12, 3, 0x12, 1, b'1'],
        ]
        .concat();
        let mut pair = vec![0x0a, 1, b'A'];
        bytes(&mut pair, 2, &schema);
        let mut expected = vec![0x0a, 3, b'2', b'.', b'0'];
        bytes(&mut expected, 9, &wrapped(1, &pair));
        assert_eq!(written, expected);
    }

    #[test]
    fn parameters_say_where_they_stand() {
        let path = parameter(&json!({"in": "path", "name": "n"}));
        let inner = [&[0x12, 4][..], b"path", &[0x22, 1, b'n']].concat();
        let expected = wrapped(1, &wrapped(2, &wrapped(4, &inner)));
        assert_eq!(path, expected);
    }
}
