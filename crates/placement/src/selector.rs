//! `meta/v1` `LabelSelector` over a cluster's labels.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::Labels;

/// Why a selector cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// An operator that does not exist.
    #[error(
        "matchExpressions[{index}].operator: {operator:?} is not one of \
         In, NotIn, Exists, DoesNotExist"
    )]
    Operator {
        /// Which expression.
        index: usize,
        /// What was written.
        operator: String,
    },
    /// `In` and `NotIn` need values, the others must not have any.
    #[error("matchExpressions[{index}].values: {operator} {}", demand(.wants))]
    Values {
        /// Which expression.
        index: usize,
        /// Its operator.
        operator: String,
        /// Whether values are wanted.
        wants: bool,
    },
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "as the derive of the error's text hands it over"
)]
fn demand(wants: &bool) -> &'static str {
    if *wants {
        "needs at least one"
    } else {
        "takes none"
    }
}

pub(crate) fn check(selector: &LabelSelector) -> Result<(), SelectorError> {
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let operator = expression.operator.clone();
        let wants = match operator.as_str() {
            "In" | "NotIn" => true,
            "Exists" | "DoesNotExist" => false,
            _ => return Err(SelectorError::Operator { index, operator }),
        };
        if expression.values.as_ref().is_some_and(|v| !v.is_empty()) != wants {
            return Err(SelectorError::Values {
                index,
                operator,
                wants,
            });
        }
    }
    Ok(())
}

/// Whether `labels` are selected. An empty selector selects everything; one that cannot be evaluated nothing.
#[must_use]
pub fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    let equal = |(key, value): (&String, &String)| labels.get(key) == Some(value);
    check(selector).is_ok()
        && selector.match_labels.iter().flatten().all(equal)
        && selector
            .match_expressions
            .iter()
            .flatten()
            .all(|e| holds(e, labels))
}

fn holds(expression: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let have = labels.get(&expression.key);
    let within = have.is_some_and(|v| expression.values.iter().flatten().any(|x| x == v));
    match expression.operator.as_str() {
        "In" => within,
        "NotIn" => !within,
        "Exists" => have.is_some(),
        "DoesNotExist" => have.is_none(),
        _ => false,
    }
}
