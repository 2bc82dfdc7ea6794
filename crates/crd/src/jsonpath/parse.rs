//! From text to steps.

use serde_json::Value;

use super::{Compare, Error, Operand, Step};

pub(super) fn steps(text: &str) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let mut rest = text.strip_prefix(['$', '@']).unwrap_or(text);
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '.' if rest.starts_with("..") => {
                steps.push(Step::Recursive);
                let after = &rest[2..];
                if after.starts_with('[') {
                    after
                } else {
                    field(after, &mut steps)
                }
            }
            '.' => field(&rest[1..], &mut steps),
            '[' => {
                let end = closing(rest)?;
                steps.push(bracket(rest[1..end].trim())?);
                &rest[end + 1..]
            }
            c if steps.is_empty() && (c.is_alphanumeric() || c == '_' || c == '*') => {
                field(rest, &mut steps)
            }
            c => return Err(Error::Unexpected(c)),
        };
    }
    Ok(steps)
}

/// Reads a field's name; a backslash takes the next character as it is.
fn field<'a>(text: &'a str, steps: &mut Vec<Step>) -> &'a str {
    let mut name = String::new();
    let mut chars = text.char_indices();
    let mut end = text.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' => {
                end = at;
                break;
            }
            c => name.push(c),
        }
    }
    match name.as_str() {
        "" => {}
        "*" => steps.push(Step::Wildcard),
        _ => steps.push(Step::Field(name)),
    }
    &text[end..]
}

/// Where the bracket that opens `text` is closed.
fn closing(text: &str) -> Result<usize, Error> {
    let (mut depth, mut quoted, mut escaped) = (0, None, false);
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match (quoted, c) {
            (_, '\\') => escaped = true,
            (Some(mark), c) if c == mark => quoted = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quoted = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at);
                }
            }
            _ => {}
        }
    }
    Err(Error::Unterminated("array"))
}

fn bracket(inner: &str) -> Result<Step, Error> {
    if let Some(filter) = inner.strip_prefix('?') {
        let body = filter
            .trim()
            .strip_prefix('(')
            .and_then(|f| f.strip_suffix(')'));
        return filter_step(body.ok_or(Error::Unterminated("filter"))?.trim());
    }
    let parts = split(inner, ',');
    if parts.len() > 1 {
        let steps: Result<Vec<Step>, Error> =
            parts.into_iter().map(|p| bracket(p.trim())).collect();
        return Ok(Step::Union(steps?));
    }
    if let Some(name) = unquote(inner) {
        return Ok(Step::Field(name));
    }
    if inner == "*" {
        return Ok(Step::Wildcard);
    }
    if inner.contains(':') {
        let number = |part: Option<&str>| part.and_then(|p| p.trim().parse().ok());
        let mut parts = inner.split(':');
        let (from, to) = (number(parts.next()), number(parts.next()));
        return Ok(Step::Slice {
            from,
            to,
            step: number(parts.next()).unwrap_or(1),
        });
    }
    match inner.parse() {
        Ok(index) => Ok(Step::Index(index)),
        Err(_) => Err(Error::Unexpected(inner.chars().next().unwrap_or(']'))),
    }
}

const COMPARES: [(&str, Compare); 6] = [
    ("==", Compare::Equal),
    ("!=", Compare::NotEqual),
    ("<=", Compare::LessOrEqual),
    (">=", Compare::GreaterOrEqual),
    ("<", Compare::Less),
    (">", Compare::Greater),
];

fn filter_step(text: &str) -> Result<Step, Error> {
    for (mark, compare) in COMPARES {
        if let Some(at) = outside_quotes(text, mark) {
            return Ok(Step::Filter {
                left: operand(text[..at].trim())?,
                compare,
                right: Some(operand(text[at + mark.len()..].trim())?),
            });
        }
    }
    Ok(Step::Filter {
        left: operand(text)?,
        compare: Compare::Exists,
        right: None,
    })
}

fn operand(text: &str) -> Result<Operand, Error> {
    if let Some(path) = text.strip_prefix('@') {
        return Ok(Operand::Path(steps(path)?));
    }
    if let Some(text) = unquote(text) {
        return Ok(Operand::Literal(text.into()));
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Operand::Literal(value)),
        _ => Err(Error::Filter(text.to_owned())),
    }
}

fn unquote(text: &str) -> Option<String> {
    let mark = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = text.strip_prefix(mark)?.strip_suffix(mark)?;
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next()? } else { c });
    }
    Some(out)
}

fn outside_quotes(text: &str, wanted: &str) -> Option<usize> {
    let mut quoted = None;
    for (at, c) in text.char_indices() {
        match quoted {
            Some(mark) if c == mark => quoted = None,
            Some(_) => {}
            None if text[at..].starts_with(wanted) => return Some(at),
            None if matches!(c, '\'' | '"') => quoted = Some(c),
            None => {}
        }
    }
    None
}

fn split(text: &str, mark: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = outside_quotes(rest, mark.encode_utf8(&mut [0; 4])) {
        parts.push(&rest[..at]);
        rest = &rest[at + mark.len_utf8()..];
    }
    parts.push(rest);
    parts
}
