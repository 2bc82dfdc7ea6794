//! Values that nobody meant: nothing panics, nothing runs away, and what is written is stable.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{Shape, TypeRef, Types, builtin};

/// A value that follows a type for a while and leaves it wherever the choices say so.
fn grow(ty: TypeRef<'_>, choices: &mut impl Iterator<Item = u8>, depth: usize) -> Value {
    let choice = choices.next().unwrap_or(0);
    if choice.is_multiple_of(11) || depth > 12 {
        return odd(choice / 11);
    }
    match ty.shape() {
        Shape::List { item, .. } => (0..choice % 3)
            .map(|_| grow(item, choices, depth + 1))
            .collect(),
        Shape::Object => {
            let mut object = Map::new();
            let fields: Vec<_> = ty.fields().collect();
            for _ in 0..choice % 6 {
                let at = usize::from(choices.next().unwrap_or(0));
                if let Some(field) = fields.get(at % fields.len().max(1)) {
                    let value = grow(field.ty(), choices, depth + 1);
                    object.insert(field.name().to_owned(), value);
                }
            }
            if let Some(additional) = ty.additional() {
                object.insert("key".to_owned(), grow(additional, choices, depth + 1));
            }
            if choice.is_multiple_of(7) {
                object.insert("unknown".to_owned(), odd(choice));
            }
            Value::Object(object)
        }
        Shape::Scalar(_) => odd(choice),
    }
}

fn odd(choice: u8) -> Value {
    match choice % 12 {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(1.5),
        5 => json!(""),
        6 => json!("1024Mi"),
        7 => json!("2026-11-23T01:02:03+01:00"),
        8 => json!("ünïcode 😀"),
        9 => json!([]),
        10 => json!({"a": [null, {}]}),
        _ => json!(0),
    }
}

fn any_kind(number: usize) -> TypeRef<'static> {
    let all: Vec<_> = builtin().kinds().collect();
    all[number % all.len()].3
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_value_is_judged_without_a_panic(kind in any::<usize>(), choices in prop::collection::vec(any::<u8>(), 0..200)) {
        let ty = any_kind(kind);
        let mut value = grow(ty, &mut choices.into_iter(), 0);
        let text = value.to_string();
        let unknown = crate::unknown_fields(ty, &value);
        let strict = crate::strict_errors(ty, text.as_bytes());
        prop_assert!(crate::duplicate_fields(text.as_bytes()).is_empty());
        for path in &unknown {
            let told = format!("unknown field {path:?}");
            prop_assert!(strict.contains(&told), "{} lacks {}", json!(strict), told);
        }
        if crate::check_types(ty, &value).is_ok() {
            crate::normalize(ty, &mut value);
            let once = value.clone();
            crate::normalize(ty, &mut value);
            prop_assert_eq!(&value, &once);
            prop_assert!(crate::unknown_fields(ty, &value).is_empty());
            prop_assert!(crate::check_types(ty, &value).is_ok());
        }
    }

    #[test]
    fn any_bytes_are_scanned_without_a_panic(bytes in prop::collection::vec(prop::sample::select(br#"{}[]":,\ua1 n"#.to_vec()), 0..300)) {
        let _ = crate::strict_errors(any_kind(0), &bytes);
        let _ = crate::duplicate_fields(&bytes);
    }

    #[test]
    fn any_schema_makes_a_graph_or_an_error(seed in prop::collection::vec(any::<u8>(), 0..120)) {
        let words = ["type", "object", "array", "string", "properties", "items", "a", "default", "required",
            "additionalProperties", "x-kubernetes-list-type", "map", "x-kubernetes-list-map-keys",
            "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource", "$ref", "allOf", "enum"];
        let mut choices = seed.into_iter();
        let schema = nonsense(&words, &mut choices, 0);
        if let Ok(types) = Types::from_openapi(&schema) {
            let value = nonsense(&words, &mut choices, 0);
            let _ = crate::unknown_fields(types.root(), &value);
            let _ = crate::check_types(types.root(), &value);
        }
    }
}

fn nonsense(words: &[&str], choices: &mut impl Iterator<Item = u8>, depth: usize) -> Value {
    let choice = usize::from(choices.next().unwrap_or(0));
    let word = words[choice % words.len()];
    match choice % 5 {
        _ if depth > 8 => json!(word),
        0 | 1 => {
            let count = choice % 4;
            let pairs = (0..count).map(|_| {
                let key = words[usize::from(choices.next().unwrap_or(0)) % words.len()];
                (key.to_owned(), nonsense(words, choices, depth + 1))
            });
            Value::Object(pairs.collect())
        }
        2 => (0..choice % 3)
            .map(|_| nonsense(words, choices, depth + 1))
            .collect(),
        3 => json!(choice.is_multiple_of(2)),
        _ => json!(word),
    }
}
