//! `matchConditions`: expressions that must all hold before a webhook or policy is asked at all.

use cedge_kinds::read::Read;
use kube_cel::cel::objects::Value as CelValue;
use serde_json::Value;

use crate::scope::{Code, PER_CONDITIONS, Scope, Sight, Stop, Variable};

/// Compiled conditions.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    conditions: Vec<Code>,
    /// Whether one that fails counts as not met.
    ignore_failures: bool,
}

/// Whether conditions are met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// All of them.
    Yes,
    /// One does not hold.
    No,
    /// It cannot be said, and the failure policy is to fail.
    Unknown(String),
}

// === impl Conditions ===

impl Conditions {
    /// Compiles `matchConditions` of something with that `failurePolicy`.
    #[must_use]
    pub fn compile(conditions: &[Value], failure_policy: &str) -> Self {
        let conditions = conditions
            .iter()
            .map(|c| Code::compile(c.text("expression")));
        Self {
            conditions: conditions.collect(),
            ignore_failures: failure_policy == "Ignore",
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether they are met. Their variables are the policy's, if they are a policy's.
    #[must_use]
    pub fn met(&self, sight: &Sight<'_>, variables: &[Variable]) -> Met {
        if self.conditions.is_empty() {
            return Met::Yes;
        }
        let mut scope = Scope::new(sight, variables, PER_CONDITIONS);
        let mut failures = Vec::new();
        for condition in &self.conditions {
            match scope.run(condition) {
                Ok(CelValue::Bool(true)) => {}
                Ok(CelValue::Bool(false)) => return Met::No,
                Ok(_) => failures.push(format!(
                    "expression '{}' must evaluate to bool",
                    condition.text
                )),
                Err(Stop::Failed(why)) => failures.push(why),
                Err(Stop::Budget(why)) => {
                    failures = vec![why];
                    break;
                }
            }
        }
        match failures.as_slice() {
            [] => Met::Yes,
            _ if self.ignore_failures => Met::No,
            [one] => Met::Unknown(one.clone()),
            several => Met::Unknown(format!("[{}]", several.join(", "))),
        }
    }
}
