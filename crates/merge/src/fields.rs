//! Sets of field paths: who owns what.
//!
//! A path leads from the object's root over [`Step`]s: a field's name, the keys of a list item, the value of a set
//! item, an index. A [`Set`] is a tree of steps; a step that is itself a *member* is owned, its children may be
//! owned without it. The wire form is `FieldsV1` (see [`wire`]).

pub(crate) mod wire;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use cedge_schema::TypeRef;
use serde_json::Value;

/// One step of a path. Variants are in the order in which Kubernetes sorts them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A field of an object.
    Field(String),
    /// The item of a list that has these values in its key fields, sorted by field.
    Key(Vec<(String, Scalar)>),
    /// The item of a set with this value.
    Value(Scalar),
    /// The item of a list at this index.
    Index(i64),
}

/// A value in a path, with the order of Kubernetes: numbers, texts, booleans, lists, objects, null.
#[derive(Debug, Clone)]
pub(crate) struct Scalar(pub(crate) Value);

/// A path from the root of an object.
pub(crate) type Path = Vec<Step>;

/// A set of paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Set {
    nodes: BTreeMap<Step, Node>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    member: bool,
    children: Set,
}

// === impl Set ===

impl Set {
    pub(crate) fn is_empty(&self) -> bool {
        // Empty nodes are never kept.
        self.nodes.is_empty()
    }

    pub(crate) fn insert(&mut self, path: &[Step]) {
        let Some((last, way)) = path.split_last() else {
            return;
        };
        let mut at = self;
        for step in way {
            if !at.nodes.contains_key(step) {
                at.nodes.insert(step.clone(), Node::default());
            }
            at = &mut at.nodes.get_mut(step).expect("was just put there").children;
        }
        at.nodes.entry(last.clone()).or_default().member = true;
    }

    /// Whether the path itself is a member.
    pub(crate) fn has(&self, path: &[Step]) -> bool {
        match path {
            [] => false,
            [last] => self.nodes.get(last).is_some_and(|node| node.member),
            [first, rest @ ..] => self
                .nodes
                .get(first)
                .is_some_and(|node| node.children.has(rest)),
        }
    }

    pub(crate) fn has_member(&self, step: &Step) -> bool {
        self.nodes.get(step).is_some_and(|node| node.member)
    }

    /// What lies below a step, if there is anything.
    pub(crate) fn below(&self, step: &Step) -> Option<&Self> {
        let node = self.nodes.get(step)?;
        (!node.children.is_empty()).then_some(&node.children)
    }

    /// Every step at this level: the step, whether it is a member, what lies below.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&Step, bool, &Self)> {
        self.nodes
            .iter()
            .map(|(step, node)| (step, node.member, &node.children))
    }

    fn put(&mut self, step: Step, member: bool, children: Self) {
        if member || !children.is_empty() {
            self.nodes.insert(step, Node { member, children });
        }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.add(other);
        out
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (step, node) in &other.nodes {
            match self.nodes.get_mut(step) {
                None => {
                    self.nodes.insert(step.clone(), node.clone());
                }
                Some(own) => {
                    own.member |= node.member;
                    own.children.add(&node.children);
                }
            }
        }
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut out = Self::default();
        for (step, node) in &self.nodes {
            if let Some(theirs) = other.nodes.get(step) {
                let children = node.children.intersection(&theirs.children);
                out.put(step.clone(), node.member && theirs.member, children);
            }
        }
        out
    }

    /// Without the members of the other set; what lies below them stays.
    pub(crate) fn difference(&self, other: &Self) -> Self {
        let mut out = Self::default();
        for (step, node) in &self.nodes {
            match other.nodes.get(step) {
                None => {
                    out.nodes.insert(step.clone(), node.clone());
                }
                Some(theirs) => {
                    let children = node.children.difference(&theirs.children);
                    out.put(step.clone(), node.member && !theirs.member, children);
                }
            }
        }
        out
    }

    /// Without the members of the other set and all that lies below them.
    pub(crate) fn recursive_difference(&self, other: &Self) -> Self {
        let mut out = Self::default();
        for (step, node) in &self.nodes {
            match other.nodes.get(step) {
                None => {
                    out.nodes.insert(step.clone(), node.clone());
                }
                Some(theirs) if theirs.member => {}
                Some(theirs) => {
                    let children = node.children.recursive_difference(&theirs.children);
                    out.put(step.clone(), node.member, children);
                }
            }
        }
        out
    }

    /// With every known field of an object type a member that leads to members: `a.b` gives `a` too, unless `a` is
    /// a key of a map.
    pub(crate) fn with_named_fields(&self, ty: Option<TypeRef<'_>>) -> Self {
        let mut out = Self::default();
        for (step, node) in &self.nodes {
            let (named, inner) = match step {
                Step::Field(name) => {
                    let field = ty.and_then(|ty| ty.field(name));
                    let inner = field.map(|field| field.ty());
                    (
                        field.is_some(),
                        inner.or_else(|| ty.and_then(TypeRef::merge_additional)),
                    )
                }
                Step::Key(_) => (false, ty.and_then(TypeRef::item)),
                Step::Value(_) | Step::Index(_) => (false, None),
            };
            let children = node.children.with_named_fields(inner);
            let member = node.member || (named && !children.is_empty());
            out.put(step.clone(), member, children);
        }
        out
    }

    /// All member paths: at each level first the members, then what lies below.
    pub(crate) fn paths(&self) -> Vec<Path> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, way: &mut Path, out: &mut Vec<Path>) {
        for (step, node) in &self.nodes {
            if node.member {
                let mut path = way.clone();
                path.push(step.clone());
                out.push(path);
            }
        }
        for (step, node) in &self.nodes {
            way.push(step.clone());
            node.children.collect(way, out);
            way.pop();
        }
    }
}

impl<'p> FromIterator<&'p Path> for Set {
    fn from_iter<I: IntoIterator<Item = &'p Path>>(paths: I) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(path);
        }
        set
    }
}

// === impl Step ===

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                write!(f, "[")?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(f, "{comma}{name}={}", value.0)?;
                }
                write!(f, "]")
            }
            Self::Value(value) => write!(f, "[={}]", value.0),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A path as conflicts show it: `.spec.containers[name="app"].image`.
pub(crate) fn show(path: &[Step]) -> String {
    path.iter().map(Step::to_string).collect()
}

/// The path of plain field names.
pub(crate) fn fields(names: &[&str]) -> Path {
    names
        .iter()
        .map(|name| Step::Field((*name).to_owned()))
        .collect()
}

// === impl Scalar ===

impl Scalar {
    fn rank(&self) -> u8 {
        match &self.0 {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            Value::Array(_) => 3,
            Value::Object(_) => 4,
            Value::Null => 5,
        }
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => {
                    let float = |number: &serde_json::Number| number.as_f64().unwrap_or_default();
                    float(a).total_cmp(&float(b))
                }
            },
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (a, b) => {
                let by_rank = self.rank().cmp(&other.rank());
                by_rank.then_with(|| a.to_string().cmp(&b.to_string()))
            }
        }
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

#[cfg(test)]
mod tests;
