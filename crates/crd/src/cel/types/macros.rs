//! Macros that the parser leaves as calls, written out for the checker and the interpreter: `optMap`, `sortBy`, loops over two variables.

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr,
};

use crate::cel::expression::{children, children_mut};
use crate::cel::{loops, standard};

/// The name of what a loop gathers, as the parser calls it.
const RESULT: &str = "@result";
/// The variable of a loop that has none.
const UNUSED: &str = "#unused";
/// The variable of a loop over entries.
const ENTRY: &str = "@entry";
const SORTED: &str = "@__sortBy_input__";
/// Parts of an expression beyond which macros stay as they are: `optMap` doubles what it is called on, so a chain of
/// them would grow without end.
const PARTS_MAX: u64 = 20_000;

/// The expression without macros, each part with a number of its own.
pub(crate) fn expanded(expr: &IdedExpr) -> IdedExpr {
    Maker::make_of(expr, true)
}

/// The expression without macros, each loop over one variable only: that is what the interpreter runs.
pub(crate) fn runnable(expr: &IdedExpr) -> IdedExpr {
    Maker::make_of(expr, false)
}

fn greatest(expr: &IdedExpr) -> u64 {
    let below = children(expr).into_iter().map(greatest);
    below.fold(expr.id, u64::max)
}

struct Maker {
    last: u64,
    /// Whether loops may have two variables.
    two: bool,
}

impl Maker {
    fn make_of(expr: &IdedExpr, two: bool) -> IdedExpr {
        let mut made = expr.clone();
        let mut maker = Self {
            last: greatest(&made),
            two,
        };
        maker.walk(&mut made);
        made
    }

    fn walk(&mut self, expr: &mut IdedExpr) {
        if expr.id == 0 {
            self.last += 1;
            expr.id = self.last;
        }
        for child in children_mut(expr) {
            self.walk(child);
        }
        if let Expr::Call(call) = &mut expr.expr
            && call.target.is_some()
            && let Some(written_out) = self.macro_of(call)
        {
            // The place of a macro is that of its call.
            expr.expr = written_out.expr;
        }
        if !self.two {
            self.complete(expr);
        }
    }

    /// Puts what the interpreter lacks around calls whose function it has in part.
    fn complete(&mut self, expr: &mut IdedExpr) {
        let Expr::Call(call) = &mut expr.expr else {
            return;
        };
        match (
            call.func_name.as_str(),
            call.target.as_deref(),
            call.args.as_mut_slice(),
        ) {
            // The interpreter's own finds an error where nothing is.
            ("_?._", None, [_, _]) => "_[?_]".clone_into(&mut call.func_name),
            ("string", None, [arg]) => {
                *arg = self.call(standard::WRITTEN, vec![std::mem::take(arg)]);
            }
            ("int", None, [arg]) => {
                *arg = self.call(standard::COUNTED, vec![std::mem::take(arg)]);
            }
            ("named", Some(target), [_]) if name_of(target).as_deref() == Some("format") => {
                *expr = self.call(standard::PERHAPS, vec![std::mem::take(expr)]);
            }
            _ => {}
        }
    }

    fn macro_of(&mut self, call: &mut CallExpr) -> Option<IdedExpr> {
        if self.last > PARTS_MAX {
            return None;
        }
        let (name, count) = (call.func_name.as_str(), call.args.len());
        let first = name_of(call.args.first()?)?;
        match (name, count) {
            ("optMap" | "optFlatMap", 2) => {
                let flat = name == "optFlatMap";
                let target = call.target.take()?;
                Some(self.if_there(*target, first, call.args.pop()?, flat))
            }
            ("sortBy", 2) => {
                let target = call.target.take()?;
                Some(self.sort_by(*target, first, call.args.pop()?))
            }
            ("all" | "exists" | "existsOne" | "exists_one", 3)
            | ("transformList" | "transformMap" | "transformMapEntry", 3 | 4) => {
                let second = name_of(call.args.get(1)?)?;
                let body = call.args.pop()?;
                let filter = (count == 4).then(|| call.args.pop()).flatten();
                let (init, condition, step, result) = self.loop_of(name, &first, body, filter);
                let loop_ = ComprehensionExpr {
                    iter_range: *call.target.take()?,
                    iter_var: first,
                    iter_var2: Some(second),
                    accu_var: RESULT.to_owned(),
                    accu_init: init,
                    loop_cond: condition,
                    loop_step: step,
                    result,
                };
                let loop_ = if self.two {
                    loop_
                } else {
                    self.over_entries(loop_)
                };
                Some(self.make(Expr::Comprehension(Box::new(loop_))))
            }
            _ => None,
        }
    }

    /// `target.hasValue() ? optional.of(body with the value) : optional.none()`.
    fn if_there(&mut self, target: IdedExpr, name: String, body: IdedExpr, flat: bool) -> IdedExpr {
        let mut again = target.clone();
        self.renumber(&mut again);
        let there = self.member("hasValue", target, Vec::new());
        let value = self.member("value", again, Vec::new());
        let mut some = self.bind(name, value, body);
        if !flat {
            some = self.call("optional.of", vec![some]);
        }
        let none = self.call("optional.none", Vec::new());
        self.call("_?_:_", vec![there, some, none])
    }

    fn sort_by(&mut self, target: IdedExpr, name: String, key: IdedExpr) -> IdedExpr {
        let result = self.result();
        let one = self.list(vec![key]);
        let step = self.call("_+_", vec![result, one]);
        let keys = ComprehensionExpr {
            iter_range: self.ident(SORTED),
            iter_var: name,
            iter_var2: None,
            accu_var: RESULT.to_owned(),
            accu_init: self.list(Vec::new()),
            loop_cond: self.flag(true),
            loop_step: step,
            result: self.result(),
        };
        let keys = self.make(Expr::Comprehension(Box::new(keys)));
        let input = self.ident(SORTED);
        let sorted = self.member(loops::SORT, input, vec![keys]);
        self.bind(SORTED.to_owned(), target, sorted)
    }

    /// What a loop over two variables begins with, goes on while, does, and gives.
    fn loop_of(
        &mut self,
        name: &str,
        key: &str,
        body: IdedExpr,
        filter: Option<IdedExpr>,
    ) -> (IdedExpr, IdedExpr, IdedExpr, IdedExpr) {
        let so_far = self.result();
        match name {
            "all" => {
                let checked = self.result();
                let condition = self.call("@not_strictly_false", vec![checked]);
                let step = self.call("_&&_", vec![so_far, body]);
                (self.flag(true), condition, step, self.result())
            }
            "exists" => {
                let found = self.result();
                let not = self.call("!_", vec![found]);
                let condition = self.call("@not_strictly_false", vec![not]);
                let step = self.call("_||_", vec![so_far, body]);
                (self.flag(false), condition, step, self.result())
            }
            "existsOne" | "exists_one" => {
                let one = self.int(1);
                let counted = self.call("_+_", vec![so_far, one]);
                let same = self.result();
                let step = self.call("_?_:_", vec![body, counted, same]);
                let (count, one) = (self.result(), self.int(1));
                let result = self.call("_==_", vec![count, one]);
                (self.int(0), self.flag(true), step, result)
            }
            _ => {
                let added = match name {
                    "transformList" => {
                        let one = self.list(vec![body]);
                        self.call("_+_", vec![so_far, one])
                    }
                    "transformMap" => {
                        let key = self.ident(key);
                        self.call(loops::INSERT, vec![so_far, key, body])
                    }
                    _ => self.call(loops::INSERT, vec![so_far, body]),
                };
                let step = match filter {
                    Some(filter) => {
                        let same = self.result();
                        self.call("_?_:_", vec![filter, added, same])
                    }
                    None => added,
                };
                let init = if name == "transformList" {
                    self.list(Vec::new())
                } else {
                    self.make(Expr::Map(MapExpr::default()))
                };
                (init, self.flag(true), step, self.result())
            }
        }
    }

    /// The loop over the entries of what it was over, its variables names for the parts of each.
    fn over_entries(&mut self, mut loop_: ComprehensionExpr) -> ComprehensionExpr {
        let second = loop_.iter_var2.take().unwrap_or_default();
        let first = std::mem::replace(&mut loop_.iter_var, ENTRY.to_owned());
        loop_.iter_range = self.call(loops::ENTRIES, vec![loop_.iter_range]);
        let [key, value] = [0, 1].map(|at| {
            let (entry, at) = (self.ident(ENTRY), self.int(at));
            self.call("_[_]", vec![entry, at])
        });
        let step = self.bind(second, value, loop_.loop_step);
        loop_.loop_step = self.bind(first, key, step);
        loop_
    }

    /// A loop over nothing whose result is `body`, with a name for `value`.
    fn bind(&mut self, name: String, value: IdedExpr, body: IdedExpr) -> IdedExpr {
        let loop_ = ComprehensionExpr {
            iter_range: self.list(Vec::new()),
            iter_var: UNUSED.to_owned(),
            iter_var2: None,
            accu_init: value,
            loop_cond: self.flag(false),
            loop_step: self.ident(&name),
            accu_var: name,
            result: body,
        };
        self.make(Expr::Comprehension(Box::new(loop_)))
    }

    fn renumber(&mut self, expr: &mut IdedExpr) {
        self.last += 1;
        expr.id = self.last;
        for child in children_mut(expr) {
            self.renumber(child);
        }
    }

    fn make(&mut self, expr: Expr) -> IdedExpr {
        self.last += 1;
        IdedExpr {
            id: self.last,
            expr,
        }
    }

    fn call(&mut self, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
        self.make(Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: None,
            args,
        }))
    }

    fn member(&mut self, name: &str, target: IdedExpr, args: Vec<IdedExpr>) -> IdedExpr {
        self.make(Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: Some(Box::new(target)),
            args,
        }))
    }

    fn list(&mut self, elements: Vec<IdedExpr>) -> IdedExpr {
        self.make(Expr::List(ListExpr::new(elements)))
    }

    fn ident(&mut self, name: &str) -> IdedExpr {
        self.make(Expr::Ident(name.to_owned()))
    }

    fn result(&mut self) -> IdedExpr {
        self.ident(RESULT)
    }

    fn flag(&mut self, flag: bool) -> IdedExpr {
        self.make(Expr::Literal(LiteralValue::Boolean(flag.into())))
    }

    fn int(&mut self, number: i64) -> IdedExpr {
        self.make(Expr::Literal(LiteralValue::Int(number.into())))
    }
}

fn name_of(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Ident(name) => Some(name.clone()),
        _ => None,
    }
}
