//! What a call costs beside its arguments, and how large what it gives may be.

use kube_cel::cel::common::ast::IdedExpr;

use super::range::Range;
use super::{Argument, Estimate};

/// Share of a unit that looking at one character costs.
pub(super) const TEXT: f64 = 0.1;
/// Share of a unit that one character of a pattern costs.
pub(super) const PATTERN: f64 = 0.25;

/// A call whose arguments are known.
pub(super) struct Call<'a, 'e> {
    pub(super) expr: &'e IdedExpr,
    pub(super) name: &'a str,
    pub(super) target: Option<&'a Argument<'e>>,
    pub(super) arguments: &'a [Argument<'e>],
    /// What finding each argument costs.
    pub(super) costs: &'a [Range],
}

/// A cost, and the size of the result where that is known.
pub(super) type Found = (Range, Option<Range>);

impl Estimate<'_> {
    /// The cost of a call as one overload, with that of its arguments.
    pub(super) fn overload(&mut self, call: &Call<'_, '_>, overload: &str) -> Found {
        let arguments = call.costs.iter().fold(Range::exactly(0), |a, b| a.plus(*b));
        let own = self
            .lists(call, overload)
            .or_else(|| self.library(call, overload));
        if let Some((cost, size)) = own {
            return (cost.plus(arguments), size);
        }
        match (overload, call.costs) {
            ("logical_or" | "logical_and", [left, right]) => {
                let cost = Range {
                    min: left.min,
                    max: left.plus(*right).max,
                };
                return (cost, None);
            }
            ("conditional", [condition, yes, no]) => {
                let size = self.joined(call, 1, 2);
                return (condition.plus(yes.union(*no)), Some(size));
            }
            _ => {}
        }
        let (cost, size) = self
            .language(call, overload)
            .unwrap_or((Range::exactly(1), None));
        (cost.plus(arguments), size)
    }

    /// The size of two that may each be the result; their entries are joined too.
    fn joined(&mut self, call: &Call<'_, '_>, first: usize, second: usize) -> Range {
        let (first, second) = (&call.arguments[first], &call.arguments[second]);
        let entries = (self.entry(first.expr), self.entry(second.expr));
        if let (Some(a), Some(b)) = entries {
            self.entries.insert(call.expr.id, a.union(b));
        }
        size(first).union(size(second))
    }

    /// Operators and functions of the language itself.
    fn language(&mut self, call: &Call<'_, '_>, overload: &str) -> Option<Found> {
        let found = match (overload, call.target, call.arguments) {
            ("string_format", Some(target), _) => (size(target).scaled(TEXT), None),
            ("string_to_bytes", _, [text]) => {
                let text = size(text);
                // A character has four bytes at most; the product may wrap around, as it does there.
                let bytes = Range {
                    min: text.min,
                    max: text.max.wrapping_mul(4),
                };
                (text.scaled(TEXT), Some(bytes))
            }
            ("bytes_to_string", _, [bytes]) => {
                let bytes = size(bytes);
                let text = Range {
                    min: bytes.min / 4,
                    max: bytes.max,
                };
                (bytes.scaled(TEXT), Some(text))
            }
            ("strings_quote", _, [text]) => {
                let text = size(text);
                let quoted = Range {
                    min: text.min.wrapping_add(2),
                    max: text.max.wrapping_mul(2).wrapping_add(2),
                };
                (text.scaled(TEXT), Some(quoted))
            }
            ("starts_with_string" | "ends_with_string", _, [text]) => {
                (size(text).scaled(TEXT), None)
            }
            ("in_list", _, [_, list]) => (size(list).scaled(1.0), None),
            ("matches_string", Some(text), [pattern]) | ("matches", None, [text, pattern]) => {
                (matched(text, pattern), None)
            }
            ("contains_string", Some(text), [part]) => {
                let cost = size(text).scaled(TEXT).times(size(part).scaled(TEXT));
                (cost, None)
            }
            ("add_string" | "add_bytes", _, [left, right]) => {
                self.joined(call, 0, 1);
                let sum = size(left).plus(size(right));
                (sum.scaled(TEXT), Some(sum))
            }
            ("add_list", _, [left, right]) => {
                self.joined(call, 0, 1);
                let sum = size(left).plus(size(right));
                (Range::exactly(1), Some(sum))
            }
            (compared, _, [left, right]) if reads_both(compared) => {
                let most = size(left).max.min(size(right).max);
                let cost = Range {
                    min: most.min(1),
                    max: most,
                };
                (cost.scaled(TEXT), None)
            }
            _ => return None,
        };
        Some(found)
    }
}

/// The size of an argument as it was when it was reached.
fn size(argument: &Argument<'_>) -> Range {
    argument.size.unwrap_or(Range::UNKNOWN)
}

/// A pattern against a text; the empty text is not free.
fn matched(text: &Argument<'_>, pattern: &Argument<'_>) -> Range {
    let text = size(text).plus(Range::exactly(1)).scaled(TEXT);
    text.times(size(pattern).scaled(PATTERN))
}

/// Comparisons that may read all of both sides.
fn reads_both(overload: &str) -> bool {
    let ordered = ["less_", "less_equals_", "greater_", "greater_equals_"];
    let of = |kind: &str| {
        ordered
            .iter()
            .any(|order| overload.strip_prefix(order) == Some(kind))
    };
    matches!(overload, "equals" | "not_equals") || of("string") || of("bytes")
}
