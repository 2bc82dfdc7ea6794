//! Strict field validation on the text itself: unknown fields, and keys that are given twice.
//!
//! Parsed values have forgotten the second, and the order of both. The text is known to be valid JSON or will be
//! refused by the parser anyway: the scan stops quietly at the first thing it does not understand. It runs in linear
//! time and without recursion.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::types::{Scalar, Shape, TypeRef};
use crate::unknown::ERRORS_MAX;

/// The paths of all keys that an object of this JSON text holds more than once.
///
/// The text that Kubernetes shows for each is `duplicate field "PATH"`.
#[must_use]
pub fn duplicate_fields(json: &[u8]) -> Vec<String> {
    let mut scan = Scan::new(json, Place::Anything);
    scan.run();
    scan.found.into_iter().map(|found| found.1).collect()
}

/// What strict decoding of a JSON text into a built-in type finds, in the order and the words of Kubernetes:
/// `unknown field "spec.foo"`, `duplicate field "spec.replicas"`.
#[must_use]
pub fn strict_errors(ty: TypeRef<'_>, json: &[u8]) -> Vec<String> {
    let mut scan = Scan::new(json, Place::of(ty));
    scan.run();
    let found = scan.found.into_iter();
    found
        .map(|(what, path)| format!("{what} field {path:?}"))
        .collect()
}

/// What is known of the type at some place of the text.
#[derive(Clone, Copy)]
enum Place<'t> {
    /// Any field is fine, once.
    Anything,
    /// Nobody looks: kept as it is, or dropped.
    Ignored,
    Typed(TypeRef<'t>),
}

struct Scan<'j, 't> {
    json: &'j [u8],
    at: usize,
    path: String,
    /// Where the next value belongs.
    next: Place<'t>,
    found: Vec<(&'static str, String)>,
}

/// An object or array that is open.
struct Open<'t> {
    /// Keys seen so far; none for an array.
    keys: Option<HashSet<String>>,
    /// Items seen so far, in an array.
    items: usize,
    /// Length of the path of this value itself.
    path: usize,
    place: Place<'t>,
}

// === impl Place ===

impl<'t> Place<'t> {
    fn of(ty: TypeRef<'t>) -> Self {
        match ty.shape() {
            // Types with a decoder of their own.
            Shape::Scalar(Scalar::Any | Scalar::Raw) => Self::Ignored,
            Shape::Object | Shape::List { .. } | Shape::Scalar(_) => Self::Typed(ty),
        }
    }

    fn item(self) -> Self {
        match self {
            Self::Typed(ty) => ty.item().map_or(Self::Ignored, Self::of),
            Self::Anything | Self::Ignored => self,
        }
    }

    /// What is behind a key; nothing if there is no such field.
    fn member(self, key: &str) -> Option<Self> {
        match self {
            Self::Typed(ty) => match ty.shape() {
                Shape::Object => ty.member(key).map(Self::of),
                Shape::List { .. } | Shape::Scalar(_) => Some(Self::Ignored),
            },
            Self::Anything | Self::Ignored => Some(self),
        }
    }
}

// === impl Scan ===

impl<'j, 't> Scan<'j, 't> {
    fn new(json: &'j [u8], root: Place<'t>) -> Self {
        Self {
            json,
            at: 0,
            path: String::new(),
            next: root,
            found: Vec::new(),
        }
    }

    fn run(&mut self) {
        let mut stack: Vec<Open<'t>> = Vec::new();
        loop {
            self.skip_space();
            let Some(&byte) = self.json.get(self.at) else {
                return;
            };
            match byte {
                b'{' | b'[' => {
                    self.enter_item(&mut stack);
                    self.at += 1;
                    stack.push(Open {
                        keys: (byte == b'{').then(HashSet::new),
                        items: 0,
                        path: self.path.len(),
                        place: self.next,
                    });
                }
                b'}' | b']' => {
                    self.at += 1;
                    stack.pop();
                }
                b',' | b':' => self.at += 1,
                b'"' => match self.string() {
                    None => return,
                    Some(text) => self.string_in(&mut stack, text),
                },
                _ => self.literal(&mut stack),
            }
            if self.found.len() >= ERRORS_MAX {
                return;
            }
        }
    }

    /// A string: a key if a colon follows.
    fn string_in(&mut self, stack: &mut [Open<'t>], text: String) {
        self.skip_space();
        let is_key = self.json.get(self.at) == Some(&b':');
        let Some(top) = stack.last_mut() else { return };
        let Some(keys) = top.keys.as_mut().filter(|_| is_key) else {
            top.items += 1;
            return;
        };
        self.path.truncate(top.path);
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(&text);
        let member = top.place.member(&text);
        self.next = member.unwrap_or(Place::Ignored);
        let wrong = match member {
            None => Some("unknown"),
            Some(_) if matches!(top.place, Place::Ignored) => None,
            Some(_) => (!keys.insert(text)).then_some("duplicate"),
        };
        if let Some(what) = wrong
            && !self
                .found
                .iter()
                .any(|found| found.0 == what && found.1 == self.path)
        {
            self.found.push((what, self.path.clone()));
        }
    }

    fn enter_item(&mut self, stack: &mut [Open<'t>]) {
        if let Some(top) = stack.last_mut().filter(|top| top.keys.is_none()) {
            self.path.truncate(top.path);
            let _ = write!(self.path, "[{}]", top.items);
            top.items += 1;
            self.next = top.place.item();
        }
    }

    fn literal(&mut self, stack: &mut [Open<'t>]) {
        if let Some(top) = stack.last_mut() {
            top.items += 1;
        }
        while let Some(&byte) = self.json.get(self.at) {
            if matches!(byte, b',' | b'}' | b']' | b'"' | b':' | b'{' | b'[')
                || byte.is_ascii_whitespace()
            {
                return;
            }
            self.at += 1;
        }
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.json.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_slice(self.json.get(start..self.at)?).ok()
    }

    fn skip_space(&mut self) {
        while self.json.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests;
