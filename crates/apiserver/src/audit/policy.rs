//! What is noted of which request: `audit.k8s.io/v1` `Policy`.

use cedge_kinds::read::Read;
use cedge_pki::Identity;
use serde_json::Value;

use super::event::Stage;
use crate::authz::Attributes;

/// How much is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Nothing,
    Metadata,
    Request,
    RequestResponse,
}

/// An audit policy: the first rule that matches counts.
#[derive(Debug, Clone)]
pub struct AuditPolicy {
    rules: Vec<Rule>,
}

/// Why a policy is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is no YAML.
    #[error("it is no YAML: {0}")]
    Syntax(String),
    /// It is something else.
    #[error("it is no Policy of audit.k8s.io/v1, but {0}")]
    Kind(String),
    /// A field holds what it cannot.
    #[error("{field}: {why}")]
    Field {
        /// The path of the field.
        field: String,
        /// What is wrong.
        why: String,
    },
}

#[derive(Debug, Clone)]
struct Rule {
    outcome: Outcome,
    users: Vec<String>,
    groups: Vec<String>,
    verbs: Vec<String>,
    namespaces: Vec<String>,
    /// Group, resources, names.
    resources: Vec<(String, Vec<String>, Vec<String>)>,
    paths: Vec<String>,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) level: Level,
    pub(super) omit: Vec<Stage>,
    pub(super) omit_managed: bool,
}

// === impl AuditPolicy ===

impl AuditPolicy {
    /// Reads a policy in YAML or JSON.
    ///
    /// # Errors
    /// It is none; the error names the field.
    pub fn read(text: &str) -> Result<Self, PolicyError> {
        let policy: Value =
            serde_saphyr::from_str(text).map_err(|e| PolicyError::Syntax(e.to_string()))?;
        let (version, kind) = (policy.text("apiVersion"), policy.text("kind"));
        if (version, kind) != ("audit.k8s.io/v1", "Policy") {
            return Err(PolicyError::Kind(format!("{kind} of {version}")));
        }
        let omit = stages(policy.field("omitStages"), "omitStages")?;
        let managed = policy.flag("omitManagedFields");
        let rules = policy.items("rules").iter().enumerate();
        let rules = rules.map(|(i, rule)| Rule::read(rule, &format!("rules[{i}]"), &omit, managed));
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
        })
    }

    /// What is noted of a request.
    pub(super) fn of(&self, user: &Identity, asked: &Attributes) -> Outcome {
        let mut matching = self.rules.iter().filter(|rule| rule.matches(user, asked));
        let Some(rule) = matching.next() else {
            return Outcome {
                level: Level::Nothing,
                omit: Vec::new(),
                omit_managed: false,
            };
        };
        let mut outcome = rule.outcome.clone();
        // Secrets are written down only if a rule names them.
        if is_secret(asked) && !rule.names(&asked.resource) {
            outcome.level = outcome.level.min(Level::Metadata);
        }
        outcome
    }
}

/// Whether bodies hold what opens doors.
fn is_secret(asked: &Attributes) -> bool {
    matches!(
        (
            asked.group.as_str(),
            asked.resource.as_str(),
            asked.subresource.as_str()
        ),
        ("", "secrets", _)
            | ("", "serviceaccounts", "token")
            | ("authentication.k8s.io", "tokenreviews", _)
    )
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    let items = value.items(field).iter().filter_map(Value::as_str);
    items.map(ToOwned::to_owned).collect()
}

fn stages(list: &Value, field: &str) -> Result<Vec<Stage>, PolicyError> {
    let items = list.as_array().into_iter().flatten().enumerate();
    items
        .map(|(i, stage)| {
            Stage::read(stage.as_str().unwrap_or_default()).ok_or_else(|| PolicyError::Field {
                field: format!("{field}[{i}]"),
                why: format!(
                    "{stage}: allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic"
                ),
            })
        })
        .collect()
}

// === impl Rule ===

impl Rule {
    fn read(rule: &Value, at: &str, omit: &[Stage], managed: bool) -> Result<Self, PolicyError> {
        let wrong = |field: &str, why: String| PolicyError::Field {
            field: format!("{at}.{field}"),
            why,
        };
        let level = match rule.text("level") {
            "None" => Level::Nothing,
            "Metadata" => Level::Metadata,
            "Request" => Level::Request,
            "RequestResponse" => Level::RequestResponse,
            other => {
                let why = format!(
                    "{other:?}: supported values: \"None\", \"Metadata\", \"Request\", \"RequestResponse\""
                );
                return Err(wrong("level", why));
            }
        };
        let paths = texts(rule, "nonResourceURLs");
        let resources = rule.items("resources").iter().map(|r| {
            let group = r.text("group").to_owned();
            (group, texts(r, "resources"), texts(r, "resourceNames"))
        });
        let resources: Vec<_> = resources.collect();
        let namespaces = texts(rule, "namespaces");
        let for_resources = !resources.is_empty() || !namespaces.is_empty();
        if !paths.is_empty() && for_resources {
            let why = "rules cannot apply to both regular resources and non-resource URLs";
            return Err(wrong("nonResourceURLs", why.into()));
        }
        if let Some(path) = paths.iter().find(|p| *p != "*" && !p.starts_with('/')) {
            let why = format!("{path:?}: non-resource URL rules must begin with a '/' character");
            return Err(wrong("nonResourceURLs", why));
        }
        let mut omitted = omit.to_vec();
        omitted.extend(stages(
            rule.field("omitStages"),
            &format!("{at}.omitStages"),
        )?);
        Ok(Self {
            outcome: Outcome {
                level,
                omit: omitted,
                omit_managed: if rule.has("omitManagedFields") {
                    rule.flag("omitManagedFields")
                } else {
                    managed
                },
            },
            users: texts(rule, "users"),
            groups: texts(rule, "userGroups"),
            verbs: texts(rule, "verbs"),
            namespaces,
            resources,
            paths,
        })
    }

    fn matches(&self, user: &Identity, asked: &Attributes) -> bool {
        let any =
            |items: &[String], wanted: &str| items.is_empty() || items.iter().any(|i| i == wanted);
        let in_group = self.groups.is_empty() || self.groups.iter().any(|g| user.in_group(g));
        if !any(&self.users, &user.user) || !in_group || !any(&self.verbs, &asked.verb) {
            return false;
        }
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return asked.path.is_empty()
                && any(&self.namespaces, &asked.namespace)
                && (self.resources.is_empty() || self.is_for(asked));
        }
        self.paths.is_empty()
            || !asked.path.is_empty()
                && self.paths.iter().any(|path| match path.strip_suffix('*') {
                    Some(head) => asked.path.starts_with(head),
                    None => *path == asked.path,
                })
    }

    fn is_for(&self, asked: &Attributes) -> bool {
        let (resource, part) = (&asked.resource, asked.subresource.as_str());
        let whole = match part {
            "" => resource.clone(),
            part => format!("{resource}/{part}"),
        };
        self.resources.iter().any(|(group, resources, names)| {
            let named = names.is_empty() || names.contains(&asked.name);
            let one = |wanted: &String| {
                *wanted == whole
                    || wanted == "*"
                    || !part.is_empty() && wanted.strip_prefix("*/") == Some(part)
                    || wanted.strip_suffix("/*") == Some(resource.as_str())
            };
            (group == "*" || *group == asked.group)
                && (resources.is_empty() || named && resources.iter().any(one))
        })
    }

    /// Whether a resource stands in the rule by its name.
    fn names(&self, resource: &str) -> bool {
        let mut all = self
            .resources
            .iter()
            .flat_map(|(_, resources, _)| resources);
        all.any(|r| r.split('/').next() == Some(resource))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(verb: &str, resource: &str, subresource: &str) -> Attributes {
        Attributes {
            verb: verb.into(),
            resource: resource.into(),
            subresource: subresource.into(),
            namespace: "a".into(),
            ..Attributes::default()
        }
    }

    fn level(policy: &str, asked: &Attributes) -> Level {
        let policy = AuditPolicy::read(policy).unwrap();
        policy
            .of(&Identity::authenticated("bob", ["dev"]), asked)
            .level
    }

    const HEAD: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";

    #[test]
    fn the_first_rule_that_matches_counts() {
        let policy = format!(
            "{HEAD}rules:\n\
             - {{level: None, users: [alice]}}\n\
             - {{level: None, nonResourceURLs: ['/healthz*']}}\n\
             - {{level: Request, verbs: [create], resources: [{{group: '', resources: [pods, '*/scale']}}]}}\n\
             - {{level: Metadata, userGroups: [dev]}}\n"
        );
        assert_eq!(level(&policy, &asked("create", "pods", "")), Level::Request);
        assert_eq!(
            level(&policy, &asked("create", "pods", "log")),
            Level::Metadata
        );
        assert_eq!(
            level(&policy, &asked("create", "x", "scale")),
            Level::Request
        );
        assert_eq!(
            level(&policy, &Attributes::path("get", "/healthz/x")),
            Level::Nothing
        );
        assert_eq!(
            level(&policy, &Attributes::path("get", "/x")),
            Level::Metadata
        );
        assert_eq!(
            level(&format!("{HEAD}rules: []"), &asked("get", "pods", "")),
            Level::Nothing
        );
    }

    #[test]
    fn secrets_are_written_down_only_if_they_are_named() {
        let all = format!("{HEAD}rules: [{{level: RequestResponse}}]");
        assert_eq!(level(&all, &asked("get", "secrets", "")), Level::Metadata);
        assert_eq!(
            level(&all, &asked("create", "serviceaccounts", "token")),
            Level::Metadata
        );
        assert_eq!(
            level(&all, &asked("get", "configmaps", "")),
            Level::RequestResponse
        );
        let named = format!(
            "{HEAD}rules: [{{level: Request, resources: [{{group: '', resources: [secrets]}}]}}]"
        );
        assert_eq!(level(&named, &asked("get", "secrets", "")), Level::Request);
    }

    #[test]
    fn a_wrong_policy_is_refused_with_its_field() {
        let read = |rest: &str| {
            AuditPolicy::read(&format!("{HEAD}{rest}"))
                .unwrap_err()
                .to_string()
        };
        assert!(read("rules: [{level: Much}]").starts_with("rules[0].level: "));
        assert!(read("omitStages: [Never]\nrules: []").starts_with("omitStages[0]: "));
        assert!(AuditPolicy::read("kind: Pod").is_err());
    }
}
