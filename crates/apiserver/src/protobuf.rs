//! Bodies in protobuf, as Go programs send them: made into the JSON that they would have sent instead.
//!
//! Answers are always JSON, which those programs accept as well. The table of messages (`data/protobuf.txt.zst`, made by
//! `examples/protobuf_table.rs` from the Go modules of Kubernetes, Apache License 2.0) tells numbers, names and which fields
//! Go leaves out when they are zero.

mod wire;

use std::collections::HashMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use wire::{Fields, Wire, first, number, text, varint};

use crate::status::{Error, Result};

const TABLE: &[u8] = include_bytes!("../data/protobuf.txt.zst");
/// Upper bound of the table when decompressed.
const TABLE_BYTES_MAX: usize = 1 << 20;
/// What every body of this kind begins with.
const MAGIC: &[u8] = b"k8s\0";
/// How deep messages may nest; custom schemas are the deepest, and stay far below.
const DEPTH_MAX: usize = 100;

const META: &str = "k8s.io.apimachinery.pkg.apis.meta.v1.";

/// Reads an object with its envelope.
pub(crate) fn object(bytes: &[u8]) -> Result<Value> {
    if !bytes.starts_with(MAGIC) {
        return Err(Error::BadRequest(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
                .into(),
        ));
    }
    read(bytes).map_err(|why| Error::BadRequest(format!("protobuf: {why}")))
}

fn read(bytes: &[u8]) -> Result<Value, &'static str> {
    let envelope = bytes.strip_prefix(MAGIC).ok_or("the prefix is missing")?;
    let (mut kind_bytes, mut raw) = (&[][..], &[][..]);
    for field in Fields(envelope) {
        match field? {
            (1, Wire::Bytes(b)) => kind_bytes = b,
            (2, Wire::Bytes(b)) => raw = b,
            _ => {}
        }
    }
    let (mut api_version, mut kind) = ("", "");
    for field in Fields(kind_bytes) {
        match field? {
            (1, Wire::Bytes(b)) => api_version = text(b)?,
            (2, Wire::Bytes(b)) => kind = text(b)?,
            _ => {}
        }
    }
    let name = message_of(api_version, kind).ok_or("the kind is unknown")?;
    let mut object = Table::get().message(&name, raw, 0)?;
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".into(), json!(api_version));
        fields.insert("kind".into(), json!(kind));
    }
    Ok(object)
}

/// The message of a kind: its name in OpenAPI, turned around.
fn message_of(api_version: &str, kind: &str) -> Option<String> {
    if kind == "DeleteOptions" {
        return Some(format!("{META}{kind}"));
    }
    let ty = cedge_schema::builtin().of_api_version(api_version, kind)?;
    let name = ty.name()?.strip_prefix("io.k8s.")?;
    Some(format!("k8s.io.{}", name.replace('-', "_")))
}

/// The messages, found by name.
struct Table {
    /// The lines of each message's fields.
    messages: HashMap<&'static str, &'static str>,
}

/// A field of a message, as its line says.
struct Field {
    /// `-` for what is inlined.
    name: &'static str,
    kind: &'static str,
    pointer: bool,
    omit_zero: bool,
}

// === impl Table ===

impl Table {
    /// Decompressed when the first program asks, then kept: a few hundred KB.
    fn get() -> &'static Self {
        static TEXT: OnceLock<String> = OnceLock::new();
        static PARSED: OnceLock<Table> = OnceLock::new();
        let text = TEXT.get_or_init(|| {
            let bytes = zstd::bulk::decompress(TABLE, TABLE_BYTES_MAX).expect("the table is ours");
            String::from_utf8(bytes).expect("the table is text")
        });
        PARSED.get_or_init(|| {
            let blocks = text[1..].split("\n.");
            let named =
                blocks.filter_map(|block| block.split_once('\n').or(Some((block.trim(), ""))));
            Table {
                messages: named.collect(),
            }
        })
    }

    fn field(&self, message: &str, number: u32) -> Option<Field> {
        let lines = self.messages.get(message)?.lines();
        let mut fields = lines.map(|line| line.split(' ').collect::<Vec<_>>());
        let line =
            fields.find(|words| words.first().and_then(|n| n.parse().ok()) == Some(number))?;
        let flags = *line.get(3)?;
        Some(Field {
            name: line[1],
            kind: line[2],
            pointer: flags.contains('*'),
            omit_zero: flags.contains('o'),
        })
    }

    fn message(&self, name: &str, bytes: &[u8], depth: usize) -> Result<Value, &'static str> {
        if depth > DEPTH_MAX {
            return Err("nested too deeply");
        }
        if let Some(special) = self.special(name, bytes, depth)? {
            return Ok(special);
        }
        let mut object = Map::new();
        for field in Fields(bytes) {
            let (number, wire) = field?;
            // What a newer program sends beyond what we know is dropped, as an older server would.
            if let Some(field) = self.field(name, number) {
                self.put(&mut object, &field, wire, depth)?;
            }
        }
        Ok(Value::Object(object))
    }

    fn put(
        &self,
        object: &mut Map<String, Value>,
        field: &Field,
        wire: Wire<'_>,
        depth: usize,
    ) -> Result<(), &'static str> {
        if let Some(item) = field.kind.strip_prefix("[]") {
            let slot = object.entry(field.name).or_insert_with(|| json!([]));
            let items = slot.as_array_mut().ok_or("a field stands twice")?;
            if let (Wire::Bytes(packed), "v") = (&wire, item) {
                let mut rest = *packed;
                while !rest.is_empty() {
                    items.push(json!(varint(&mut rest)?.cast_signed()));
                }
                return Ok(());
            }
            items.push(self.value(item, wire, depth)?);
            return Ok(());
        }
        if let Some(kind) = field.kind.strip_prefix("{}") {
            let slot = object.entry(field.name).or_insert_with(|| json!({}));
            let (key, value) = self.entry(kind, wire, depth)?;
            slot.as_object_mut()
                .ok_or("a field stands twice")?
                .insert(key, value);
            return Ok(());
        }
        let value = self.value(field.kind, wire, depth)?;
        if field.name == "-" {
            if let Value::Object(inlined) = value {
                object.extend(inlined);
            }
            return Ok(());
        }
        if value.is_null() || field.omit_zero && !field.pointer && is_zero(&value) {
            return Ok(());
        }
        object.insert(field.name.to_owned(), value);
        Ok(())
    }

    fn entry(
        &self,
        kind: &str,
        wire: Wire<'_>,
        depth: usize,
    ) -> Result<(String, Value), &'static str> {
        let Wire::Bytes(bytes) = wire else {
            return Err("a map's entry is no message");
        };
        let (mut key, mut value) = (String::new(), None);
        for field in Fields(bytes) {
            match field? {
                (1, Wire::Bytes(b)) => text(b)?.clone_into(&mut key),
                (2, wire) => value = Some(self.value(kind, wire, depth)?),
                _ => {}
            }
        }
        Ok((key, value.unwrap_or_else(|| json!(""))))
    }

    fn value(&self, kind: &str, wire: Wire<'_>, depth: usize) -> Result<Value, &'static str> {
        Ok(match (kind, wire) {
            ("s", Wire::Bytes(b)) => json!(text(b)?),
            ("b", Wire::Bytes(b)) => json!(BASE64.encode(b)),
            ("v", Wire::Number(n)) => json!(n.cast_signed()),
            ("t", Wire::Number(n)) => json!(n != 0),
            ("d", Wire::Fixed(n)) => json!(f64::from_bits(n)),
            (message, Wire::Bytes(b)) if message.contains('.') => {
                self.message(message, b, depth + 1)?
            }
            _ => return Err("a field has the wrong type"),
        })
    }

    /// Messages whose JSON is not an object of their fields.
    fn special(
        &self,
        name: &str,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Option<Value>, &'static str> {
        let short = name.rsplit('.').next().unwrap_or(name);
        let meta = name.starts_with(META);
        Ok(Some(match short {
            "Quantity" => json!(text(first(bytes, 1)?)?),
            "Time" | "MicroTime" if meta => time(bytes, short == "MicroTime")?,
            "Duration" if meta => json!(go_duration(number(bytes, 1)?)),
            "IntOrString" if number(bytes, 1)? == 0 => json!(number(bytes, 2)?),
            "IntOrString" => json!(text(first(bytes, 3)?)?),
            "FieldsV1" | "RawExtension" | "JSON" => {
                serde_json::from_slice(first(bytes, 1)?).unwrap_or(Value::Null)
            }
            "ExtraValue" => {
                let mut items = Vec::new();
                for field in Fields(bytes) {
                    if let (1, Wire::Bytes(b)) = field? {
                        items.push(json!(text(b)?));
                    }
                }
                Value::Array(items)
            }
            "JSONSchemaPropsOrBool" | "JSONSchemaPropsOrArray" | "JSONSchemaPropsOrStringArray" => {
                self.schema_or(short, bytes, depth)?
            }
            _ => return Ok(None),
        }))
    }

    fn schema_or(&self, short: &str, bytes: &[u8], depth: usize) -> Result<Value, &'static str> {
        const SCHEMA: &str =
            "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
        let schema_number = if short == "JSONSchemaPropsOrBool" {
            2
        } else {
            1
        };
        let mut others = Vec::new();
        let mut allows = false;
        for field in Fields(bytes) {
            match field? {
                (n, Wire::Bytes(b)) if n == schema_number => {
                    return self.message(SCHEMA, b, depth + 1);
                }
                (1, Wire::Number(n)) => allows = n != 0,
                (2, Wire::Bytes(b)) if short == "JSONSchemaPropsOrArray" => {
                    others.push(self.message(SCHEMA, b, depth + 1)?);
                }
                (2, Wire::Bytes(b)) => others.push(json!(text(b)?)),
                _ => {}
            }
        }
        Ok(if short == "JSONSchemaPropsOrBool" {
            json!(allows)
        } else {
            Value::Array(others)
        })
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty(),
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
    }
}

fn time(bytes: &[u8], micro: bool) -> Result<Value, &'static str> {
    let (seconds, nanos) = (number(bytes, 1)?, number(bytes, 2)?);
    if seconds == 0 && nanos == 0 {
        return Ok(Value::Null);
    }
    let nanos = i32::try_from(nanos).map_err(|_| "a time is out of range")?;
    let at = Timestamp::new(seconds, nanos).map_err(|_| "a time is out of range")?;
    let format = if micro {
        "%Y-%m-%dT%H:%M:%S.%6fZ"
    } else {
        "%Y-%m-%dT%H:%M:%SZ"
    };
    Ok(json!(at.strftime(format).to_string()))
}

/// `1h2m3.5s`, as Go writes durations of a second or more; shorter ones as a fraction of a second.
fn go_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let total = nanos.unsigned_abs();
    let (seconds, rest) = (total / 1_000_000_000, total % 1_000_000_000);
    let fraction = format!(".{rest:09}");
    let fraction = if rest == 0 {
        ""
    } else {
        fraction.trim_end_matches('0')
    };
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (h, m) {
        (0, 0) => format!("{sign}{s}{fraction}s"),
        (0, m) => format!("{sign}{m}m{s}{fraction}s"),
        (h, m) => format!("{sign}{h}h{m}m{s}{fraction}s"),
    }
}

#[cfg(test)]
mod tests;
