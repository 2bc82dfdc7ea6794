//! What an expression costs at worst, from its schema alone, before it ever runs.
//!
//! Kubernetes refuses a rule that could become too dear, in the units of its own interpreter; so the estimate here goes
//! by its rules and not by what our interpreter spends (for that there is a budget, see [`super`]). The sizes of texts,
//! lists and maps come from the limits of the schema, and where it has none, from what a request can hold.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr,
    SelectExpr,
};

use super::types::Type;
use super::types::checker::Checked;
use super::types::declared::Declared;

mod calls;
mod library;
mod range;
mod sizes;
mod trail;

use range::Range;
use trail::Trail;

const LIST_COST: u64 = 10;
const MAP_COST: u64 = 30;
const MESSAGE_COST: u64 = 40;

/// The most that a checked expression may cost where `self` is what `root` declares.
pub(crate) fn most(checked: &Checked, root: &Arc<Declared>) -> u64 {
    let mut estimate = Estimate {
        checked,
        root,
        trails: HashMap::new(),
        locals: HashMap::new(),
        sizes: HashMap::new(),
        entries: HashMap::new(),
    };
    estimate.cost(&checked.expr).max
}

/// What the entries of a list or map measure.
#[derive(Debug, Clone, Copy)]
struct Entry {
    is_list: bool,
    key: Range,
    value: Range,
}

impl Entry {
    fn union(self, other: Entry) -> Self {
        Self {
            is_list: self.is_list,
            key: self.key.union(other.key),
            value: self.value.union(other.value),
        }
    }
}

/// A variable of a loop.
#[derive(Clone)]
struct Local {
    trail: Trail,
    size: Option<Range>,
    entry: Option<Entry>,
}

/// One argument of a call, as it was when it was reached.
struct Argument<'e> {
    expr: &'e IdedExpr,
    trail: Trail,
    kind: Type,
    size: Option<Range>,
}

struct Estimate<'c> {
    checked: &'c Checked,
    root: &'c Arc<Declared>,
    /// Where in the schema the value of a part stands.
    trails: HashMap<u64, Trail>,
    locals: HashMap<&'c str, Vec<Local>>,
    sizes: HashMap<u64, Range>,
    entries: HashMap<u64, Entry>,
}

// === impl Estimate ===

impl<'c> Estimate<'c> {
    fn cost(&mut self, expr: &'c IdedExpr) -> Range {
        match &expr.expr {
            Expr::Literal(_) | Expr::Unspecified => Range::exactly(0),
            Expr::Ident(name) => self.ident(expr, name),
            Expr::Select(select) => self.select(expr, select),
            Expr::Call(call) => self.call(expr, call),
            Expr::List(list) => self.list(expr, list),
            Expr::Map(map) => self.map(expr, map),
            Expr::Struct(_) => Range::exactly(MESSAGE_COST),
            Expr::Comprehension(loop_) if is_binding(loop_) => self.binding(expr, loop_),
            Expr::Comprehension(loop_) => self.comprehension(expr, loop_),
        }
    }

    fn ident(&mut self, expr: &IdedExpr, name: &str) -> Range {
        let trail = match self.local(name) {
            Some(local) => local.trail.clone(),
            None => Trail::of(name),
        };
        self.trails.insert(expr.id, trail);
        Range::exactly(1)
    }

    fn select(&mut self, expr: &'c IdedExpr, select: &'c SelectExpr) -> Range {
        if self.checked.names.contains(&expr.id) {
            self.trails.insert(expr.id, Trail::of(&select.field));
            return Range::exactly(1);
        }
        let cost = self.cost(&select.operand);
        if select.test {
            return cost;
        }
        let trail = self.trail(&select.operand).then(&select.field);
        self.trails.insert(expr.id, trail);
        match self.checked.of(&select.operand) {
            Type::Map(..) | Type::Object(_) | Type::Parameter(_) => cost.plus(Range::exactly(1)),
            Type::Plain(name) if name.starts_with("kubernetes.") => cost.plus(Range::exactly(1)),
            _ => cost,
        }
    }

    fn call(&mut self, expr: &'c IdedExpr, call: &'c CallExpr) -> Range {
        if call.func_name == "dyn"
            && let [argument] = call.args.as_slice()
        {
            let cost = self.cost(argument);
            self.copy_sizes(expr, argument);
            return cost.plus(Range::exactly(1));
        }
        let mut costs = Vec::new();
        let mut arguments = Vec::new();
        for argument in &call.args {
            costs.push(self.cost(argument));
            arguments.push(self.argument(argument));
        }
        let checked = self.checked;
        let Some(overloads) = checked.overloads.get(&expr.id) else {
            return Range::exactly(0);
        };
        let mut cost = Range::exactly(0);
        let mut target = None;
        let name = match (checked.qualified.get(&expr.id), &call.target) {
            (None, Some(on)) => {
                cost = self.cost(on);
                target = Some(self.argument(on));
                call.func_name.as_str()
            }
            (Some(whole), _) => whole.as_str(),
            (None, None) => call.func_name.as_str(),
        };
        let call = calls::Call {
            expr,
            name,
            target: target.as_ref(),
            arguments: &arguments,
            costs: &costs,
        };
        cost.plus(self.overloads(&call, overloads))
    }

    /// The range over all overloads that a call may turn out to be.
    fn overloads(&mut self, call: &calls::Call<'_, 'c>, overloads: &[&'static str]) -> Range {
        let mut cost = Range::NONE;
        let mut size: Option<Range> = None;
        for overload in overloads {
            let (own, result) = self.overload(call, overload);
            cost = cost.union(own);
            size = match (size, result) {
                (Some(size), Some(result)) => Some(size.union(result)),
                (before, result) => before.or(result),
            };
            if let ("index_list" | "index_map", Some(first)) = (*overload, call.arguments.first()) {
                size = self.entry(first.expr).map(|entry| entry.value);
                let step = if *overload == "index_list" {
                    "@items"
                } else {
                    "@values"
                };
                let trail = self.trail(first.expr).then(step);
                self.trails.insert(call.expr.id, trail);
            }
            if size.is_none() {
                size = self.size(call.expr);
            }
        }
        if let Some(size) = size {
            self.sizes.insert(call.expr.id, size);
        }
        cost
    }

    fn list(&mut self, expr: &IdedExpr, list: &'c ListExpr) -> Range {
        let mut cost = Range::exactly(0);
        let mut value = Range::none_of(list.elements.is_empty());
        for element in &list.elements {
            cost = cost.plus(self.cost(element));
            value = value.union(self.size_or_unknown(element));
        }
        let entry = Entry {
            is_list: true,
            key: Range::exactly(1),
            value,
        };
        self.entries.insert(expr.id, entry);
        cost.plus(Range::exactly(LIST_COST))
    }

    fn map(&mut self, expr: &IdedExpr, map: &'c MapExpr) -> Range {
        let mut cost = Range::exactly(0);
        let mut key = Range::none_of(map.entries.is_empty());
        let mut value = key;
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                continue;
            };
            cost = cost.plus(self.cost(&entry.key));
            cost = cost.plus(self.cost(&entry.value));
            key = key.union(self.size_or_unknown(&entry.key));
            value = value.union(self.size_or_unknown(&entry.value));
        }
        let entry = Entry {
            is_list: false,
            key,
            value,
        };
        self.entries.insert(expr.id, entry);
        cost.plus(Range::exactly(MAP_COST))
    }

    fn comprehension(&mut self, expr: &'c IdedExpr, loop_: &'c ComprehensionExpr) -> Range {
        let (range, init) = (&loop_.iter_range, &loop_.accu_init);
        let mut cost = self.cost(range).plus(self.cost(init));
        self.push_named(&loop_.accu_var, init);
        match &loop_.iter_var2 {
            Some(second) => {
                self.push_key(&loop_.iter_var, range);
                self.push_value(second, range);
            }
            None if self.is_list(range) => self.push_value(&loop_.iter_var, range),
            None => self.push_key(&loop_.iter_var, range),
        }
        let turn = self.cost(&loop_.loop_cond);
        let turn = self.cost(&loop_.loop_step).plus(turn);
        self.pop(&loop_.iter_var);
        if let Some(second) = &loop_.iter_var2 {
            self.pop(second);
        }
        cost = cost.plus(self.cost(&loop_.result));
        self.pop(&loop_.accu_var);
        let turns = self.size_or_unknown(range);
        match &init.expr {
            Expr::Literal(_) => {
                if let Some(size) = self.size(init) {
                    self.sizes.insert(expr.id, size);
                }
            }
            Expr::List(_) | Expr::Map(_) => {
                self.sizes.insert(expr.id, turns);
                if let Some(entry) = self.entry(&loop_.loop_step) {
                    self.entries.insert(expr.id, entry);
                }
            }
            _ => {}
        }
        cost.plus(turns.times(turn))
    }

    /// A name for a value is no loop.
    fn binding(&mut self, expr: &IdedExpr, loop_: &'c ComprehensionExpr) -> Range {
        let cost = self.cost(&loop_.iter_range);
        let cost = cost.plus(self.cost(&loop_.accu_init));
        self.push_named(&loop_.accu_var, &loop_.accu_init);
        let cost = cost.plus(self.cost(&loop_.result));
        self.pop(&loop_.accu_var);
        self.copy_sizes(expr, &loop_.result);
        cost
    }
}

/// `cel.bind` and its like: a loop over nothing that never goes on.
fn is_binding(loop_: &ComprehensionExpr) -> bool {
    let nothing = matches!(&loop_.iter_range.expr, Expr::List(list) if list.elements.is_empty());
    let never = matches!(&loop_.loop_cond.expr, Expr::Literal(LiteralValue::Boolean(flag)) if !*flag.inner());
    nothing && never
}

#[cfg(test)]
mod tests;
