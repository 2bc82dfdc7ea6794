//! Strict field validation: which keys does a JSON text give twice?
//!
//! Parsed values have forgotten it, so this looks at the bytes. The text is known to be valid JSON or will be
//! refused by the parser anyway: the scan stops quietly at the first thing it does not understand.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::unknown::ERRORS_MAX;

/// The paths of all keys that an object of this JSON text holds more than once.
///
/// The text that Kubernetes shows for each is `duplicate field "PATH"`. Runs in linear time and without recursion.
#[must_use]
pub fn duplicate_fields(json: &[u8]) -> Vec<String> {
    let mut scan = Scan {
        json,
        at: 0,
        path: String::new(),
        found: Vec::new(),
    };
    scan.run();
    scan.found
}

struct Scan<'j> {
    json: &'j [u8],
    at: usize,
    path: String,
    found: Vec<String>,
}

/// An object or array that is open.
struct Open {
    /// Keys seen so far; none for an array.
    keys: Option<HashSet<String>>,
    /// Items seen so far, in an array.
    items: usize,
    /// Length of the path of this value itself.
    path: usize,
}

impl Scan<'_> {
    fn run(&mut self) {
        let mut stack: Vec<Open> = Vec::new();
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
    fn string_in(&mut self, stack: &mut [Open], text: String) {
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
        if !keys.insert(text) && !self.found.contains(&self.path) {
            self.found.push(self.path.clone());
        }
    }

    fn enter_item(&mut self, stack: &mut [Open]) {
        if let Some(top) = stack.last_mut().filter(|top| top.keys.is_none()) {
            self.path.truncate(top.path);
            let _ = write!(self.path, "[{}]", top.items);
            top.items += 1;
        }
    }

    fn literal(&mut self, stack: &mut [Open]) {
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
