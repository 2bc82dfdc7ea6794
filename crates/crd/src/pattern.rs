//! Patterns of texts: judged when a definition is written, compiled when a text is first held against them.
//!
//! A definition may have tens of thousands of them, of which most are never used; and an expression may make one up for
//! every item of a list. So judging reads a pattern without compiling it wherever it is known to be small, and only so
//! many stay compiled as [`KEPT`] says.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use regex_automata::meta::{BuildError, Config, Regex};
use regex_syntax::Parser;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Longest pattern, in bytes. Kubernetes has no limit of its own; classes of characters grow a thousandfold when read.
const LENGTH_MAX: usize = 16 << 10;
/// Largest pattern when compiled, in bytes, so that a hostile one cannot eat the memory.
const SIZE_MAX: usize = 1 << 20;
/// Patterns of no more states than this are known to stay far below [`SIZE_MAX`].
const SMALL: u64 = 4000;
/// What one search may remember of the states that it was in, in bytes.
const MEMORY: usize = 128 << 10;
/// Patterns that stay compiled, of all definitions together.
const KEPT: usize = 128;

static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    Syntax(Box<regex_syntax::Error>),
    TooLong,
    TooLarge,
}

/// A compiled pattern, and whether that had to be done now.
pub(crate) struct Found {
    pub(crate) regex: Arc<Regex>,
    pub(crate) is_new: bool,
}

/// Judges a pattern.
///
/// # Errors
/// It is not one, or too large.
pub(crate) fn check(pattern: &str) -> Result<(), Error> {
    let read = read(pattern)?;
    if weight(&read) > SMALL {
        build(&read)?;
    }
    Ok(())
}

/// Whether a text has what a pattern describes; so has every text of a pattern that is none, which was told before.
pub(crate) fn holds(pattern: &str, text: &str) -> bool {
    compiled(pattern).is_ok_and(|found| found.regex.is_match(text)) || check(pattern).is_err()
}

/// The pattern, compiled.
///
/// # Errors
/// It is not one, or too large.
pub(crate) fn compiled(pattern: &str) -> Result<Found, Error> {
    let known = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = known().get(pattern) {
        let regex = regex.clone();
        return Ok(Found {
            regex,
            is_new: false,
        });
    }
    let regex = Arc::new(build(&read(pattern)?)?);
    let mut known = known();
    if known.len() >= KEPT {
        known.clear();
    }
    known.insert(pattern.to_owned(), regex.clone());
    Ok(Found {
        regex,
        is_new: true,
    })
}

fn read(pattern: &str) -> Result<Hir, Error> {
    if pattern.len() > LENGTH_MAX {
        return Err(Error::TooLong);
    }
    let read = Parser::new().parse(pattern);
    read.map_err(|error| Error::Syntax(Box::new(error)))
}

/// Without the tables that are quick to search and slow to make: most patterns are held against short texts.
fn build(read: &Hir) -> Result<Regex, Error> {
    let config = Config::new()
        .nfa_size_limit(Some(SIZE_MAX))
        .hybrid_cache_capacity(MEMORY)
        .onepass(false)
        .dfa(false);
    let built = Regex::builder().configure(config).build_from_hir(read);
    built.map_err(|_: BuildError| Error::TooLarge)
}

/// States that a pattern has at most, roughly: without compiling it, so that what is large need not be.
fn weight(read: &Hir) -> u64 {
    let all = |parts: &[Hir]| parts.iter().map(weight).fold(1, u64::saturating_add);
    match read.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Class(Class::Bytes(class)) => 1 + class.ranges().len() as u64,
        // A range of characters is some ranges of bytes, one behind the other.
        HirKind::Class(Class::Unicode(class)) => 1 + 8 * class.ranges().len() as u64,
        HirKind::Capture(capture) => weight(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => all(parts),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1));
            let one = weight(&repetition.sub).saturating_add(2);
            one.saturating_mul(u64::from(times).max(1))
        }
    }
}

// === impl Error ===

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => {
                let told = error.to_string();
                let last = told.lines().last().unwrap_or_default();
                f.write_str(last.trim_start_matches("error: "))
            }
            Self::TooLong => write!(f, "it is longer than {LENGTH_MAX} bytes"),
            Self::TooLarge => {
                write!(f, "Compiled regex exceeds size limit of {SIZE_MAX} bytes.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_judged_without_being_compiled() {
        for fine in [
            "",
            "^a+$",
            "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            r"\pL{1,10}",
            "(a|b){500}",
        ] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        assert!(matches!(check("(a"), Err(Error::Syntax(_))));
        assert_eq!(check("((a{1,1000}){1,1000}){1,1000}"), Err(Error::TooLarge));
        assert_eq!(check(r"\pL{1000}"), Err(Error::TooLarge));
        assert_eq!(check(&r"\pL".repeat(10_000)), Err(Error::TooLong));
    }

    #[test]
    fn what_is_held_to_be_small_compiles() {
        for pattern in [
            "[ab]{360}",
            "(?i)straße{60}",
            ".{200}",
            "((a|bc){20}){20}",
            r"(\d|x)y",
        ] {
            let read = read(pattern).unwrap();
            assert!(weight(&read) <= SMALL, "{pattern}");
            assert!(build(&read).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn more_patterns_than_are_kept_all_work() {
        for n in 0..KEPT * 3 {
            let pattern = format!("^a{n}b$");
            assert!(holds(&pattern, &format!("a{n}b")));
            assert!(!holds(&pattern, &format!("a{n}c")));
        }
        assert!(COMPILED.lock().unwrap().len() <= KEPT);
    }
}
