//! Where in its text each part of an expression stands: at its operator, its dot, its bracket, or its first sign.
//!
//! The parser keeps no places, but its tree has the order of the text; so the signs of the text are handed out along it.

use std::collections::HashMap;

use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr};

/// The places of the parts, as bytes from the start of the text.
pub(crate) fn places(text: &str, expr: &IdedExpr) -> HashMap<u64, usize> {
    let mut finder = Finder {
        signs: signs(text),
        next: 0,
        found: HashMap::new(),
    };
    finder.visit(expr);
    finder.found
}

/// A word, a number, a text in quotes, or an operator.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sign<'t> {
    at: usize,
    text: &'t str,
    quoted: bool,
}

const TWO: &[&str] = &["==", "!=", "<=", ">=", "&&", "||"];

fn signs(text: &str) -> Vec<Sign<'_>> {
    let mut signs = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (length, quoted) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if let Some(length) = quoted_length(rest) {
            (length, true)
        } else if first.is_alphanumeric() || first == '_' || first == '@' {
            let number = first.is_ascii_digit();
            let ends =
                |c: char| !(c.is_alphanumeric() || c == '_' || c == '@' || (number && c == '.'));
            (rest.find(ends).unwrap_or(rest.len()), false)
        } else if TWO.iter().any(|two| rest.starts_with(two)) {
            (2, false)
        } else {
            (first.len_utf8(), false)
        };
        signs.push(Sign {
            at,
            text: &rest[..length],
            quoted,
        });
        at += length;
    }
    signs
}

/// The length of the text in quotes with which `rest` begins, with what stands before the quotes.
fn quoted_length(rest: &str) -> Option<usize> {
    let open = rest.find(['"', '\''])?;
    let prefix = &rest[..open];
    if open > 2 || !prefix.chars().all(|c| matches!(c, 'r' | 'R' | 'b' | 'B')) {
        return None;
    }
    let raw = prefix.contains(['r', 'R']);
    let quote = rest.get(open..=open)?;
    let three = quote.repeat(3);
    let (quote, from) = if rest[open..].starts_with(&three) {
        (three.as_str(), open + 3)
    } else {
        (quote, open + 1)
    };
    let mut at = from;
    while at < rest.len() {
        let left = &rest[at..];
        if left.starts_with(quote) {
            return Some(at + quote.len());
        }
        let mut chars = left.chars();
        let first = chars.next()?;
        at += first.len_utf8();
        if first == '\\' && !raw {
            at += chars.next()?.len_utf8();
        }
    }
    Some(rest.len())
}

struct Finder<'t> {
    signs: Vec<Sign<'t>>,
    next: usize,
    found: HashMap<u64, usize>,
}

impl Finder<'_> {
    /// The next sign of this kind; everything before it is passed.
    fn until(&mut self, is: impl Fn(&Sign<'_>) -> bool) -> Option<usize> {
        let ahead = self.signs.get(self.next..)?;
        let steps = ahead.iter().position(is)?;
        let at = ahead[steps].at;
        self.next += steps + 1;
        Some(at)
    }

    fn place(&mut self, id: u64, at: Option<usize>) {
        if let Some(at) = at {
            self.found.insert(id, at);
        }
    }

    fn sign(&mut self, id: u64, text: &str) {
        let at = self.until(|sign| !sign.quoted && sign.text == text);
        self.place(id, at);
    }

    fn visit(&mut self, expr: &IdedExpr) {
        match &expr.expr {
            Expr::Ident(name) => self.sign(expr.id, name.split('.').next().unwrap_or(name)),
            Expr::Literal(_) => {
                let at = self.until(|sign| {
                    sign.quoted || sign.text.starts_with(|c: char| c.is_alphanumeric())
                });
                self.place(expr.id, at);
            }
            Expr::Select(select) if select.test => {
                self.sign(expr.id, "(");
                self.visit(&select.operand);
                self.until(|sign| sign.text == select.field);
            }
            Expr::Select(select) => {
                self.visit(&select.operand);
                self.sign(expr.id, ".");
                self.until(|sign| sign.text == select.field);
            }
            Expr::Call(call) => self.call(expr.id, call),
            Expr::List(list) => {
                self.sign(expr.id, "[");
                list.elements.iter().for_each(|element| self.visit(element));
            }
            Expr::Map(map) => {
                self.sign(expr.id, "{");
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.visit(&entry.key);
                        self.visit(&entry.value);
                    }
                }
            }
            Expr::Struct(_) => self.sign(expr.id, "{"),
            Expr::Comprehension(loop_) => self.comprehension(expr.id, loop_),
            Expr::Unspecified => {}
        }
    }

    fn call(&mut self, id: u64, call: &CallExpr) {
        let operator = call.func_name.trim_matches('_');
        match (call.func_name.as_str(), call.args.as_slice()) {
            ("_?_:_", [condition, yes, no]) => {
                self.visit(condition);
                self.sign(id, "?");
                self.visit(yes);
                self.visit(no);
            }
            ("_[_]" | "_[?_]", [of, index]) => {
                self.visit(of);
                self.sign(id, "[");
                self.visit(index);
            }
            ("_?._", [of, _]) => {
                self.visit(of);
                self.sign(id, ".");
            }
            ("@in", [left, right]) => {
                self.visit(left);
                self.sign(id, "in");
                self.visit(right);
            }
            (name, [left, right]) if name.starts_with('_') && call.target.is_none() => {
                self.visit(left);
                self.sign(id, operator);
                self.visit(right);
            }
            ("!_" | "-_", [one]) => {
                self.sign(id, operator);
                self.visit(one);
            }
            (name, arguments) => {
                if let Some(target) = call.target.as_deref() {
                    self.visit(target);
                }
                self.until(|sign| !sign.quoted && sign.text == name);
                self.sign(id, "(");
                arguments.iter().for_each(|argument| self.visit(argument));
            }
        }
    }

    /// A macro stands at its bracket, and so does all that it was made into.
    fn comprehension(&mut self, id: u64, loop_: &ComprehensionExpr) {
        self.visit(&loop_.iter_range);
        let at = self.until(|sign| sign.text == "(");
        self.place(id, at);
        self.until(|sign| sign.text == loop_.iter_var);
        let body = body_of(&loop_.loop_step);
        body.iter().for_each(|part| self.visit(part));
        self.place(loop_.loop_step.id, at);
        self.place(loop_.loop_cond.id, at);
    }
}

/// The parts of a loop's step that somebody wrote, in their order.
fn body_of(step: &IdedExpr) -> Vec<&IdedExpr> {
    let Expr::Call(call) = &step.expr else {
        return Vec::new();
    };
    match (call.func_name.as_str(), call.args.as_slice()) {
        ("_&&_" | "_||_", [_, body]) => vec![body],
        ("_?_:_", [filter, added, _]) => {
            let made = body_of(added)
                .into_iter()
                .filter(|part| part.id > filter.id);
            std::iter::once(filter).chain(made).collect()
        }
        ("_+_", [_, added]) => match &added.expr {
            Expr::List(list) => list.elements.iter().collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Mistakes as the compiler of Kubernetes shows them, in the order of their places.
pub(crate) fn shown(text: &str, expr: &IdedExpr, mistakes: &[(u64, String)]) -> String {
    let places = places(text, expr);
    let mut placed: Vec<(usize, &str)> = mistakes
        .iter()
        .map(|(id, message)| (places.get(id).copied().unwrap_or(0), message.as_str()))
        .collect();
    placed.sort_by_key(|(at, _)| *at);
    let lines: Vec<String> = placed
        .into_iter()
        .map(|(at, message)| crate::cel::check::located_at(text, at, message))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::Expression;

    fn check(text: &str, wanted: &str) {
        let expression = Expression::compile(text).unwrap();
        let mut places: Vec<usize> = places(text, expression.plain()).into_values().collect();
        places.sort_unstable();
        places.dedup();
        let mut shown = " ".repeat(text.len());
        for at in places {
            shown.replace_range(at..=at, "^");
        }
        assert_eq!(shown.trim_end(), wanted, "{text}");
    }

    #[test]
    fn each_part_stands_at_its_sign() {
        check("self.a + 'x + y' == 1", "^   ^  ^ ^       ^  ^");
        check(
            "self.l.all(x, x.n > 1) && (f(2) ? true : false)",
            "^   ^     ^   ^^  ^ ^  ^    ^^  ^ ^      ^",
        );
    }
}
