//! The kinds that we serve, read once from `data/kinds.txt`.
//!
//! One line of that file is one kind in one version. Everything that differs between kinds and is not a rule of
//! its own (names, scope, verbs, subresources, when the generation rises) stands there.

use std::sync::LazyLock;

/// A built-in kind in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Version within the group.
    pub version: &'static str,
    /// `Pod`.
    pub kind: &'static str,
    /// `pods`: the resource's name in paths and RBAC rules.
    pub plural: &'static str,
    /// `pod`.
    pub singular: String,
    /// `po`.
    pub short_names: Vec<&'static str>,
    /// `all`, `api-extensions`.
    pub categories: Vec<&'static str>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// What the resource itself answers to, in alphabetical order.
    pub verbs: Vec<&'static str>,
    /// `status`, `scale`, `log`, in alphabetical order.
    pub subresources: Vec<Subresource>,
    /// How `metadata.generation` moves.
    pub generation: Generation,
}

/// A part of a resource that has a path of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subresource {
    /// Last part of the path: `status`.
    pub name: &'static str,
    /// Group of the kind that it speaks.
    pub group: &'static str,
    /// Version of the kind that it speaks.
    pub version: &'static str,
    /// Kind that it speaks; the parent's own for `status`, `Scale` for `scale`.
    pub kind: &'static str,
    /// What it answers to, in alphabetical order.
    pub verbs: Vec<&'static str>,
}

/// When `metadata.generation` moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generation {
    /// The kind has none.
    None,
    /// It rises when one of the parts changes.
    Parts {
        /// Whether it is 1 at creation (else absent).
        starts: bool,
        /// Top-level fields, `labels` and `annotations`, or `*`: everything but metadata.
        parts: Vec<&'static str>,
    },
}

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    parse(
        include_str!("../data/kinds.txt"),
        include_str!("../data/subresources.txt"),
    )
});

/// All kinds in all versions, in discovery order.
#[must_use]
pub fn all() -> &'static [Kind] {
    &KINDS
}

/// The kind behind a path such as `/apis/GROUP/VERSION/PLURAL`.
#[must_use]
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    all()
        .iter()
        .find(|k| k.plural == plural && k.group == group && k.version == version)
}

/// The kind that an object's `apiVersion` and `kind` name.
#[must_use]
pub fn of(group: &str, version: &str, kind: &str) -> Option<&'static Kind> {
    all()
        .iter()
        .find(|k| k.kind == kind && k.group == group && k.version == version)
}

// === impl Kind ===

impl Kind {
    /// `v1` or `apps/v1`, as objects write it.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `deployments.apps` or `pods`, as `Status` messages name a resource.
    #[must_use]
    pub fn resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// The subresource of that name.
    #[must_use]
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }

    /// Whether the resource itself answers to `verb`.
    #[must_use]
    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.contains(&verb)
    }

    /// Whether objects of this kind are kept at all (reviews and bindings are only answered).
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.has_verb("get") && self.kind != "ComponentStatus"
    }

    /// The version (perhaps of another group) in which objects are stored; see [`crate::convert`].
    #[must_use]
    pub fn storage(&self) -> &'static Kind {
        let (group, version) = match (self.group, self.kind) {
            ("events.k8s.io", "Event") => ("", "v1"),
            ("autoscaling", "HorizontalPodAutoscaler") => ("autoscaling", "v2"),
            (group, _) => (group, self.version),
        };
        of(group, version, self.kind).expect("the storage version is in the table")
    }

    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        self.kind == kind && self.group == group
    }
}

// === reading the table ===

const ALL_VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

fn parse(kinds: &'static str, subresources: &'static str) -> Vec<Kind> {
    let mut group_version = ("", "");
    let mut all = Vec::new();
    for line in lines(kinds) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            group_version = split_group_version(name);
        } else {
            all.push(parse_kind(group_version, line, subresources));
        }
    }
    all
}

fn parse_kind(
    (group, version): (&'static str, &'static str),
    line: &'static str,
    subresources: &'static str,
) -> Kind {
    let columns: Vec<&'static str> = line.split_whitespace().collect();
    let [
        plural,
        kind,
        short,
        categories,
        scope,
        verbs,
        subs,
        generation,
    ] = columns[..]
    else {
        unreachable!("a line of kinds.txt has eight columns: {line}")
    };
    let own = (group, version, kind);
    Kind {
        group,
        version,
        kind,
        plural,
        singular: kind.to_lowercase(),
        short_names: list(short),
        categories: list(categories),
        namespaced: scope == "ns",
        verbs: parse_verbs(verbs),
        subresources: list(subs)
            .into_iter()
            .map(|name| parse_subresource(own, plural, name, subresources))
            .collect(),
        generation: parse_generation(generation),
    }
}

fn parse_subresource(
    own: (&'static str, &'static str, &'static str),
    plural: &str,
    name: &'static str,
    table: &'static str,
) -> Subresource {
    let special = format!("{plural}/{name}");
    let columns: Vec<&'static str> = lines(table)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|columns| columns[0] == special || columns[0] == name)
        .expect("every subresource of kinds.txt is in subresources.txt");
    let (group, version) = match columns[1] {
        "." => (own.0, own.1),
        other => split_group_version(other),
    };
    Subresource {
        name,
        group,
        version,
        kind: if columns[2] == "." { own.2 } else { columns[2] },
        verbs: list(columns[3]),
    }
}

fn parse_generation(text: &'static str) -> Generation {
    let Some((mode, parts)) = text.split_once(':') else {
        return Generation::None;
    };
    Generation::Parts {
        starts: mode == "gen",
        parts: parts.split('+').filter(|p| *p != "-").collect(),
    }
}

fn parse_verbs(text: &'static str) -> Vec<&'static str> {
    match text {
        "rw" => ALL_VERBS.to_vec(),
        "-deletecollection" => ALL_VERBS
            .into_iter()
            .filter(|v| *v != "deletecollection")
            .collect(),
        _ => list(text),
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
}

fn list(text: &'static str) -> Vec<&'static str> {
    if text == "-" {
        Vec::new()
    } else {
        text.split(',').collect()
    }
}

fn split_group_version(text: &'static str) -> (&'static str, &'static str) {
    text.split_once('/').unwrap_or(("", text))
}

#[cfg(test)]
mod tests;
