//! Nobody may grant what they do not hold, unless a rule says so (`escalate`, `bind`).

use std::collections::BTreeMap;

use crate::object::{Object, RoleRef};
use crate::policy::Policy;
use crate::request::{Request, Target, User};
use crate::rule::{Rule, has, quoted};
use crate::{MASTERS, Role};

/// Whether the user may write this role or binding. Ask before create, and on update when more than metadata for the
/// garbage collector changes. `old` is the object that is replaced.
///
/// # Errors
/// What stands behind `… is forbidden: ` in Kubernetes' answer.
pub fn check(
    policy: &Policy,
    user: &User<'_>,
    new: &Object,
    old: Option<&Object>,
) -> Result<(), String> {
    if has(user.groups, MASTERS) {
        return Ok(());
    }
    match new {
        Object::ClusterRole(name, role) => {
            let aggregates = aggregates(role) || old.is_some_and(was_aggregate);
            check_role(policy, user, Target::rbac("clusterroles", "", name), role).and_then(
                |escalates| match aggregates && !escalates {
                    true => check_aggregation(policy, user),
                    false => Ok(()),
                },
            )
        }
        Object::Role(namespace, name, role) => {
            let target = Target::rbac("roles", namespace, name);
            check_role(policy, user, target, role).map(drop)
        }
        Object::ClusterRoleBinding(_, binding) => {
            check_binding(policy, user, &binding.role_ref, "")
        }
        Object::RoleBinding(namespace, _, binding) => {
            check_binding(policy, user, &binding.role_ref, namespace)
        }
    }
}

/// What of `wanted` the `held` rules do not allow, in rules of one permission each. Nothing missing means covered.
#[must_use]
pub fn missing(held: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    let atoms = wanted.iter().flat_map(Rule::atoms);
    atoms
        .filter(|atom| !held.iter().any(|rule| rule.covers(atom)))
        .collect()
}

fn check_role(
    policy: &Policy,
    user: &User<'_>,
    target: Target<'_>,
    role: &Role,
) -> Result<bool, String> {
    let escalate = Request {
        verb: "escalate",
        target,
    };
    if policy.authorize(user, &escalate).is_allowed() {
        return Ok(true);
    }
    check_rules(policy, user, escalate.namespace(), &role.rules).map(|()| false)
}

fn check_binding(
    policy: &Policy,
    user: &User<'_>,
    role: &RoleRef,
    namespace: &str,
) -> Result<(), String> {
    let resource = match role.kind.as_str() {
        "ClusterRole" => "clusterroles",
        _ => "roles",
    };
    let bind = Request {
        verb: "bind",
        target: Target::rbac(resource, namespace, &role.name),
    };
    if policy.authorize(user, &bind).is_allowed() {
        return Ok(());
    }
    check_rules(policy, user, namespace, policy.role(role, namespace)?)
}

fn check_rules(
    policy: &Policy,
    user: &User<'_>,
    namespace: &str,
    wanted: &[Rule],
) -> Result<(), String> {
    let (held, unresolved) = policy.rules_for(user, namespace);
    let missing = missing(&held, wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = compact(missing).iter().map(Rule::to_string).collect();
    lines.sort();
    lines.dedup();
    let mut message = format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        quoted(user.groups),
        lines.join("\n")
    );
    if !unresolved.is_empty() {
        message.push_str(&format!("; resolution errors: {unresolved:?}"));
    }
    Err(message)
}

/// An aggregation may gather anything, now or later: only those who hold everything may write one.
fn check_aggregation(policy: &Policy, user: &User<'_>) -> Result<(), String> {
    let all = || vec!["*".to_owned()];
    let everything = [
        Rule {
            verbs: all(),
            api_groups: all(),
            resources: all(),
            ..Rule::default()
        },
        Rule {
            verbs: all(),
            non_resource_urls: all(),
            ..Rule::default()
        },
    ];
    check_rules(policy, user, "", &everything)
        .map_err(|_| "must have cluster-admin privileges to use the aggregationRule".to_owned())
}

fn aggregates(role: &Role) -> bool {
    let rule = role.aggregation_rule.as_ref();
    rule.is_some_and(|rule| !rule.cluster_role_selectors.is_empty())
}

fn was_aggregate(old: &Object) -> bool {
    matches!(old, Object::ClusterRole(_, role) if aggregates(role))
}

/// Rules that differ only in their verb become one, so that the message stays readable.
fn compact(atoms: Vec<Rule>) -> Vec<Rule> {
    let mut by_place: BTreeMap<Rule, Vec<String>> = BTreeMap::new();
    let mut paths = Vec::new();
    for mut atom in atoms {
        if atom.resources.is_empty() {
            paths.push(atom);
            continue;
        }
        let verbs = std::mem::take(&mut atom.verbs);
        by_place.entry(atom).or_default().extend(verbs);
    }
    let resources = by_place
        .into_iter()
        .map(|(place, verbs)| Rule { verbs, ..place });
    paths.into_iter().chain(resources).collect()
}
