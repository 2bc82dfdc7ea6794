//! Which requests a webhook or policy is for: operations, resources, selectors.

use cedge_kinds::read::Read;
use serde_json::Value;

use crate::labels::Selector;
use crate::request::{Request, Type};

/// One of the resources under which the same objects are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The resource.
    pub resource: Type,
    /// The kind of what the request is about, in that version.
    pub kind: Type,
}

/// Rules of which one must match.
#[derive(Debug, Clone, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: Scope,
    names: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    Cluster,
    Namespaced,
}

/// What `matchConstraints`, `matchResources` and webhooks say, compiled.
#[derive(Debug, Clone)]
pub struct Matching {
    rules: Rules,
    excluded: Rules,
    /// Whether no rule means every request.
    none_is_all: bool,
    equivalent: bool,
    namespaces: Result<Selector, String>,
    objects: Result<Selector, String>,
}

/// Whether a request is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// It is not.
    No,
    /// It is, as this resource.
    As(Asked),
    /// It would be, but a selector cannot be read.
    Broken(String),
}

// === impl Rules ===

impl Rules {
    /// Reads `rules` or `resourceRules`.
    #[must_use]
    pub fn read(rules: &[Value]) -> Self {
        Self(rules.iter().map(Rule::read).collect())
    }

    fn matches(&self, request: &Request, resource: &Type) -> bool {
        self.0.iter().any(|rule| rule.matches(request, resource))
    }

    /// Under which of its names a request matches: the one it has, or the first equivalent one that a rule is for.
    fn find(&self, request: &Request, equivalents: &[Asked], all: bool) -> Option<Asked> {
        if self.matches(request, &request.resource) {
            return Some(Asked {
                resource: request.resource.clone(),
                kind: request.kind.clone(),
            });
        }
        if !all {
            return None;
        }
        let mut others = self.0.iter().filter_map(|rule| {
            let mut found = equivalents
                .iter()
                .filter(|e| e.resource != request.resource);
            found.find(|e| rule.matches(request, &e.resource))
        });
        others.next().cloned()
    }
}

// === impl Rule ===

impl Rule {
    fn read(rule: &Value) -> Self {
        let texts = |field: &str| {
            let items = rule.items(field).iter().filter_map(Value::as_str);
            items.map(ToOwned::to_owned).collect()
        };
        Self {
            operations: texts("operations"),
            groups: texts("apiGroups"),
            versions: texts("apiVersions"),
            resources: texts("resources"),
            names: texts("resourceNames"),
            scope: match rule.text("scope") {
                "Cluster" => Scope::Cluster,
                "Namespaced" => Scope::Namespaced,
                _ => Scope::All,
            },
        }
    }

    fn matches(&self, request: &Request, resource: &Type) -> bool {
        let any = |items: &[String], wanted: &str| items.iter().any(|i| i == "*" || i == wanted);
        let is_namespace = resource.group.is_empty() && resource.name == "namespaces";
        let in_cluster = is_namespace || request.namespace.is_empty();
        let in_scope = match self.scope {
            Scope::All => true,
            Scope::Cluster => in_cluster,
            Scope::Namespaced => !in_cluster,
        };
        let part = request.subresource.as_str();
        let resources = || {
            self.resources.iter().any(|wanted| {
                let (whole, sub) = wanted.split_once('/').unwrap_or((wanted, ""));
                (whole == "*" || whole == resource.name) && (sub == "*" || sub == part)
            })
        };
        in_scope
            && any(&self.operations, request.operation.as_str())
            && any(&self.groups, &resource.group)
            && any(&self.versions, &resource.version)
            && resources()
            && (self.names.is_empty() || self.names.contains(&request.name))
    }
}

// === impl Matching ===

impl Matching {
    /// Of a webhook: without rules it is for nothing.
    #[must_use]
    pub fn of_webhook(hook: &Value) -> Self {
        Self {
            rules: Rules::read(hook.items("rules")),
            excluded: Rules::default(),
            none_is_all: false,
            equivalent: hook.text("matchPolicy") != "Exact",
            namespaces: Selector::read(hook.field("namespaceSelector")),
            objects: Selector::read(hook.field("objectSelector")),
        }
    }

    /// Of a policy or binding: without rules it is for everything.
    #[must_use]
    pub fn of_policy(constraints: &Value) -> Self {
        Self {
            rules: Rules::read(constraints.items("resourceRules")),
            excluded: Rules::read(constraints.items("excludeResourceRules")),
            none_is_all: true,
            equivalent: constraints.text("matchPolicy") != "Exact",
            namespaces: Selector::read(constraints.field("namespaceSelector")),
            objects: Selector::read(constraints.field("objectSelector")),
        }
    }

    /// Whether the labels of the request's namespace are asked for.
    #[must_use]
    pub fn needs_namespace(&self) -> bool {
        !matches!(&self.namespaces, Ok(selector) if selector.is_empty())
    }

    /// Whether a request is meant. `namespace` is the object of its namespace; `equivalents` are the resources under
    /// which the same objects are served.
    #[must_use]
    pub fn means(
        &self,
        request: &Request,
        equivalents: &[Asked],
        namespace: Option<&Value>,
        object: Option<&Value>,
        old: Option<&Value>,
    ) -> Meant {
        let in_cluster = request.namespace.is_empty() && request.resource.name != "namespaces";
        let mut broken = None;
        if !in_cluster {
            match &self.namespaces {
                Ok(selector) if selector.is_empty() => {}
                Ok(selector) if namespace.is_some_and(|n| selector.selects(n)) => {}
                Ok(_) => return Meant::No,
                Err(error) => broken = Some(error.clone()),
            }
        }
        match &self.objects {
            Ok(selector) if selector.is_empty() => {}
            Ok(selector) => {
                let mut either = object.into_iter().chain(old);
                if !either.any(|o| selector.selects(o)) {
                    return Meant::No;
                }
            }
            Err(error) => broken = broken.or(Some(error.clone())),
        }
        let excluded = self.excluded.find(request, equivalents, self.equivalent);
        if excluded.is_some() {
            return Meant::No;
        }
        let found = if self.none_is_all && self.rules.0.is_empty() {
            Some(Asked {
                resource: request.resource.clone(),
                kind: request.kind.clone(),
            })
        } else {
            self.rules.find(request, equivalents, self.equivalent)
        };
        match (found, broken) {
            (None, _) => Meant::No,
            (Some(_), Some(error)) => Meant::Broken(error),
            (Some(asked), None) => Meant::As(asked),
        }
    }
}

#[cfg(test)]
mod tests;
