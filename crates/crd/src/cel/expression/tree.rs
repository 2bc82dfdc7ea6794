//! Walks over the tree of an expression, and what is put into it so that it runs as it should.

use kube_cel::cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use super::TICK;

/// The expressions directly below one.
pub fn children(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Call(call) => call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect(),
        Expr::Comprehension(c) => {
            vec![
                &c.iter_range,
                &c.accu_init,
                &c.loop_cond,
                &c.loop_step,
                &c.result,
            ]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => {
            let both = map.entries.iter().flat_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(e) => vec![&e.key, &e.value],
                EntryExpr::StructField(f) => vec![&f.value],
            });
            both.collect()
        }
        Expr::Select(select) => vec![&select.operand],
        Expr::Struct(_) | Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}

/// As [`children`], to be changed.
pub(crate) fn children_mut(expr: &mut IdedExpr) -> Vec<&mut IdedExpr> {
    match &mut expr.expr {
        Expr::Call(call) => call
            .target
            .as_deref_mut()
            .into_iter()
            .chain(&mut call.args)
            .collect(),
        Expr::Comprehension(c) => vec![
            &mut c.iter_range,
            &mut c.accu_init,
            &mut c.loop_cond,
            &mut c.loop_step,
            &mut c.result,
        ],
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Map(map) => {
            let both = map
                .entries
                .iter_mut()
                .flat_map(|entry| match &mut entry.expr {
                    EntryExpr::MapEntry(e) => vec![&mut e.key, &mut e.value],
                    EntryExpr::StructField(f) => vec![&mut f.value],
                });
            both.collect()
        }
        Expr::Select(select) => vec![&mut select.operand],
        Expr::Struct(_) | Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}

pub(super) fn depth(expr: &IdedExpr) -> usize {
    1 + children(expr).into_iter().map(depth).max().unwrap_or(0)
}

fn count(expr: &IdedExpr) -> i64 {
    1 + children(expr).into_iter().map(count).sum::<i64>()
}

/// Calls that read a whole text or list.
fn reads(expr: &IdedExpr) -> i64 {
    let own = match &expr.expr {
        Expr::Call(call) => {
            i64::from(!call.func_name.starts_with("_&&_") && !call.func_name.starts_with("_||_"))
        }
        _ => 0,
    };
    own + children(expr).into_iter().map(reads).sum::<i64>()
}

/// Puts a payment before the condition of every loop.
pub(super) fn meter(expr: &mut IdedExpr) {
    if let Expr::Comprehension(c) = &mut expr.expr {
        let nodes = count(&c.loop_cond) + count(&c.loop_step);
        let texts = reads(&c.loop_step);
        let condition = std::mem::take(&mut c.loop_cond);
        c.loop_cond = call(
            "_&&_",
            vec![call(TICK, vec![int(nodes), int(texts)]), condition],
        );
    }
    for child in children_mut(expr) {
        meter(child);
    }
}

/// A field of something that has no fields is an error, as in Kubernetes; the interpreter's own selection gives `false`
/// there, which a negation makes true.
pub(super) fn select_strictly(expr: &mut IdedExpr) {
    for child in children_mut(expr) {
        select_strictly(child);
    }
    if let Expr::Select(select) = &mut expr.expr
        && !select.test
    {
        let name = LiteralValue::String(std::mem::take(&mut select.field).into());
        let key = IdedExpr {
            id: 0,
            expr: Expr::Literal(name),
        };
        let operand = std::mem::take(select.operand.as_mut());
        *expr = call("_[_]", vec![operand, key]);
    }
}

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    let call = CallExpr {
        func_name: name.to_owned(),
        target: None,
        args,
    };
    IdedExpr {
        id: 0,
        expr: Expr::Call(call),
    }
}

fn int(value: i64) -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Literal(LiteralValue::Int(value.into())),
    }
}
