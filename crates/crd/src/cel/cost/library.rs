//! What the functions of Kubernetes' own libraries cost.

use kube_cel::cel::common::ast::{Expr, IdedExpr, LiteralValue};

use super::calls::{Call, Found, PATTERN, TEXT};
use super::range::{Range, scaled};
use super::trail::Trail;
use super::{Argument, Estimate, LIST_COST};
use crate::cel::types::Type;

/// Length that the patterns of named formats are taken for.
const NAMED_PATTERN: f64 = 128.0;

/// A question to the authorizer: dear enough for two in a rule.
const CHECK_COST: u64 = 350_000;

/// What one requirement of a selector costs, and how many characters it takes at least.
const REQUIREMENT: (f64, f64) = (50.0, 0.5);

impl Estimate<'_> {
    /// Functions of the libraries, by their names.
    pub(super) fn library(&self, call: &Call<'_, '_>, overload: &str) -> Option<Found> {
        let found = match (call.name, call.target, call.arguments) {
            ("check", ..) => (Range::exactly(CHECK_COST), None),
            ("fieldSelector" | "labelSelector", _, [selector]) => {
                let length = self.measured(selector);
                let requirements = length.scaled(REQUIREMENT.1).scaled(REQUIREMENT.0);
                let cost = Range::exactly(LIST_COST).plus(length.scaled(TEXT));
                (cost.plus(requirements), None)
            }
            (
                "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes",
                Some(target),
                _,
            ) => (self.scanned(target), None),
            ("url", _, [text]) => {
                let size = self.measured(text);
                (size.scaled(TEXT), Some(size))
            }
            ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(text), _) => {
                let size = self.measured(text);
                (size.scaled(TEXT), Some(size))
            }
            ("replace", Some(text), [from, to, ..]) => {
                let text = self.measured(text);
                let result = replaced(text, self.measured(from), self.measured(to));
                (text.scaled(2.0 * TEXT), Some(result))
            }
            ("split", Some(text), arguments) => {
                let text = self.measured(text);
                let parts = arguments.get(1).and_then(|most| literal(most.expr));
                #[expect(
                    clippy::cast_sign_loss,
                    reason = "a negative number is very many, as there"
                )]
                let most = parts.map_or(text.max, |n| n as u64);
                (text.scaled(2.0 * TEXT), Some(Range::up_to(most)))
            }
            ("join", Some(list), arguments) => {
                let size = self.joined_texts(list, arguments.first());
                (size.scaled(TEXT), Some(size))
            }
            ("find" | "findAll", Some(text), [pattern, ..]) => {
                let text = self.measured(text);
                let cost = text.plus(Range::exactly(1)).scaled(TEXT);
                let cost = cost.times(self.measured(pattern).scaled(PATTERN));
                (cost, Some(Range::up_to(text.max)))
            }
            ("ip", ..) if overload == "cidr_ip" => (Range::exactly(1), None),
            (
                "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver"
                | "isSemver",
                _,
                [text, ..],
            ) => (self.measured(text).scaled(TEXT), None),
            ("ip.isCanonical", _, [text]) => (self.measured(text).scaled(2.0 * TEXT), None),
            ("containsIP" | "containsCIDR", _, [other]) => {
                (self.contained(call.name, overload, other), None)
            }
            ("validate", _, [text]) => {
                let cost = self.measured(text).scaled(TEXT);
                (cost.scaled(NAMED_PATTERN * PATTERN), None)
            }
            ("_==_", _, [left, right]) => (equality(left, right)?, None),
            (name, ..) if costs_one(name) => (Range::exactly(1), None),
            _ => return None,
        };
        Some(found)
    }

    /// Functions that make lists, and those of sets.
    pub(super) fn lists(&self, call: &Call<'_, '_>, overload: &str) -> Option<Found> {
        let (factor, size) = match (overload, call.target, call.arguments) {
            (
                "list_sets_contains_list"
                | "list_sets_intersects_list"
                | "list_sets_equivalent_list",
                _,
                [a, b],
            ) => {
                let factor = if overload == "list_sets_equivalent_list" {
                    2.0
                } else {
                    1.0
                };
                let cost = self.measured(a).times(self.measured(b)).scaled(factor);
                return Some((cost.plus(Range::exactly(1)), None));
            }
            ("list_slice", Some(list), [start, end]) => {
                let end = number(end, self.measured(list).max);
                (1.0, Range::exactly(end.wrapping_sub(number(start, 0))))
            }
            ("lists_range", _, [count]) => (1.0, Range::exactly(number(count, u64::MAX))),
            ("list_reverse", Some(list), _) => (1.0, self.measured(list)),
            ("list_flatten", Some(list), _) => (1.0, self.measured(list)),
            ("list_flatten_int", Some(list), [depth]) => {
                #[expect(clippy::cast_precision_loss, reason = "a factor, as there")]
                let depth = number(depth, u64::MAX) as f64;
                (depth, self.measured(list))
            }
            ("list_distinct", Some(list), _) => {
                let size = self.measured(list);
                (2.0, size.times(size))
            }
            (sort, Some(list), _) if sort.starts_with("list_") && sort.ends_with("_sort") => {
                let size = self.measured(list);
                (sort_factor(sort), size.times(size))
            }
            (sort, _, [keys]) if sort.ends_with("_sortByAssociatedKeys") => {
                let size = self.measured(keys);
                (sort_factor(sort), size.times(size))
            }
            _ => return None,
        };
        let cost = size.scaled(factor).plus(Range::exactly(1 + LIST_COST));
        Some((cost, Some(size)))
    }

    /// The size of an argument, looked up once more if it was not known when it was reached.
    fn measured(&self, argument: &Argument<'_>) -> Range {
        argument
            .size
            .or_else(|| self.declared_size(&argument.trail))
            .unwrap_or(Range::UNKNOWN)
    }

    /// The size of a list's items, from the schema.
    fn item_size(&self, list: &Argument<'_>) -> Range {
        let trail = &list.trail;
        let item = if trail.steps().is_empty() {
            Trail::default()
        } else {
            trail.apart().then("@items")
        };
        self.declared_size(&item).unwrap_or(Range::UNKNOWN)
    }

    /// Looking at every item of a list, or every character of a text.
    fn scanned(&self, target: &Argument<'_>) -> Range {
        let size = self.measured(target);
        let item = match &target.kind {
            Type::List(item) | Type::Optional(item) | Type::Kind(item) => Some(&**item),
            Type::Map(key, _) => Some(&**key),
            _ => None,
        };
        match item {
            Some(Type::Plain("string" | "bytes")) => {
                let each = self.item_size(target).scaled(TEXT);
                size.times(each.plus(Range::exactly(1)))
            }
            Some(_) => size.times(Range::exactly(1)),
            None => size.scaled(TEXT),
        }
    }

    fn joined_texts(&self, list: &Argument<'_>, separator: Option<&Argument<'_>>) -> Range {
        let count = self.measured(list);
        let texts = match &list.kind {
            Type::List(_) => count.times(self.item_size(list)),
            _ => Range::exactly(0),
        };
        let Some(separator) = separator else {
            return texts;
        };
        let between = Range {
            min: count.min.saturating_sub(1),
            max: count.max.saturating_sub(1),
        };
        texts.plus(self.measured(separator).times(between))
    }

    fn contained(&self, name: &str, overload: &str, other: &Argument<'_>) -> Range {
        // Addresses have 4 or 16 bytes.
        let bytes = Range { min: 4, max: 16 };
        let mut cost = bytes.plus(bytes).scaled(TEXT);
        if name == "containsCIDR" {
            cost = cost.plus(bytes.scaled(TEXT)).plus(Range::exactly(1));
        }
        if overload.ends_with("_string") {
            cost = cost.plus(self.measured(other).scaled(TEXT));
        }
        cost
    }
}

/// Equality of values of which Kubernetes knows what comparing them costs.
fn equality(left: &Argument<'_>, right: &Argument<'_>) -> Option<Range> {
    let Type::Plain(name) = left.kind else {
        return None;
    };
    if !left.kind.same(&right.kind) {
        return None;
    }
    match name {
        "kubernetes.NamedFormat" => Some(Range { min: 1, max: 64 }.scaled(TEXT)),
        "kubernetes.URL" => {
            let most = right.size.map_or(1, |size| size.max);
            Some(Range { min: 1, max: most }.scaled(TEXT))
        }
        "net.IP" | "net.CIDR" => Some(Range::exactly(1)),
        name if name.starts_with("kubernetes.") => Some(Range::exactly(1)),
        _ => None,
    }
}

/// Functions that look at next to nothing.
fn costs_one(name: &str) -> bool {
    const AUTHORIZER: &[&str] = &[
        "serviceAccount",
        "path",
        "group",
        "resource",
        "subresource",
        "namespace",
        "name",
        "allowed",
        "reason",
        "error",
        "errored",
    ];
    const ADDRESSES: &[&str] = &[
        "masked",
        "prefixLength",
        "family",
        "isUnspecified",
        "isLoopback",
        "isLinkLocalMulticast",
        "isLinkLocalUnicast",
        "isGlobalUnicast",
    ];
    const NUMBERS: &[&str] = &[
        "sign",
        "asInteger",
        "isInteger",
        "asApproximateFloat",
        "isGreaterThan",
        "isLessThan",
        "compareTo",
        "add",
        "sub",
        "major",
        "minor",
        "patch",
        "format.named",
    ];
    const URLS: &[&str] = &[
        "getScheme",
        "getHostname",
        "getHost",
        "getPort",
        "getEscapedPath",
        "getQuery",
    ];
    [AUTHORIZER, ADDRESSES, NUMBERS, URLS]
        .iter()
        .any(|names| names.contains(&name))
}

/// The size of a text in which `from` was replaced by `to` as often as can be.
fn replaced(text: Range, from: Range, to: Range) -> Range {
    let (mut count, mut kept) = (Range::exactly(0), Range::exactly(0));
    if from.min == 0 {
        // The empty text stands before and behind every character.
        count.max = text.max.saturating_add(1);
        kept.max = text.max;
    } else if to.max <= from.min {
        kept.max = text.max;
    } else {
        count.max = divided(text.max, from.min);
    }
    if from.max == 0 {
        count.min = text.min.saturating_add(1);
        kept.min = text.min;
    } else if from.max <= to.min {
        kept.min = text.min;
    } else {
        count.min = divided(text.min, from.max);
    }
    count.times(to).plus(kept)
}

#[expect(clippy::cast_precision_loss, reason = "as Kubernetes divides")]
fn divided(a: u64, b: u64) -> u64 {
    scaled(1, a as f64 / b as f64)
}

fn sort_factor(overload: &str) -> f64 {
    let texts = overload.starts_with("list_string_") || overload.starts_with("list_bytes_");
    if texts { 2.0 + TEXT } else { 2.0 }
}

/// A whole number that is written out.
fn literal(expr: &IdedExpr) -> Option<i64> {
    match &expr.expr {
        Expr::Literal(LiteralValue::Int(number)) => Some(*number.inner()),
        _ => None,
    }
}

/// A whole number that is written out, at least zero; else the other one.
fn number(argument: &Argument<'_>, otherwise: u64) -> u64 {
    literal(argument.expr).map_or(otherwise, |n| u64::try_from(n).unwrap_or(0))
}
