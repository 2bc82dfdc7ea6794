//! MutatingAdmissionPolicy: expressions that say how an object is changed.

use cedge_kinds::read::Read;
use kube_cel::cel::objects::Value as CelValue;
use serde_json::Value;

use crate::conditions::{Conditions, Met};
use crate::rules::Matching;
use crate::scope::{Code, PER_POLICY, Scope, Sight, Stop, Variable, to_json};
use crate::validating;

/// A compiled policy.
#[derive(Debug, Clone)]
pub struct MutatingPolicy {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub matching: Matching,
    /// `apiVersion` and `kind` of its parameters, if it has any.
    pub param_kind: Option<(String, String)>,
    /// Whether what fails is let through.
    pub ignore_failures: bool,
    /// Whether it is asked again when somebody after it has changed the object.
    pub reinvoke: bool,
    conditions: Conditions,
    variables: Vec<Variable>,
    mutations: Vec<Mutation>,
}

#[derive(Debug, Clone)]
struct Mutation {
    applies: bool,
    code: Code,
}

/// How an object is to be changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Its fields are merged in, as server-side apply merges.
    Apply(Value),
    /// A JSON patch.
    Patch(Value),
}

// === impl MutatingPolicy ===

impl MutatingPolicy {
    /// Compiles a policy; what is wrong with an expression is told when it is run.
    #[must_use]
    pub fn compile(policy: &Value) -> Self {
        let spec = policy.field("spec");
        let mutations = spec.items("mutations").iter().map(|m| {
            let applies = m.text("patchType") == "ApplyConfiguration";
            let part = if applies {
                "applyConfiguration"
            } else {
                "jsonPatch"
            };
            Mutation {
                applies,
                code: Code::compile_maker(m.field(part).text("expression").trim()),
            }
        });
        Self {
            name: policy.at("metadata.name").as_str().unwrap_or("").to_owned(),
            matching: Matching::of_policy(spec.field("matchConstraints")),
            param_kind: validating::param_kind(spec),
            ignore_failures: spec.text("failurePolicy") == "Ignore",
            reinvoke: spec.text("reinvocationPolicy") == "IfNeeded",
            conditions: Conditions::compile(
                spec.items("matchConditions"),
                spec.text("failurePolicy"),
            ),
            variables: validating::variables(spec),
            mutations: mutations.collect(),
        }
    }

    /// Whether the policy is asked at all.
    #[must_use]
    pub fn met(&self, sight: &Sight<'_>) -> Met {
        self.conditions.met(sight, &self.variables)
    }

    /// How many changes it makes, one after the other.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mutations.len()
    }

    /// Whether it makes none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mutations.is_empty()
    }

    /// One of its changes, of the object as the ones before left it.
    ///
    /// # Errors
    /// Why there is no change to be made.
    pub fn change(&self, index: usize, sight: &Sight<'_>) -> Result<Option<Change>, Stop> {
        let Some(mutation) = self.mutations.get(index) else {
            return Ok(None);
        };
        let mut scope = Scope::new(sight, &self.variables, PER_POLICY);
        let value = scope.run(&mutation.code)?;
        let failed = |why: String| {
            Stop::Failed(format!(
                "expression '{}' resulted in error: {why}",
                mutation.code.text
            ))
        };
        let json = to_json(&value).map_err(failed)?;
        match (mutation.applies, &value) {
            (true, CelValue::Map(_)) => Ok(Some(Change::Apply(json))),
            (false, CelValue::List(items)) if items.is_empty() => Ok(None),
            (false, CelValue::List(_)) => Ok(Some(Change::Patch(json))),
            (true, other) => Err(failed(format!(
                "must evaluate to Object but got {}",
                other.type_of()
            ))),
            (false, other) => Err(failed(format!(
                "type mismatch: {} is not a list of JSONPatch",
                other.type_of()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "calls stay short")]
    fn change(mutation: Value, object: &Value) -> Result<Option<Change>, Stop> {
        let policy = json!({"spec": {"variables": [{"name": "three", "expression": "3"}], "mutations": [mutation]}});
        let sight = Sight {
            object: Some(object),
            ..Sight::default()
        };
        MutatingPolicy::compile(&policy).change(0, &sight)
    }

    #[test]
    fn an_applied_object_is_written_as_one() {
        let expression = "Object{metadata: Object.metadata{labels: {'a': object.spec.x}}, \
                          spec: Object.spec{replicas: variables.three}}";
        let mutation = json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}});
        let made = change(mutation, &json!({"spec": {"x": "y"}})).unwrap();
        let wanted = json!({"metadata": {"labels": {"a": "y"}}, "spec": {"replicas": 3}});
        assert_eq!(made, Some(Change::Apply(wanted)));
    }

    #[test]
    fn a_patch_is_a_list_of_steps() {
        let expression = "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: 'c'}]";
        let mutation = json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}});
        let made = change(mutation, &json!({})).unwrap();
        let wanted = json!([{"op": "add", "path": "/metadata/labels/a~1b", "value": "c"}]);
        assert_eq!(made, Some(Change::Patch(wanted)));
        let nothing = json!({"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}});
        assert_eq!(change(nothing, &json!({})), Ok(None));
    }

    #[test]
    fn what_is_no_change_is_an_error() {
        let mutation = json!({"patchType": "JSONPatch", "jsonPatch": {"expression": "'a'"}});
        assert!(change(mutation, &json!({})).is_err());
    }
}
