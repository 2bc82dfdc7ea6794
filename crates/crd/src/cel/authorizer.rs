//! The variable `authorizer` of admission expressions: questions of rights, put together step by step and answered by
//! whoever knows.

use std::fmt;
use std::sync::Arc;

use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::{Opaque, Value as CelValue};
use kube_cel::cel::{Context, ExecutionError};

/// Answers questions of rights.
pub trait Authorizer: Send + Sync {
    /// Whether the user of the request, or the service account that the question names, may.
    fn decide(&self, question: &Question) -> Answer;
}

/// What somebody wants to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// Namespace and name of the service account that is asked about instead of the request's user.
    pub service_account: Option<(String, String)>,
    /// A path that is no resource.
    pub path: Option<String>,
    /// API group.
    pub group: String,
    /// Plural name.
    pub resource: String,
    /// Part of the resource; may be empty.
    pub subresource: String,
    /// Namespace; may be empty.
    pub namespace: String,
    /// Name; may be empty.
    pub name: String,
    /// The verb.
    pub verb: String,
}

/// Whether they may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether they may.
    pub allowed: bool,
    /// Why, in words; may be empty.
    pub reason: String,
    /// Why it could not be decided.
    pub error: Option<String>,
}

/// A question that is being put together.
struct Asking {
    question: Question,
    stage: Stage,
    by: Arc<dyn Authorizer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Authorizer,
    Path,
    Group,
    Resource,
    Decision(Answer),
}

/// The variable `authorizer`.
#[must_use]
pub fn authorizer(by: Arc<dyn Authorizer>) -> CelValue {
    asking(Question::default(), Stage::Authorizer, by)
}

/// The variable `authorizer.requestResource`: a question that lacks its verb only.
#[must_use]
pub fn resource_check(question: Question, by: Arc<dyn Authorizer>) -> CelValue {
    asking(question, Stage::Resource, by)
}

fn asking(question: Question, stage: Stage, by: Arc<dyn Authorizer>) -> CelValue {
    CelValue::Opaque(Arc::new(Asking {
        question,
        stage,
        by,
    }))
}

// === impl Asking ===

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.stage)
    }
}

impl PartialEq for Asking {
    fn eq(&self, other: &Self) -> bool {
        self.question == other.question && self.stage == other.stage
    }
}

impl Eq for Asking {}

impl Opaque for Asking {
    fn runtime_type_name(&self) -> &'static str {
        match self.stage {
            Stage::Authorizer => "kubernetes.authorization.Authorizer",
            Stage::Path => "kubernetes.authorization.PathCheck",
            Stage::Group => "kubernetes.authorization.GroupCheck",
            Stage::Resource => "kubernetes.authorization.ResourceCheck",
            Stage::Decision(_) => "kubernetes.authorization.Decision",
        }
    }
}

type Made = Result<CelValue, ExecutionError>;

/// The next form of a question, if it is at the stage where this can be said.
fn next(this: &CelValue, wanted: &Stage, change: impl FnOnce(&mut Question) -> Stage) -> Made {
    let CelValue::Opaque(opaque) = this else {
        return Err(ExecutionError::NoSuchOverload);
    };
    match opaque.downcast_ref::<Asking>() {
        Some(asking) if asking.stage == *wanted => {
            let mut question = asking.question.clone();
            let stage = change(&mut question);
            Ok(self::asking(question, stage, asking.by.clone()))
        }
        _ => Err(ExecutionError::NoSuchOverload),
    }
}

fn decision(this: &CelValue) -> Result<Answer, ExecutionError> {
    if let CelValue::Opaque(opaque) = this
        && let Some(asking) = opaque.downcast_ref::<Asking>()
        && let Stage::Decision(answer) = &asking.stage
    {
        return Ok(answer.clone());
    }
    Err(ExecutionError::NoSuchOverload)
}

#[expect(clippy::needless_pass_by_value, reason = "a function of an expression")]
fn check(This(this): This<CelValue>, verb: Arc<String>) -> Made {
    let CelValue::Opaque(opaque) = &this else {
        return Err(ExecutionError::NoSuchOverload);
    };
    let Some(asked) = opaque.downcast_ref::<Asking>() else {
        return Err(ExecutionError::NoSuchOverload);
    };
    if !matches!(asked.stage, Stage::Path | Stage::Resource) {
        return Err(ExecutionError::NoSuchOverload);
    }
    let mut question = asked.question.clone();
    question.verb = verb.as_ref().clone();
    let answer = asked.by.decide(&question);
    Ok(asking(question, Stage::Decision(answer), asked.by.clone()))
}

/// Adds the functions; they do nothing to any other value.
pub(super) fn register(context: &mut Context<'_>) {
    context.add_function("path", |This(this): This<CelValue>, path: Arc<String>| {
        next(&this, &Stage::Authorizer, |q| {
            q.path = Some(path.as_ref().clone());
            Stage::Path
        })
    });
    context.add_function("group", |This(this): This<CelValue>, group: Arc<String>| {
        next(&this, &Stage::Authorizer, |q| {
            q.group = group.as_ref().clone();
            Stage::Group
        })
    });
    context.add_function(
        "serviceAccount",
        |This(this): This<CelValue>, namespace: Arc<String>, name: Arc<String>| {
            next(&this, &Stage::Authorizer, |q| {
                q.service_account = Some((namespace.as_ref().clone(), name.as_ref().clone()));
                Stage::Authorizer
            })
        },
    );
    context.add_function(
        "resource",
        |This(this): This<CelValue>, name: Arc<String>| {
            next(&this, &Stage::Group, |q| {
                q.resource = name.as_ref().clone();
                Stage::Resource
            })
        },
    );
    let part = |set: fn(&mut Question, String)| {
        move |This(this): This<CelValue>, text: Arc<String>| {
            next(&this, &Stage::Resource, |q| {
                set(q, text.as_ref().clone());
                Stage::Resource
            })
        }
    };
    context.add_function("subresource", part(|q, text| q.subresource = text));
    context.add_function("namespace", part(|q, text| q.namespace = text));
    context.add_function("name", part(|q, text| q.name = text));
    // Selectors narrow nothing for an authorizer by roles.
    context.add_function("fieldSelector", part(|_, _| ()));
    context.add_function("labelSelector", part(|_, _| ()));
    context.add_function("check", check);
    context.add_function("allowed", |This(this): This<CelValue>| -> Made {
        Ok(CelValue::Bool(decision(&this)?.allowed))
    });
    context.add_function("reason", |This(this): This<CelValue>| -> Made {
        Ok(CelValue::String(Arc::new(decision(&this)?.reason)))
    });
    context.add_function("errored", |This(this): This<CelValue>| -> Made {
        Ok(CelValue::Bool(decision(&this)?.error.is_some()))
    });
    context.add_function("error", |This(this): This<CelValue>| -> Made {
        let error = decision(&this)?.error.unwrap_or_default();
        Ok(CelValue::String(Arc::new(error)))
    });
}
