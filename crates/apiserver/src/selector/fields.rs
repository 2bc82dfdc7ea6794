//! Field selectors as query strings.

use crate::cache::{Marks, Object};
use crate::status::{Error, Result};

/// All terms must hold; none is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector {
    terms: Vec<Term>,
    /// What every object that matches bears.
    marks: Marks,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    field: Field,
    value: String,
    equal: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
    /// An index into the selectable fields of the kind.
    Other(usize),
}

// === impl FieldSelector ===

impl FieldSelector {
    /// `known` gives the name by which a field of a selector is selectable, or says why it is not.
    pub(crate) fn parse(
        text: &str,
        selectable: &[String],
        known: &dyn Fn(&str) -> std::result::Result<String, String>,
    ) -> Result<Self> {
        let mut terms = Vec::new();
        for part in split(text).iter().filter(|p| !p.is_empty()) {
            let Some((name, value, equal)) = term(part) else {
                return Err(Error::BadRequest(format!(
                    "invalid selector: '{text}'; can't understand '{part}'"
                )));
            };
            let value = unescape(value)
                .map_err(|why| Error::BadRequest(format!("invalid field selector: {why}")))?;
            let name = known(name).map_err(Error::BadRequest)?;
            let field = match name.as_str() {
                "metadata.name" => Field::Name,
                "metadata.namespace" => Field::Namespace,
                other => match selectable.iter().position(|f| f == other) {
                    Some(i) => Field::Other(i),
                    None => return Err(Error::BadRequest(unknown(other, selectable))),
                },
            };
            terms.push(Term {
                field,
                value,
                equal,
            });
        }
        let marks = terms.iter().map(Term::marks).collect();
        Ok(Self { terms, marks })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub(crate) fn marks(&self) -> Marks {
        self.marks
    }

    /// The one name that can match, where there is one.
    pub(crate) fn name(&self) -> Option<&str> {
        let named = self
            .terms
            .iter()
            .find(|t| t.field == Field::Name && t.equal);
        named.map(|t| t.value.as_str())
    }

    pub(crate) fn matches(&self, object: &Object) -> bool {
        self.terms.iter().all(|term| {
            let value = match term.field {
                Field::Name => object.name(),
                Field::Namespace => object.namespace(),
                Field::Other(i) => object.field(i),
            };
            (value == term.value) == term.equal
        })
    }
}

// === impl Term ===

impl Term {
    fn marks(&self) -> Marks {
        match self.field {
            Field::Other(index) if self.equal && !self.value.is_empty() => {
                Marks::field(index, &self.value)
            }
            _ => Marks::default(),
        }
    }
}

fn unknown(field: &str, selectable: &[String]) -> String {
    if selectable.is_empty() {
        format!(
            "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        )
    } else {
        format!("field label not supported: {field}")
    }
}

/// Splits at commas that no backslash protects.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn term(part: &str) -> Option<(&str, &str, bool)> {
    part.char_indices().find_map(|(at, _)| {
        let (name, rest) = part.split_at(at);
        [("!=", false), ("==", true), ("=", true)]
            .into_iter()
            .find_map(|(sign, equal)| Some((name, rest.strip_prefix(sign)?, equal)))
    })
}

fn unescape(value: &str) -> std::result::Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                other => {
                    let other = other.map(String::from).unwrap_or_default();
                    return Err(format!("invalid escape sequence: \\{other}"));
                }
            },
            ',' | '=' => {
                return Err(format!("unescaped character in value: {}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as kinds answer")]
    fn any(name: &str) -> std::result::Result<String, String> {
        Ok(name.to_owned())
    }

    #[test]
    fn terms_are_parsed_with_escapes() {
        let selectable = ["spec.nodeName".to_owned()];
        let s = FieldSelector::parse("metadata.name=a\\,b,spec.nodeName!=n", &selectable, &any)
            .unwrap();
        assert_eq!(s.name(), Some("a,b"));
        assert_eq!(s.terms[1].field, Field::Other(0));
        assert!(!s.terms[1].equal);
    }

    #[test]
    fn unknown_fields_are_refused_by_name() {
        let error = FieldSelector::parse("spec.x=y", &[], &any).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        );
        assert!(FieldSelector::parse("nonsense", &[], &any).is_err());
        assert!(FieldSelector::parse("metadata.name=a=b", &[], &any).is_err());
    }
}
