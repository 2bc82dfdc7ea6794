//! Sequences that stand in files: `corpus/sequences/*.http`.
//!
//! ```text
//! # a remark
//! === NAME [alone]          a sequence; `alone`: nothing else happens at the servers meanwhile
//! --- METHOD PATH           a request; also WATCH PATH, EVENTS NUMBER, WAIT PATH, DOCUMENT PATH
//! Header: value             its headers, and what is no header:
//! Keep: NAME POINTER        a part of the answer gets a name
//! Each: NAME a | b | c      the request once for every value
//! Who: nobody               without the administrator's credentials
//! Repeat: 1000 [            a body of so many times the text
//! Hex: 6b3873               a body of bytes
//!
//! the body
//! ```

use std::path::{Path, PathBuf};

use super::begin;
use crate::sequence::{Action, Sequence, Step, Who};

/// Where the files are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/sequences")
}

/// All of them, by name of the file.
pub(super) fn all() -> Vec<Sequence> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the folder of sequences")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "http"))
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("a file of sequences");
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        sequences(stem.expect("a name"), &text)
    };
    files.iter().flat_map(read).collect()
}

fn sequences(file: &str, text: &str) -> Vec<Sequence> {
    let mut found: Vec<Sequence> = Vec::new();
    for block in blocks(text) {
        let (head, rest) = block.split_once('\n').unwrap_or((block, ""));
        if let Some(name) = head.strip_prefix("=== ") {
            let mut words = name.split_whitespace();
            let name = format!("{file}-{}", words.next().expect("a name"));
            let mut sequence = begin(&name);
            sequence.alone = words.next() == Some("alone");
            found.push(sequence);
        } else if let Some(request) = head.strip_prefix("--- ") {
            let sequence = found.last_mut().expect("=== before ---");
            sequence.steps.extend(steps(request, rest));
        }
    }
    for sequence in &mut found {
        let (set_up, own) = sequence.steps.split_at(2);
        if !own.iter().any(|step| step.path.contains("{ns}")) {
            sequence.steps.drain(..set_up.len());
        }
    }
    found
}

/// The parts that begin with `===` or `---`.
fn blocks(text: &str) -> Vec<&str> {
    let begins = |line: &str| line.starts_with("=== ") || line.starts_with("--- ");
    let mut starts = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if begins(line) {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(from, to)| &text[*from..to])
        .collect()
}

/// A request, once for every value of what stands behind `Each`.
fn steps(request: &str, rest: &str) -> Vec<Step> {
    let each = rest
        .lines()
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix("Each: "));
    let Some((name, values)) = each.map(|each| each.split_once(' ').expect("a name and values"))
    else {
        return vec![step(request, rest)];
    };
    let with = |value: &str| {
        let named = format!("{{{name}}}");
        let fill = |text: &str| text.replace(&named, value.trim());
        step(&fill(request), &fill(rest))
    };
    values.split(" | ").map(with).collect()
}

fn step(request: &str, rest: &str) -> Step {
    let (method, path) = request.split_once(' ').unwrap_or((request, ""));
    let path = path.trim();
    let mut step = match method {
        "WATCH" => opening(Action::Open, path),
        "WAIT" => opening(Action::Wait, path),
        "DOCUMENT" => opening(Action::Document, path),
        "EVENTS" => opening(Action::Events(path.parse().expect("a number")), ""),
        _ => Step::new(method, path),
    };
    let (head, body) = match rest.split_once("\n\n") {
        _ if rest.starts_with('\n') => ("", &rest[1..]),
        Some((head, body)) => (head, body),
        None => (rest, ""),
    };
    let body = remarkless(body);
    if !body.is_empty() {
        step = step.of("application/json");
        step.body = Some(body.into_bytes());
    }
    for line in head
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        let (name, value) = line.split_once(':').expect("a header");
        step = with_header(step, name, value.trim());
    }
    step
}

fn opening(action: Action, path: &str) -> Step {
    Step {
        action,
        ..Step::new("GET", path)
    }
}

/// A body ends before the remarks that stand above the next request.
fn remarkless(body: &str) -> String {
    let mut lines: Vec<&str> = body.lines().collect();
    while lines
        .last()
        .is_some_and(|line| line.is_empty() || line.starts_with("# "))
    {
        lines.pop();
    }
    lines.join("\n")
}

fn with_header(mut step: Step, name: &str, value: &str) -> Step {
    match name {
        "Each" => {}
        "Keep" => {
            let (name, pointer) = value.split_once(' ').expect("a name and a pointer");
            step.keep.push((name.to_owned(), pointer.to_owned()));
        }
        "Who" => step.who = Who::Headers,
        "Repeat" => {
            let (times, text) = value.split_once(' ').expect("a number and a text");
            let repeated = text.repeat(times.parse().expect("a number"));
            let around = String::from_utf8(step.body.take().unwrap_or_default());
            let around = around.expect("a body of text");
            let body = match around.split_once("{repeated}") {
                Some((before, after)) => format!("{before}{repeated}{after}"),
                None => repeated,
            };
            step = step.of("application/json");
            step.body = Some(body.into_bytes());
        }
        "Hex" => {
            let digit = |at: usize| u8::from_str_radix(&value[at..at + 2], 16).expect("two digits");
            step.body = Some((0..value.len()).step_by(2).map(digit).collect());
        }
        _ if value == "-" => step
            .headers
            .retain(|(n, _)| *n != name.to_ascii_lowercase()),
        _ => step = step.header(name, value),
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_becomes_sequences() {
        let text = "# why\n=== one\n--- POST /api/{ns}\nKeep: a /b\n\n{\n\n}\n\n# next\n--- GET /{x}\nEach: x 1 | 2\n--- EVENTS 3\n=== two alone\n--- GET /\n";
        let found = sequences("f", text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].steps.len()), ("f-one", 6));
        assert_eq!(found[0].steps[2].body.as_deref(), Some(&b"{\n\n}"[..]));
        assert_eq!(found[0].steps[4].path, "/2");
        assert_eq!(found[0].steps[5].action, Action::Events(3));
        assert!(found[1].alone && found[1].steps.len() == 1);
    }
}
