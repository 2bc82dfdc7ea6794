//! The functions that a rule may call, each with its overloads: the table `functions.txt`, read once.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Type;

/// One way in which a function may be called.
#[derive(Debug)]
pub(crate) struct Overload {
    /// How Kubernetes calls it; the estimate of costs goes by it.
    pub(crate) id: &'static str,
    /// Whether it is called on a value, which is then the first argument.
    pub(crate) member: bool,
    /// What it takes.
    pub(crate) arguments: Vec<Type>,
    /// What it gives.
    pub(crate) result: Type,
}

/// The overloads of a function; none if there is no such function.
pub(crate) fn overloads(name: &str) -> Option<&'static [Overload]> {
    FUNCTIONS.get(name).map(Vec::as_slice)
}

static FUNCTIONS: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
    let mut functions: HashMap<_, Vec<_>> = HashMap::new();
    for line in include_str!("functions.txt").lines() {
        if !line.starts_with('#') {
            let (name, overload) = read(line).expect("the table of functions is well formed");
            functions.entry(name).or_default().push(overload);
        }
    }
    functions
});

fn read(line: &'static str) -> Option<(&'static str, Overload)> {
    let (name, rest) = line.split_once(' ')?;
    let (id, signature) = rest.split_once(' ')?;
    let (member, arguments, rest) = match signature.split_once(".(") {
        Some((target, rest)) => {
            let (arguments, rest) = until_closed(rest)?;
            (true, [&[target][..], &arguments[..]].concat(), rest)
        }
        None => {
            let (arguments, rest) = until_closed(signature.strip_prefix('(')?)?;
            (false, arguments, rest)
        }
    };
    let overload = Overload {
        id,
        member,
        arguments: arguments.into_iter().map(read_type).collect(),
        result: read_type(rest.trim()),
    };
    Some((name, overload))
}

/// The parts before the bracket that closes, and what stands behind it.
fn until_closed(text: &'static str) -> Option<(Vec<&'static str>, &'static str)> {
    let (mut depth, mut from, mut parts) = (0_usize, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b')' | b',' if depth == 0 => {
                let part = text[from..at].trim();
                if !part.is_empty() {
                    parts.push(part);
                }
                from = at + 1;
                if byte == b')' {
                    return Some((parts, &text[from..]));
                }
            }
            _ => {}
        }
    }
    None
}

/// `list(A)`, `map(string, int)`, `bool`: a single capital letter is a parameter.
fn read_type(text: &'static str) -> Type {
    let parts = text.split_once('(').and_then(|(name, rest)| {
        let (parts, _) = until_closed(rest)?;
        Some((name, parts))
    });
    if let Some((name, parts)) = parts {
        let mut parts = parts.into_iter().map(|part| Box::new(read_type(part)));
        return match (name, parts.next(), parts.next()) {
            ("list", Some(item), _) => Type::List(item),
            ("map", Some(key), Some(value)) => Type::Map(key, value),
            ("optional_type", Some(value), _) => Type::Optional(value),
            ("type", Some(value), _) => Type::Kind(value),
            _ => Type::Error,
        };
    }
    match text.as_bytes() {
        b"dyn" => Type::Dyn,
        [letter @ b'A'..=b'Z'] => Type::Parameter(u32::from(letter - b'A')),
        _ => Type::Plain(text),
    }
}

/// Parameters of the table are numbers below this one; the checker gives numbers from here on.
pub(crate) const TABLE_PARAMETERS: u32 = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_function() {
        assert!(FUNCTIONS.len() > 100);
        let broken = |kind: &Type| matches!(kind, Type::Error);
        for (name, overloads) in FUNCTIONS.iter() {
            for overload in overloads {
                let wrong = overload.arguments.iter().any(broken) || broken(&overload.result);
                assert!(!wrong, "{name} {}", overload.id);
            }
        }
    }
}
