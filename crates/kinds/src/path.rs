//! The way to a field, built while walking and written only when something is wrong there.

use std::fmt;

/// A path such as `spec.containers[0].env[1].name`.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// A path of one name; it may hold dots.
    #[must_use]
    pub const fn root(name: &'a str) -> Path<'a> {
        Path {
            parent: None,
            step: Step::Name(name),
        }
    }

    /// `PATH.name`.
    #[must_use]
    pub fn child<'b>(&'b self, name: &'b str) -> Path<'b>
    where
        'a: 'b,
    {
        Path {
            parent: Some(self),
            step: Step::Name(name),
        }
    }

    /// `PATH[index]`.
    #[must_use]
    pub fn index<'b>(&'b self, index: usize) -> Path<'b>
    where
        'a: 'b,
    {
        Path {
            parent: Some(self),
            step: Step::Index(index),
        }
    }

    /// `PATH[key]`.
    #[must_use]
    pub fn key<'b>(&'b self, key: &'b str) -> Path<'b>
    where
        'a: 'b,
    {
        Path {
            parent: Some(self),
            step: Step::Key(key),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Name("") => Ok(()),
            Step::Name(name) => {
                let empty_root = self
                    .parent
                    .is_some_and(|p| p.parent.is_none() && matches!(p.step, Step::Name("")));
                let dot = self.parent.is_some() && !empty_root;
                write!(f, "{}{name}", if dot { "." } else { "" })
            }
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}
