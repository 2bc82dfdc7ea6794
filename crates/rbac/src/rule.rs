//! One rule, and which requests it allows.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::request::{Request, Target};

/// The sign for everything.
const ALL: &str = "*";

/// A `PolicyRule`: these verbs, on these resources or paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// What may be done; `*` is everything.
    #[serde(deserialize_with = "or_null")]
    pub verbs: Vec<String>,
    /// In which API groups; `` is the core group, `*` is every group.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_null")]
    pub api_groups: Vec<String>,
    /// To which resources: `pods`, `pods/log`, `*`, `*/scale`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_null")]
    pub resources: Vec<String>,
    /// Only to objects of these names; none given means all.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_null")]
    pub resource_names: Vec<String>,
    /// To which paths outside of the resources: `/healthz`, `/metrics/*`, `*`.
    #[serde(
        rename = "nonResourceURLs",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "or_null"
    )]
    pub non_resource_urls: Vec<String>,
}

/// Lists in objects of others may be `null`.
pub(crate) fn or_null<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

pub(crate) fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == wanted)
}

fn has_or_all(list: &[String], wanted: &str) -> bool {
    has(list, ALL) || has(list, wanted)
}

// === impl Rule ===

impl Rule {
    /// These verbs on these resources of a group.
    #[must_use]
    pub fn on(group: &str, resources: &[&str], verbs: &[&str]) -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            verbs: owned(verbs),
            api_groups: owned(&[group]),
            resources: owned(resources),
            ..Self::default()
        }
    }

    /// Whether this rule alone allows the request.
    #[must_use]
    pub fn allows(&self, request: &Request<'_>) -> bool {
        has_or_all(&self.verbs, request.verb)
            && match request.target {
                Target::Path(path) => self.reaches_path(path),
                Target::Resource {
                    group,
                    resource,
                    subresource,
                    name,
                    ..
                } => {
                    has_or_all(&self.api_groups, group)
                        && self.reaches_resource(resource, subresource)
                        && (self.resource_names.is_empty() || has(&self.resource_names, name))
                }
            }
    }

    fn reaches_resource(&self, resource: &str, subresource: &str) -> bool {
        self.resources.iter().any(|of_rule| {
            if of_rule == ALL {
                return true;
            }
            match of_rule.split_once('/') {
                None => subresource.is_empty() && of_rule == resource,
                Some((kind, sub)) => {
                    !subresource.is_empty()
                        && sub == subresource
                        && (kind == ALL || kind == resource)
                }
            }
        })
    }

    fn reaches_path(&self, path: &str) -> bool {
        self.non_resource_urls
            .iter()
            .any(|url| url == ALL || path_covers(url, path))
    }

    /// Whether this rule allows all that `atom` does; `atom` has one of each thing at most (see [`Rule::atoms`]).
    pub(crate) fn covers(&self, atom: &Self) -> bool {
        let all = |set: &[String], wanted: &[String]| wanted.iter().all(|w| has(set, w));
        (has(&self.verbs, ALL) || all(&self.verbs, &atom.verbs))
            && (has(&self.api_groups, ALL) || all(&self.api_groups, &atom.api_groups))
            && atom.resources.iter().all(|r| self.covers_resource(r))
            && (self.resource_names.is_empty()
                || (!atom.resource_names.is_empty()
                    && all(&self.resource_names, &atom.resource_names)))
            && atom
                .non_resource_urls
                .iter()
                .all(|path| self.non_resource_urls.iter().any(|u| path_covers(u, path)))
    }

    fn covers_resource(&self, resource: &str) -> bool {
        let of_any_kind = || {
            resource
                .split_once('/')
                .is_some_and(|(_, sub)| has(&self.resources, &format!("*/{sub}")))
        };
        has_or_all(&self.resources, resource) || of_any_kind()
    }

    /// The same permissions as rules that have one verb, group, resource, name or path each.
    pub(crate) fn atoms(&self) -> Vec<Self> {
        let one = |text: &String| vec![text.clone()];
        let names: Vec<Vec<String>> = match self.resource_names.as_slice() {
            [] => vec![Vec::new()],
            names => names.iter().map(one).collect(),
        };
        let mut atoms = Vec::new();
        for group in &self.api_groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    atoms.extend(names.iter().map(|name| Self {
                        verbs: one(verb),
                        api_groups: one(group),
                        resources: one(resource),
                        resource_names: name.clone(),
                        non_resource_urls: Vec::new(),
                    }));
                }
            }
        }
        for url in &self.non_resource_urls {
            atoms.extend(self.verbs.iter().map(|verb| Self {
                verbs: one(verb),
                non_resource_urls: one(url),
                ..Self::default()
            }));
        }
        atoms
    }
}

/// `/a/*` covers everything that begins with `/a/`.
fn path_covers(url: &str, path: &str) -> bool {
    url == path || (url.ends_with('*') && path.starts_with(url.trim_end_matches('*')))
}

/// As Kubernetes writes a rule in the message about an escalation.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let given: Vec<String> = parts
            .iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| format!("{name}:{}", quoted(list)))
            .collect();
        write!(f, "{{{}}}", given.join(", "))
    }
}

/// A list of strings as Go prints it with `%q`: quoted, divided by spaces.
pub(crate) fn quoted(list: &[String]) -> String {
    let items: Vec<String> = list.iter().map(|item| format!("{item:?}")).collect();
    format!("[{}]", items.join(" "))
}
