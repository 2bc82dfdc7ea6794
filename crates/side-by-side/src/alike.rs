//! Whether two answers are alike, once what must differ is replaced.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use crate::Answer;

/// One place where two answers differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// A JSON pointer, or `status`, or the name of a header.
    pub at: String,
    /// What the real one says; null if nothing.
    pub real: Value,
    /// What we say.
    pub ours: Value,
}

/// What must differ, wherever it stands in a string, and what takes its place.
static WORDS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
        (r"\b(10|127|192)\.\d+\.\d+\.\d+(:\d+)?\b", "ADDRESS"),
        (r#"^"[0-9A-F]{64,128}"$"#, "ETAG"),
        // What a document is, in the words of its server.
        (r"(\?hash=)[0-9A-F]{64,128}\b", "${1}HASH"),
        // Signed by each server with its own key.
        (r"\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]+", "TOKEN"),
        (r"\b3[0-2]\d{3}\b", "PORT"),
        (r"\b([Mm]ade)-[a-z0-9]{5}\b", "$1-XXXXX"),
        (r"(resource version: )\d+(, current: )\d+", "${1}N${2}N"),
        (r"(too old resource version: )\d+ \(\d+\)", "${1}N (N)"),
        (
            r"(ResourceVersion in (?:the precondition|record) )\(\d+\)",
            "${1}(N)",
        ),
        // The whole object stands there, with all that differs in it, in the order of Go's fields.
        (r#"(Invalid value: )"(?:\{|map\[).*": "#, "${1}OBJECT: "),
        // What differs between two structs of Go.
        (r"(?s)\n@@ .*$", ""),
    ]
    .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with))
    .into()
});
static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(\d+[smhd])+$").expect("a pattern"));
static GENERATED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[bcdfghjklmnpqrstvwxz2456789]{5}$").expect("a pattern"));

/// Where the answer of the real server and ours differ; nothing if they are alike.
#[must_use]
pub fn differences(real: &Answer, ours: &Answer) -> Vec<Difference> {
    let mut found = Vec::new();
    if real.code != ours.code {
        found.push(Difference {
            at: "status".to_owned(),
            real: real.code.into(),
            ours: ours.code.into(),
        });
    }
    let headers = |answer: &Answer| -> BTreeMap<String, Value> {
        let headers = answer.headers.iter();
        headers
            .map(|(name, value)| (name.clone(), Value::String(words(value))))
            .collect()
    };
    let (theirs, our) = (headers(real), headers(ours));
    for name in theirs
        .keys()
        .chain(our.keys().filter(|n| !theirs.contains_key(*n)))
    {
        let of = |map: &BTreeMap<String, Value>| map.get(name).cloned().unwrap_or_default();
        if of(&theirs) != of(&our) {
            found.push(Difference {
                at: name.clone(),
                real: of(&theirs),
                ours: of(&our),
            });
        }
    }
    compare("", &settled(&real.body), &settled(&ours.body), &mut found);
    found
}

/// A body with what must differ replaced.
fn settled(body: &Value) -> Value {
    match body {
        Value::Object(fields) => Value::Object(settled_fields(fields)),
        Value::Array(items) => items.iter().map(settled).collect(),
        Value::String(text) if AGE.is_match(text) => Value::String("AGE".to_owned()),
        Value::String(text) => Value::String(words(text)),
        other => other.clone(),
    }
}

fn settled_fields(fields: &Map<String, Value>) -> Map<String, Value> {
    let generated = fields.contains_key("generateName");
    let field = |(name, value): (&String, &Value)| {
        let value = match (name.as_str(), value) {
            ("uid", Value::String(_)) => Value::String("UID".to_owned()),
            ("resourceVersion", Value::String(text)) if !text.is_empty() => {
                Value::String("REVISION".to_owned())
            }
            ("continue", Value::String(text)) if !text.is_empty() => {
                Value::String("CONTINUE".to_owned())
            }
            ("nodePort", Value::Number(_)) => Value::String("PORT".to_owned()),
            ("name", Value::String(text)) if generated => {
                Value::String(GENERATED.replace(text, "XXXXX").into_owned())
            }
            // Their order follows from the second of each write, and from that of a map in Go.
            (
                "managedFields" | "causes" | "resourceRules" | "nonResourceRules",
                Value::Array(items),
            ) => sorted(items),
            ("message", Value::String(text)) => match text.split_once(" is invalid: [") {
                // The causes say the same.
                Some((what, _)) => Value::String(format!("{} is invalid: [", words(what))),
                None => settled(value),
            },
            (_, value) => settled(value),
        };
        (name.clone(), value)
    };
    fields.iter().map(field).collect()
}

fn sorted(items: &[Value]) -> Value {
    let mut items: Vec<Value> = items.iter().map(settled).collect();
    items.sort_by_cached_key(Value::to_string);
    Value::Array(items)
}

fn words(text: &str) -> String {
    WORDS.iter().fold(dumps(text), |text, (word, with)| {
        word.replace_all(&text, *with).into_owned()
    })
}

/// Values that stand in a message as JSON: Go writes their fields in the order of its structs, so order counts for
/// nothing.
fn dumps(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("value: ") {
        let (before, value) = rest.split_at(at + "value: ".len());
        out.push_str(before);
        rest = value;
        if value.starts_with(['{', '[']) {
            let mut values = serde_json::Deserializer::from_str(value).into_iter::<Value>();
            if let Some(Ok(read)) = values.next() {
                out.push_str(&read.to_string());
                rest = &value[values.byte_offset()..];
            }
        }
    }
    out + rest
}

/// What must differ in what programs print, and what takes its place; the order counts.
static PRINTED: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (
            r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)? ?(Z|[+-]\d\d:?\d\d)( UTC)?",
            "TIME",
        ),
        (
            r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}",
            "TIME",
        ),
        (r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", "LOG "),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
        (r#"(resourceVersion"?: ?"|Resource Version: +)\d+"#, "${1}N"),
        (r"(?m)(127\.0\.0\.1:|\[::1\]:)\d+", "${1}PORT"),
        (r"\b(10|192)\.\d+\.\d+\.\d+\b", "ADDRESS"),
        (r"\b3[0-2]\d{3}\b", "PORT"),
        // Hashes of pod templates, and generated names: before ages, as some look like one.
        (r"\b(pod-template-hash=|controller-revision-hash=\S*?)[bcdfghjklmnpqrstvwxz2456789]{6,10}\b", "${1}HASH"),
        (r"-[bcdfghjklmnpqrstvwxz2456789]{8,10}\b", "-HASH"),
        (r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-XXXXX"),
        // The age of an event: since when, how often.
        (r"\b(\d+[smhd])+ \(x\d+ over (\d+[smhd])+\)", "AGE"),
        (r"\b(\d+[smhd])+( ago)?\b", "AGE"),
        (r"/tmp/[^ \n]*", "FILE"),
        (r"v1\.37\.2\+cedge", "v1.37.2"),
        // Users that a node makes up.
        (r"\b19\d{8}\b", "USER"),
        (r"(pod-template-hash: )[0-9a-z]+", "${1}HASH"),
        (r"(Expected resource version to be \d+, was )\d+", "${1}N"),
        // Columns are as wide as the longest that stands in them.
        (r" {2,}", "  "),
        (r"(?m) +$", ""),
        (r"-{2,}", "--"),
    ]
    .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with))
    .into()
});

/// What a program printed, with what must differ replaced.
#[must_use]
pub fn printed(text: &str) -> String {
    PRINTED.iter().fold(dumps(text), |text, (word, with)| {
        word.replace_all(&text, *with).into_owned()
    })
}

fn compare(at: &str, real: &Value, ours: &Value, found: &mut Vec<Difference>) {
    match (real, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys().filter(|n| !a.contains_key(*n))) {
                let of = |map: &Map<String, Value>| map.get(name).cloned().unwrap_or_default();
                let below = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                if a.contains_key(name) == b.contains_key(name) {
                    compare(&below, &of(a), &of(b), found);
                } else {
                    found.push(Difference {
                        at: below,
                        real: of(a),
                        ours: of(b),
                    });
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{at}/{i}"), a, b, found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push(Difference {
            at: at.to_owned(),
            real: a.clone(),
            ours: b.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(body: Value) -> Answer {
        Answer {
            code: 200,
            headers: BTreeMap::new(),
            body,
        }
    }

    #[test]
    fn what_must_differ_is_alike_and_the_rest_is_not() {
        let of = |uid: &str, name: &str, extra: Value| {
            answer(json!({
                "metadata": { "uid": uid, "generateName": "a-", "name": name, "resourceVersion": "7" },
                "message": format!("as of 2026-01-01T00:00:0{}Z", name.len() % 10),
                "extra": extra,
            }))
        };
        let real = of("1", "a-bcdfg", json!([1]));
        assert_eq!(differences(&real, &of("2", "a-xwz24", json!([1]))), []);
        let other = differences(&real, &of("2", "a-xwz24", json!([2])));
        assert_eq!(other.len(), 1);
        assert_eq!(other[0].at, "/extra/0");
    }

    #[test]
    fn what_a_program_prints_is_alike_but_for_what_must_differ() {
        let of = |uid: &str, age: &str, address: &str, hash: &str| {
            printed(&format!(
                "pod/d-{hash}-bcdfg   {age}   {address}\nuid: {uid}\nresourceVersion: \"{}\"\n",
                age.len()
            ))
        };
        let uid = "01234567-89ab-cdef-0123-456789abcdef";
        let one = of(uid, "3s", "10.96.3.4", "7d9c8b5f66");
        let other = of(&uid.replace('0', "f"), "1m12s", "10.43.0.1", "5f6b7c8d9");
        assert_eq!(one, other);
        assert_ne!(one, of(uid, "3s", "1.2.3.4", "7d9c8b5f66"));
    }
}
