//! Conditions in a status: the same rules for every kind that has them.

use k8s_openapi::api::apps::v1::{DeploymentCondition, ReplicaSetCondition};
use k8s_openapi::api::batch::v1::JobCondition;

/// A condition of any kind.
pub(crate) trait Condition {
    fn kind(&self) -> &str;
    fn status(&self) -> &str;
    fn reason(&self) -> &str;
}

// Kinds of apps have their words optional, those of batch do not.
macro_rules! condition {
    ($kind:ty, $word:ident) => {
        impl Condition for $kind {
            fn kind(&self) -> &str {
                $word(&self.type_)
            }
            fn status(&self) -> &str {
                $word(&self.status)
            }
            fn reason(&self) -> &str {
                self.reason.as_deref().unwrap_or("")
            }
        }
    };
}

condition!(ReplicaSetCondition, optional);
condition!(DeploymentCondition, optional);
condition!(JobCondition, required);

fn optional(word: &Option<String>) -> &str {
    word.as_deref().unwrap_or("")
}

fn required(word: &str) -> &str {
    word
}

/// The condition of this type.
pub(crate) fn find<'a, C: Condition>(conditions: Option<&'a Vec<C>>, kind: &str) -> Option<&'a C> {
    conditions?.iter().find(|c| c.kind() == kind)
}

/// Whether the condition of this type is `True`.
pub(crate) fn is_true<C: Condition>(conditions: Option<&Vec<C>>, kind: &str) -> bool {
    find(conditions, kind).is_some_and(|c| c.status() == "True")
}

/// Takes a condition out.
pub(crate) fn remove<C: Condition>(conditions: &mut Option<Vec<C>>, kind: &str) {
    if let Some(list) = conditions {
        list.retain(|c| c.kind() != kind);
        if list.is_empty() {
            *conditions = None;
        }
    }
}

/// Sets a condition, at the end of the list as Kubernetes does; one of the same status and reason stays as it is.
pub(crate) fn set<C: Condition>(conditions: &mut Option<Vec<C>>, condition: C) {
    let list = conditions.get_or_insert_default();
    let unchanged = list.iter().any(|c| {
        c.kind() == condition.kind()
            && c.status() == condition.status()
            && c.reason() == condition.reason()
    });
    if !unchanged {
        list.retain(|c| c.kind() != condition.kind());
        list.push(condition);
    }
}
