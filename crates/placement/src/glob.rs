//! Path globs: `.`, `*`, `**`, `europe/**`, `plant-*/line-2`, or a bare name at any depth.

use cedge_api::{ClusterName, ClusterPath};

/// At most this many names in a glob; trees are not deeper.
const SEGMENTS_MAX: usize = 64;

/// A parsed path glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// A bare name: a cluster of that name at any depth.
    Anywhere(String),
    /// Segments from the origin down.
    Path(Vec<Segment>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `**`: any number of names, none included.
    Any,
    /// One name, in which `*` stands for any signs.
    Name(String),
}

/// Why a text is not a glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Nothing was written.
    #[error("empty; write \".\" for the cluster itself or \"**\" for the whole subtree")]
    Empty,
    /// An empty name between, before or behind slashes.
    #[error("{0:?} has an empty name; write it without leading, trailing or double slashes")]
    EmptyName(String),
    /// A sign that no cluster name has.
    #[error(
        "{0:?} has a sign that no cluster name has; names are lower case letters, digits and '-', \
         and '*' stands for any of them"
    )]
    BadSign(String),
    /// Too many names.
    #[error("{0:?} has more than {SEGMENTS_MAX} names")]
    TooLong(String),
}

impl Glob {
    /// Reads a glob.
    ///
    /// # Errors
    /// Says what is wrong with `text`.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        if text == "." {
            return Ok(Self(Form::Path(Vec::new())));
        }
        let trimmed = text.strip_prefix("./").unwrap_or(text);
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'*';
        let mut segments = Vec::new();
        for name in trimmed.split('/') {
            if name.is_empty() {
                return Err(GlobError::EmptyName(text.to_owned()));
            }
            if !name.bytes().all(good) {
                return Err(GlobError::BadSign(text.to_owned()));
            }
            segments.push(match name {
                "**" => Segment::Any,
                name => Segment::Name(name.to_owned()),
            });
        }
        if segments.len() > SEGMENTS_MAX {
            return Err(GlobError::TooLong(text.to_owned()));
        }
        if !text.contains(['/', '*']) {
            return Ok(Self(Form::Anywhere(text.to_owned())));
        }
        Ok(Self(Form::Path(segments)))
    }

    /// Whether the cluster at `path` is meant.
    #[must_use]
    pub fn matches(&self, path: &ClusterPath) -> bool {
        match &self.0 {
            Form::Anywhere(name) => path.last().is_some_and(|last| last.as_str() == name),
            Form::Path(segments) => walk(segments, path.names()).here,
        }
    }

    /// Whether some cluster at or below `path` may be meant.
    #[must_use]
    pub fn may_match_below(&self, path: &ClusterPath) -> bool {
        match &self.0 {
            Form::Anywhere(_) => true,
            Form::Path(segments) => {
                let end = walk(segments, path.names());
                end.here || end.below
            }
        }
    }
}

struct End {
    /// The pattern can end here.
    here: bool,
    /// The pattern can go on below.
    below: bool,
}

/// Follows `names` through the pattern as a set of positions: linear in both, whatever the pattern.
fn walk(segments: &[Segment], names: &[ClusterName]) -> End {
    let mut at = vec![false; segments.len() + 1];
    at[0] = true;
    pass_any(segments, &mut at);
    for name in names {
        let mut next = vec![false; segments.len() + 1];
        for (i, segment) in segments.iter().enumerate().filter(|(i, _)| at[*i]) {
            match segment {
                Segment::Any => next[i] = true,
                Segment::Name(pattern) if name_matches(pattern, name.as_str()) => {
                    next[i + 1] = true;
                }
                Segment::Name(_) => {}
            }
        }
        pass_any(segments, &mut next);
        at = next;
    }
    let here = at[segments.len()];
    End {
        here,
        below: at[..segments.len()].contains(&true),
    }
}

/// `**` may stand for nothing: what waits before one also waits behind it.
fn pass_any(segments: &[Segment], at: &mut [bool]) {
    for (i, segment) in segments.iter().enumerate() {
        if at[i] && *segment == Segment::Any {
            at[i + 1] = true;
        }
    }
}

/// `*` within a name, by the usual two pointers with one point of return.
fn name_matches(pattern: &str, name: &str) -> bool {
    let (p, n) = (pattern.as_bytes(), name.as_bytes());
    let (mut i, mut j) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while j < n.len() {
        if i < p.len() && p[i] == b'*' {
            back = Some((i, j));
            i += 1;
        } else if i < p.len() && p[i] == n[j] {
            i += 1;
            j += 1;
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            i = star + 1;
            j = from + 1;
        } else {
            return false;
        }
    }
    p[i..].iter().all(|b| *b == b'*')
}
