//! ValidatingAdmissionPolicy: expressions that must hold.

use cedge_kinds::read::Read;
use kube_cel::cel::objects::Value as CelValue;
use serde_json::Value;

use crate::conditions::{Conditions, Met};
use crate::rules::Matching;
use crate::scope::{Code, PER_POLICY, Scope, Sight, Stop, Variable};

/// Longest message that an expression may make.
const MESSAGE_MAX: usize = 5 * 1024;
/// Longest value of an audit annotation; more is cut off.
const ANNOTATION_MAX: usize = 10 * 1024;

/// A compiled policy.
#[derive(Debug, Clone)]
pub struct ValidatingPolicy {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub matching: Matching,
    /// `apiVersion` and `kind` of its parameters, if it has any.
    pub param_kind: Option<(String, String)>,
    /// Whether what fails is let through.
    pub ignore_failures: bool,
    conditions: Conditions,
    variables: Vec<Variable>,
    validations: Vec<Validation>,
    annotations: Vec<(String, Code)>,
}

#[derive(Debug, Clone)]
struct Validation {
    code: Code,
    message: String,
    reason: String,
    message_code: Option<Code>,
}

/// What a policy says of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What does not hold.
    pub denials: Vec<Denial>,
    /// Key and value of what the audit log shall say.
    pub annotations: Vec<(String, String)>,
    /// Annotations that could not be made, if that is no reason to let the request through.
    pub annotation_errors: Vec<String>,
}

/// An expression that does not hold, or cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Its place among the validations.
    pub index: usize,
    /// What to say.
    pub message: String,
    /// The word for it: `Invalid`, `Forbidden`, `RequestEntityTooLarge`, `Unauthorized`; empty for a failure.
    pub reason: String,
}

// === impl ValidatingPolicy ===

impl ValidatingPolicy {
    /// Compiles a policy; what is wrong with an expression is told when it is run.
    #[must_use]
    pub fn compile(policy: &Value) -> Self {
        let spec = policy.field("spec");
        let validations = spec.items("validations").iter().map(|v| Validation {
            code: Code::compile(v.text("expression")),
            message: v.text("message").trim().to_owned(),
            reason: match v.text("reason") {
                "" => "Invalid".to_owned(),
                reason => reason.to_owned(),
            },
            message_code: Some(v.text("messageExpression"))
                .filter(|text| !text.trim().is_empty())
                .map(Code::compile),
        });
        let annotations = spec.items("auditAnnotations").iter().map(|a| {
            let code = Code::compile(a.text("valueExpression").trim());
            (a.text("key").to_owned(), code)
        });
        Self {
            name: policy.at("metadata.name").as_str().unwrap_or("").to_owned(),
            matching: Matching::of_policy(spec.field("matchConstraints")),
            param_kind: param_kind(spec),
            ignore_failures: spec.text("failurePolicy") == "Ignore",
            conditions: Conditions::compile(
                spec.items("matchConditions"),
                spec.text("failurePolicy"),
            ),
            variables: variables(spec),
            validations: validations.collect(),
            annotations: annotations.collect(),
        }
    }

    /// What the policy says of what is to be seen.
    #[must_use]
    pub fn judge(&self, sight: &Sight<'_>) -> Verdict {
        match self.conditions.met(sight, &self.variables) {
            Met::Yes => {}
            Met::No => return Verdict::default(),
            Met::Unknown(why) => return self.failure(why),
        }
        let mut scope = Scope::new(sight, &self.variables, PER_POLICY);
        let mut verdict = Verdict::default();
        for (index, validation) in self.validations.iter().enumerate() {
            let (message, reason) = match scope.run(&validation.code) {
                Ok(CelValue::Bool(true)) => continue,
                Ok(CelValue::Bool(false)) => {
                    let message = validation.message(&mut scope);
                    (message, validation.reason.clone())
                }
                Ok(_) | Err(Stop::Failed(_)) if self.ignore_failures => continue,
                Ok(other) => (not_a_bool(&validation.code.text, &other), String::new()),
                Err(Stop::Failed(why)) => (why, String::new()),
                Err(Stop::Budget(why)) => return self.failure(why),
            };
            verdict.denials.push(Denial {
                index,
                message,
                reason,
            });
        }
        self.annotate(&mut scope, &mut verdict);
        verdict
    }

    fn failure(&self, message: String) -> Verdict {
        let denial = Denial {
            index: 0,
            message,
            reason: String::new(),
        };
        Verdict {
            denials: if self.ignore_failures {
                Vec::new()
            } else {
                vec![denial]
            },
            ..Verdict::default()
        }
    }

    fn annotate(&self, scope: &mut Scope<'_>, verdict: &mut Verdict) {
        for (key, code) in &self.annotations {
            match scope.run(code) {
                Ok(CelValue::String(text)) => {
                    let text = text.trim();
                    if !text.is_empty() {
                        let cut = text.floor_char_boundary(ANNOTATION_MAX);
                        let value = text[..cut].to_owned();
                        verdict.annotations.push((key.clone(), value));
                    }
                }
                Ok(CelValue::Null) => {}
                Ok(other) => verdict.annotation_errors.push(format!(
                    "valueExpression '{}' resulted in unsupported return type: {}. Return type must be either string or \
                     null.",
                    code.text,
                    other.type_of()
                )),
                Err(_) if self.ignore_failures => {}
                Err(why) => verdict.annotation_errors.push(why.text().to_owned()),
            }
        }
    }
}

// === impl Validation ===

impl Validation {
    /// What to say of it: what an expression makes of it, what is written, or the expression itself.
    fn message(&self, scope: &mut Scope<'_>) -> String {
        if let Some(code) = &self.message_code
            && let Ok(CelValue::String(text)) = scope.run(code)
        {
            let text = text.trim();
            if !text.is_empty() && text.len() <= MESSAGE_MAX && !text.contains('\n') {
                return text.to_owned();
            }
        }
        if self.message.is_empty() {
            format!("failed expression: {}", self.code.text.trim())
        } else {
            self.message.clone()
        }
    }
}

/// What is said of a result that is neither true nor false. A field of something that has none comes as a function.
fn not_a_bool(text: &str, result: &CelValue) -> String {
    let why = match result {
        CelValue::Function(name, _) => format!("no such key: {name}"),
        _ => "no such overload".to_owned(),
    };
    format!("expression '{text}' resulted in error: {why}")
}

/// The variables of a policy.
pub(crate) fn variables(spec: &Value) -> Vec<Variable> {
    let variables = spec.items("variables").iter().map(|v| Variable {
        name: v.text("name").to_owned(),
        code: Code::compile(v.text("expression")),
    });
    variables.collect()
}

/// The kind of a policy's parameters.
pub(crate) fn param_kind(spec: &Value) -> Option<(String, String)> {
    let kind = spec.field("paramKind");
    let pair = (
        kind.text("apiVersion").to_owned(),
        kind.text("kind").to_owned(),
    );
    kind.is_object().then_some(pair)
}

#[cfg(test)]
mod tests;
