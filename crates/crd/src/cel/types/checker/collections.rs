//! Lists, maps, and the loops over them.

use kube_cel::cel::common::ast::{ComprehensionExpr, EntryExpr, IdedExpr, ListExpr, MapExpr};

use super::Checker;
use crate::cel::types::Type;

impl Checker {
    pub(super) fn list(&mut self, list: &ListExpr) -> Type {
        let mut joined = None;
        for (i, element) in list.elements.iter().enumerate() {
            let found = self.visit(element);
            let found = self.present(element, found, list.optional_indices.contains(&i));
            joined = Some(self.join(element, joined, found));
        }
        Type::list(joined.unwrap_or_else(|| self.unknown()))
    }

    pub(super) fn map(&mut self, map: &MapExpr) -> Type {
        let (mut key, mut value) = (None, None);
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                continue;
            };
            let found = self.visit(&entry.key);
            key = Some(self.join(&entry.key, key, found));
            let found = self.visit(&entry.value);
            let found = self.present(&entry.value, found, entry.optional);
            value = Some(self.join(&entry.value, value, found));
        }
        let key = key.unwrap_or_else(|| self.unknown());
        let value = value.unwrap_or_else(|| self.unknown());
        Type::Map(Box::new(key), Box::new(value))
    }

    /// What an element that is marked as optional holds.
    fn present(&mut self, element: &IdedExpr, found: Type, optional: bool) -> Type {
        match found {
            Type::Optional(inner) if optional => *inner,
            other if optional && !matches!(other, Type::Dyn) => {
                let message = format!("expected type 'optional_type({other})' but found '{other}'");
                self.fail(element.id, message);
                other
            }
            other => other,
        }
    }

    fn unknown(&mut self) -> Type {
        self.next += 1;
        Type::Parameter(self.next - 1)
    }

    fn join(&mut self, element: &IdedExpr, before: Option<Type>, found: Type) -> Type {
        let Some(before) = before else { return found };
        if self.known.fit(&before, &found) {
            return if before.says_less(&found) {
                before
            } else {
                found
            };
        }
        if self.mixing > 0 {
            return Type::Dyn;
        }
        self.mismatch(element.id, &before, &found)
    }

    pub(super) fn comprehension(&mut self, loop_: &ComprehensionExpr) -> Type {
        let range = self.visit(&loop_.iter_range);
        let gathered = self.visit(&loop_.accu_init);
        let range = self.known.resolve(&range, false);
        let (first, second) = self.iterated(loop_, range);
        let outside = self.scope.len();
        self.scope.push((loop_.accu_var.clone(), gathered.clone()));
        let inside = self.scope.len();
        match &loop_.iter_var2 {
            Some(name) => {
                self.scope.push((loop_.iter_var.clone(), first));
                self.scope.push((name.clone(), second));
            }
            None => self.scope.push((loop_.iter_var.clone(), first)),
        }
        let condition = self.visit(&loop_.loop_cond);
        self.assert(&loop_.loop_cond, &Type::Plain("bool"), &condition);
        let step = self.visit(&loop_.loop_step);
        self.assert(&loop_.loop_step, &gathered, &step);
        self.scope.truncate(inside);
        let result = self.visit(&loop_.result);
        self.scope.truncate(outside);
        self.known.resolve(&result, false)
    }

    /// The types of a loop's variables.
    fn iterated(&mut self, loop_: &ComprehensionExpr, range: Type) -> (Type, Type) {
        let two = loop_.iter_var2.is_some();
        match range {
            Type::List(item) if two => (Type::Plain("int"), *item),
            Type::List(item) => (*item, Type::Dyn),
            Type::Map(key, value) => (*key, *value),
            Type::Dyn | Type::Error | Type::Parameter(_) => {
                self.known.fit(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.fail(loop_.iter_range.id, message);
                (Type::Error, Type::Error)
            }
        }
    }

    fn assert(&mut self, expr: &IdedExpr, wanted: &Type, found: &Type) {
        if !self.known.fit(wanted, found) {
            self.mismatch(expr.id, wanted, found);
        }
    }
}
