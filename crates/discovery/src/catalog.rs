//! What a cluster serves.

use std::borrow::Cow;
use std::cmp::Ordering;

use cedge_kinds::Kind;
use serde::Serialize;
use serde_json::Value;

type Text = Cow<'static, str>;

/// A resource in one version.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Resource {
    /// API group; `` for the core group.
    pub group: Text,
    /// Version.
    pub version: Text,
    /// `Pod`.
    pub kind: Text,
    /// `PodList`.
    pub list_kind: Text,
    /// `pods`.
    pub plural: Text,
    /// `pod`.
    pub singular: Text,
    /// `po`.
    pub short_names: Vec<Text>,
    /// `all`.
    pub categories: Vec<Text>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// What it answers to, in Kubernetes' order.
    pub verbs: Vec<Text>,
    /// Parts with a path of their own, in Kubernetes' order.
    pub subresources: Vec<Subresource>,
    /// The schema of a custom resource; built-in ones have theirs in the table of types.
    pub custom: Option<Value>,
    /// Whether this is a custom resource.
    pub is_custom: bool,
    /// The version that a custom resource is stored in; empty for others.
    pub storage: Text,
}

/// A part of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subresource {
    /// `status`.
    pub name: Text,
    /// Group of what it speaks.
    pub group: Text,
    /// Version of what it speaks.
    pub version: Text,
    /// Kind of what it speaks.
    pub kind: Text,
    /// What it answers to.
    pub verbs: Vec<Text>,
}

/// One served version of a CustomResourceDefinition, as far as documents need it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CustomResource {
    /// API group.
    pub group: String,
    /// Version.
    pub version: String,
    /// `spec.names.kind`.
    pub kind: String,
    /// `spec.names.listKind`; empty means the kind with `List`.
    pub list_kind: String,
    /// `spec.names.plural`.
    pub plural: String,
    /// `spec.names.singular`.
    pub singular: String,
    /// `spec.names.shortNames`.
    pub short_names: Vec<String>,
    /// `spec.names.categories`.
    pub categories: Vec<String>,
    /// `spec.scope` is `Namespaced`.
    pub namespaced: bool,
    /// Whether the version has the subresource `status`.
    pub status: bool,
    /// Whether the version has the subresource `scale`.
    pub scale: bool,
    /// The version's `schema.openAPIV3Schema`.
    pub schema: Option<Value>,
    /// Whether objects are only told of: they can be got and listed, not written or watched.
    pub told_only: bool,
    /// The version that objects are stored in; empty if none are.
    pub storage: String,
}

/// Every resource that is served, in the order of discovery.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    resources: Vec<Resource>,
}

/// A group with its versions, preferred one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group<'a> {
    pub(crate) name: &'a str,
    pub(crate) versions: Vec<&'a str>,
}

// === impl Catalog ===

impl Catalog {
    /// The built-in kinds and these custom ones.
    #[must_use]
    pub fn new(custom: impl IntoIterator<Item = CustomResource>) -> Self {
        Self::of(cedge_kinds::all(), custom)
    }

    /// Some of the built-in kinds and these custom ones. A custom resource cannot hide a built-in one.
    #[must_use]
    pub fn of(kinds: &'static [Kind], custom: impl IntoIterator<Item = CustomResource>) -> Self {
        let mut resources: Vec<Resource> = kinds.iter().map(Resource::built_in).collect();
        let built_in = resources.len();
        for custom in custom {
            let taken = |r: &Resource| {
                r.group == custom.group && r.version == custom.version && r.plural == custom.plural
            };
            if !resources.iter().any(taken) {
                resources.push(Resource::of_custom(custom));
            }
        }
        resources[built_in..].sort_by(|a, b| {
            let key = |r: &Resource| (r.group.clone(), r.plural.clone());
            a.group
                .cmp(&b.group)
                .then_with(|| by_priority(&a.version, &b.version))
                .then_with(|| key(a).cmp(&key(b)))
        });
        Self { resources }
    }

    /// Everything, in the order of discovery.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The groups but the core one.
    pub(crate) fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for resource in self.resources.iter().filter(|r| !r.group.is_empty()) {
            let (name, version) = (resource.group.as_ref(), resource.version.as_ref());
            match groups.iter_mut().find(|g| g.name == name) {
                None => groups.push(Group {
                    name,
                    versions: vec![version],
                }),
                Some(group) if group.versions.contains(&version) => {}
                Some(group) => group.versions.push(version),
            }
        }
        for group in &mut groups {
            group.versions.sort_by(|a, b| by_priority(a, b));
        }
        groups
    }

    /// The resources of a version, by name.
    pub(crate) fn of_version(&self, group: &str, version: &str) -> Vec<&Resource> {
        let here = |r: &&Resource| r.group == group && r.version == version;
        let mut found: Vec<&Resource> = self.resources.iter().filter(here).collect();
        found.sort_by(|a, b| a.plural.cmp(&b.plural));
        found
    }

    /// Every group and version, the core one first.
    pub(crate) fn versions(&self) -> Vec<(&str, &str)> {
        let mut all = Vec::new();
        for resource in &self.resources {
            let place = (resource.group.as_ref(), resource.version.as_ref());
            if !all.contains(&place) {
                all.push(place);
            }
        }
        all
    }
}

// === impl Resource ===

impl Resource {
    fn built_in(kind: &'static Kind) -> Self {
        let texts = |list: &[&'static str]| list.iter().map(|t| Cow::Borrowed(*t)).collect();
        Self {
            group: kind.group.into(),
            version: kind.version.into(),
            kind: kind.kind.into(),
            list_kind: format!("{}List", kind.kind).into(),
            plural: kind.plural.into(),
            singular: kind.singular.as_str().into(),
            short_names: texts(&kind.short_names),
            categories: texts(&kind.categories),
            namespaced: kind.namespaced,
            verbs: texts(&kind.verbs),
            subresources: kind
                .subresources
                .iter()
                .map(|s| Subresource {
                    name: s.name.into(),
                    group: s.group.into(),
                    version: s.version.into(),
                    kind: s.kind.into(),
                    verbs: texts(&s.verbs),
                })
                .collect(),
            custom: None,
            is_custom: false,
            storage: "".into(),
        }
    }

    fn of_custom(custom: CustomResource) -> Self {
        let texts = |list: Vec<String>| list.into_iter().map(Cow::Owned).collect();
        let verbs = |list: &[&'static str]| list.iter().map(|t| Cow::Borrowed(*t)).collect();
        let part = |name: &'static str, group: Text, version: Text, kind: Text| Subresource {
            name: name.into(),
            group,
            version,
            kind,
            verbs: verbs(&["get", "patch", "update"]),
        };
        let own: (Text, Text, Text) = (
            custom.group.into(),
            custom.version.into(),
            custom.kind.into(),
        );
        let scale = part("scale", "autoscaling".into(), "v1".into(), "Scale".into());
        let status = part("status", own.0.clone(), own.1.clone(), own.2.clone());
        let list_kind = match custom.list_kind {
            empty if empty.is_empty() => format!("{}List", own.2),
            given => given,
        };
        let parts = [(custom.status, status), (custom.scale, scale)];
        Self {
            group: own.0,
            version: own.1,
            kind: own.2,
            list_kind: list_kind.into(),
            plural: custom.plural.into(),
            singular: custom.singular.into(),
            short_names: texts(custom.short_names),
            categories: texts(custom.categories),
            namespaced: custom.namespaced,
            verbs: if custom.told_only {
                verbs(&["get", "list"])
            } else {
                verbs(&[
                    "delete",
                    "deletecollection",
                    "get",
                    "list",
                    "patch",
                    "create",
                    "update",
                    "watch",
                ])
            },
            subresources: parts
                .into_iter()
                .filter_map(|(has, part)| has.then_some(part))
                .collect(),
            custom: custom.schema,
            is_custom: true,
            storage: custom.storage.into(),
        }
    }

    pub(crate) fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }
}

/// `v1` or `apps/v1`.
pub(crate) fn group_version(group: &str, version: &str) -> String {
    match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    }
}

/// `/api/v1` or `/apis/apps/v1`.
pub(crate) fn root_of(group: &str, version: &str) -> String {
    match group {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    }
}

/// Kubernetes' order of versions, preferred first: `v2`, `v1`, `v2beta1`, `v1beta2`, `v1alpha1`, then names that are none.
fn by_priority(a: &str, b: &str) -> Ordering {
    match (rank(a), rank(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

fn rank(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let digits = |s: &str| s.len() - s.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (major, rest) = rest.split_at(digits(rest));
    let (stability, minor) = match rest {
        "" => return Some((2, major.parse().ok()?, 0)),
        rest if rest.starts_with("beta") => (1, &rest[4..]),
        rest if rest.starts_with("alpha") => (0, &rest[5..]),
        _ => return None,
    };
    Some((stability, major.parse().ok()?, minor.parse().ok()?))
}
