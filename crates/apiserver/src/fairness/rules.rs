//! FlowSchemas: which requests are meant.

use cedge_kinds::read::Read;
use cedge_pki::Identity;
use serde_json::Value;

use crate::authz::Attributes;
use crate::meta;

/// A schema, compiled.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) level: String,
    pub(super) precedence: i64,
    /// `ByUser`, `ByNamespace`, or empty: all its requests are one flow.
    pub(super) distinguisher: String,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    subjects: Vec<Subject>,
    resources: Vec<ResourceRule>,
    paths: Vec<PathRule>,
}

#[derive(Debug)]
enum Subject {
    User(String),
    Group(String),
    /// Namespace and name.
    Account(String, String),
}

#[derive(Debug)]
struct ResourceRule {
    verbs: Vec<String>,
    groups: Vec<String>,
    resources: Vec<String>,
    namespaces: Vec<String>,
    cluster: bool,
}

#[derive(Debug)]
struct PathRule {
    verbs: Vec<String>,
    paths: Vec<String>,
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    let items = value.items(field).iter().filter_map(Value::as_str);
    items.map(ToOwned::to_owned).collect()
}

fn any(items: &[String], wanted: &str) -> bool {
    items.iter().any(|i| i == "*" || i == wanted)
}

// === impl Schema ===

impl Schema {
    pub(super) fn read(object: &Value) -> Self {
        let spec = object.field("spec");
        Self {
            name: meta::name(object).to_owned(),
            uid: meta::uid(object).to_owned(),
            level: spec
                .field("priorityLevelConfiguration")
                .text("name")
                .to_owned(),
            precedence: spec.int("matchingPrecedence").unwrap_or(1000),
            distinguisher: spec.field("distinguisherMethod").text("type").to_owned(),
            rules: spec.items("rules").iter().map(Rule::read).collect(),
        }
    }

    pub(super) fn matches(&self, identity: &Identity, asked: &Attributes) -> bool {
        self.rules.iter().any(|rule| {
            rule.subjects.iter().any(|s| s.is(identity))
                && if asked.path.is_empty() {
                    rule.resources.iter().any(|r| r.matches(asked))
                } else {
                    rule.paths.iter().any(|p| p.matches(asked))
                }
        })
    }
}

// === impl Rule ===

impl Rule {
    fn read(rule: &Value) -> Self {
        let subjects = rule.items("subjects").iter();
        let subjects = subjects.filter_map(|s| match s.text("kind") {
            "User" => Some(Subject::User(s.field("user").text("name").to_owned())),
            "Group" => Some(Subject::Group(s.field("group").text("name").to_owned())),
            "ServiceAccount" => {
                let account = s.field("serviceAccount");
                let (namespace, name) = (account.text("namespace"), account.text("name"));
                Some(Subject::Account(namespace.to_owned(), name.to_owned()))
            }
            _ => None,
        });
        let resources = rule.items("resourceRules").iter().map(|r| ResourceRule {
            verbs: texts(r, "verbs"),
            groups: texts(r, "apiGroups"),
            resources: texts(r, "resources"),
            namespaces: texts(r, "namespaces"),
            cluster: r.flag("clusterScope"),
        });
        let paths = rule.items("nonResourceRules").iter().map(|r| PathRule {
            verbs: texts(r, "verbs"),
            paths: texts(r, "nonResourceURLs"),
        });
        Self {
            subjects: subjects.collect(),
            resources: resources.collect(),
            paths: paths.collect(),
        }
    }
}

// === impl Subject ===

impl Subject {
    fn is(&self, identity: &Identity) -> bool {
        match self {
            Self::User(name) => name == "*" || *name == identity.user,
            Self::Group(name) => name == "*" || identity.in_group(name),
            Self::Account(namespace, name) => {
                let account = identity.user.strip_prefix("system:serviceaccount:");
                let parts = account.and_then(|a| a.split_once(':'));
                parts.is_some_and(|(ns, own)| ns == namespace && (name == "*" || name == own))
            }
        }
    }
}

// === impl ResourceRule ===

impl ResourceRule {
    fn matches(&self, asked: &Attributes) -> bool {
        let place = if asked.namespace.is_empty() {
            self.cluster
        } else {
            any(&self.namespaces, &asked.namespace)
        };
        let resource = match asked.subresource.as_str() {
            "" => any(&self.resources, &asked.resource),
            part => any(&self.resources, &format!("{}/{part}", asked.resource)),
        };
        place && resource && any(&self.verbs, &asked.verb) && any(&self.groups, &asked.group)
    }
}

// === impl PathRule ===

impl PathRule {
    fn matches(&self, asked: &Attributes) -> bool {
        let path = |wanted: &String| match wanted.strip_suffix('*') {
            Some(head) => asked.path.starts_with(head),
            None => asked.path == *wanted,
        };
        any(&self.verbs, &asked.verb) && self.paths.iter().any(path)
    }
}
