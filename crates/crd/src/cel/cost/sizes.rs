//! How large the parts of an expression may be, and what the variables of loops stand for.

use kube_cel::cel::common::ast::{Expr, IdedExpr, LiteralValue};

use super::range::Range;
use super::trail::Trail;
use super::{Argument, Entry, Estimate, Local};
use crate::cel::types::Type;
use crate::cel::types::declared::Shape;

impl<'c> Estimate<'c> {
    pub(super) fn local(&self, name: &str) -> Option<&Local> {
        self.locals.get(name)?.last()
    }

    pub(super) fn push(&mut self, name: &'c str, local: Local) {
        self.locals.entry(name).or_default().push(local);
    }

    pub(super) fn pop(&mut self, name: &str) {
        if let Some(locals) = self.locals.get_mut(name) {
            locals.pop();
        }
    }

    pub(super) fn push_named(&mut self, name: &'c str, value: &IdedExpr) {
        let local = Local {
            trail: self.trail(value),
            entry: self.entry(value),
            size: self.size(value),
        };
        self.push(name, local);
    }

    pub(super) fn push_key(&mut self, name: &'c str, range: &IdedExpr) {
        let step = if self.is_list(range) {
            "@indices"
        } else {
            "@keys"
        };
        let local = Local {
            size: self.entry(range).map(|entry| entry.key),
            trail: self.trail(range).then(step),
            entry: None,
        };
        self.push(name, local);
    }

    pub(super) fn push_value(&mut self, name: &'c str, range: &IdedExpr) {
        let step = if self.is_list(range) {
            "@items"
        } else {
            "@values"
        };
        let local = Local {
            size: self.entry(range).map(|entry| entry.value),
            trail: self.trail(range).then(step),
            entry: None,
        };
        self.push(name, local);
    }

    pub(super) fn is_list(&self, range: &IdedExpr) -> bool {
        match self.entry(range) {
            Some(entry) => entry.is_list,
            None => matches!(self.checked.of(range), Type::List(_)),
        }
    }

    pub(super) fn trail(&self, expr: &IdedExpr) -> Trail {
        let local = match &expr.expr {
            Expr::Ident(name) => self.local(name).map(|local| local.trail.clone()),
            _ => None,
        };
        local
            .or_else(|| self.trails.get(&expr.id).cloned())
            .unwrap_or_default()
    }

    pub(super) fn argument<'e>(&mut self, expr: &'e IdedExpr) -> Argument<'e> {
        Argument {
            expr,
            trail: self.trail(expr),
            kind: self.checked.of(expr),
            size: self.size(expr),
        }
    }

    pub(super) fn copy_sizes(&mut self, to: &IdedExpr, from: &IdedExpr) {
        if let Some(size) = self.size(from) {
            self.sizes.insert(to.id, size);
        }
        if let Some(entry) = self.entry(from) {
            self.entries.insert(to.id, entry);
        }
    }

    /// What is known of a part's size, in this order: what was found before, what stands there, what the schema says,
    /// what its type says, what its variable was given.
    pub(super) fn size(&mut self, expr: &IdedExpr) -> Option<Range> {
        if let Some(size) = self.sizes.get(&expr.id) {
            return Some(*size);
        }
        if let Some(size) = written_size(expr) {
            return Some(size);
        }
        if let Some(size) = self.declared_size(&self.trail(expr)) {
            self.sizes.insert(expr.id, size);
            return Some(size);
        }
        if self.checked.of(expr).is_scalar() {
            return Some(Range::exactly(1));
        }
        match &expr.expr {
            Expr::Ident(name) => self.local(name)?.size,
            _ => None,
        }
    }

    pub(super) fn size_or_unknown(&mut self, expr: &IdedExpr) -> Range {
        self.size(expr).unwrap_or(Range::UNKNOWN)
    }

    /// What the schema says of the size of a value.
    pub(super) fn declared_size(&self, trail: &Trail) -> Option<Range> {
        let steps = trail.steps();
        steps.first()?;
        let mut at = self.root;
        for (i, step) in steps.iter().enumerate().skip(1) {
            at = match (&**step, &at.shape) {
                ("@items" | "@values", Shape::List(inner) | Shape::Map(inner)) => inner,
                // Keys are texts, of which the schema says nothing.
                ("@keys", Shape::Map(_)) => {
                    return (i + 1 == steps.len()).then(|| Range::up_to(0));
                }
                (name, _) => at.field(name)?,
            };
        }
        Some(Range::up_to(at.size_max))
    }

    pub(super) fn entry(&self, expr: &IdedExpr) -> Option<Entry> {
        if let Some(entry) = self.entries.get(&expr.id) {
            return Some(*entry);
        }
        match &expr.expr {
            Expr::Ident(name) => self.local(name)?.entry,
            _ => None,
        }
    }
}

/// The size of what is written out.
fn written_size(expr: &IdedExpr) -> Option<Range> {
    let size = match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => text.chars().count(),
        Expr::Literal(LiteralValue::Bytes(bytes)) => bytes.inner().len(),
        Expr::Literal(_) => 1,
        Expr::List(list) => list.elements.len(),
        Expr::Map(map) => map.entries.len(),
        _ => return None,
    };
    Some(Range::exactly(size as u64))
}
