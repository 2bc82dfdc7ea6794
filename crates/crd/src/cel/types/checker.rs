//! Finds the type of every part of an expression, the overloads that its calls may be, and what cannot be.

use std::collections::{HashMap, HashSet};

use kube_cel::cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SelectExpr};

use super::declared::Declared;
use super::functions::{self, Overload, TABLE_PARAMETERS};
use super::{Known, Type, macros};

mod collections;

/// What is known of an expression; its parts go by their numbers.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The expression with all macros written out.
    pub(crate) expr: IdedExpr,
    /// What each part is.
    pub(crate) types: HashMap<u64, Type>,
    /// The overloads that each call may turn out to be.
    pub(crate) overloads: HashMap<u64, Vec<&'static str>>,
    /// Calls whose target is the first part of their name: `sets.contains`, and the whole name.
    pub(crate) qualified: HashMap<u64, String>,
    /// Selections that are the name of something: `authorizer.requestResource`.
    pub(crate) names: HashSet<u64>,
    /// What is wrong, and with which part.
    pub(crate) mistakes: Vec<(u64, String)>,
}

/// Names of types that are values.
const TYPE_NAMES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "int",
    "string",
    "uint",
    "list",
    "map",
    "null_type",
    "type",
    "net.IP",
    "net.CIDR",
    "optional_type",
];

impl Checked {
    /// Checks an expression among the variables that are there.
    pub(crate) fn new(expr: &IdedExpr, variables: &[(&str, Type)]) -> Self {
        let expr = macros::expanded(expr);
        let mut checker = Checker {
            scope: variables
                .iter()
                .map(|(name, kind)| ((*name).to_owned(), kind.clone()))
                .collect(),
            known: Known::default(),
            next: TABLE_PARAMETERS,
            mixing: 0,
            types: HashMap::new(),
            overloads: HashMap::new(),
            qualified: HashMap::new(),
            names: HashSet::new(),
            mistakes: Vec::new(),
        };
        checker.visit(&expr);
        let Checker { known, types, .. } = &checker;
        let types = types
            .iter()
            .map(|(id, kind)| (*id, known.resolve(kind, true)))
            .collect();
        Self {
            types,
            overloads: checker.overloads,
            qualified: checker.qualified,
            names: checker.names,
            mistakes: checker.mistakes,
            expr,
        }
    }

    /// What the whole expression gives.
    pub(crate) fn result(&self) -> Type {
        self.of(&self.expr)
    }

    /// What a part is.
    pub(crate) fn of(&self, expr: &IdedExpr) -> Type {
        self.types.get(&expr.id).cloned().unwrap_or(Type::Error)
    }
}

struct Checker {
    /// Variables; the last of a name is the one that is seen.
    scope: Vec<(String, Type)>,
    known: Known,
    next: u32,
    /// How many calls are around that take lists of anything.
    mixing: usize,
    types: HashMap<u64, Type>,
    overloads: HashMap<u64, Vec<&'static str>>,
    qualified: HashMap<u64, String>,
    names: HashSet<u64>,
    mistakes: Vec<(u64, String)>,
}

impl Checker {
    fn visit(&mut self, expr: &IdedExpr) -> Type {
        let found = match &expr.expr {
            Expr::Literal(literal) => literal_type(literal),
            Expr::Ident(name) => self.ident(expr.id, name),
            Expr::Select(select) => self.select(expr, select),
            Expr::Call(call) => self.call(expr.id, call),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Comprehension(loop_) => self.comprehension(loop_),
            Expr::Struct(made) => self.undeclared(expr.id, &made.type_name),
            Expr::Unspecified => Type::Error,
        };
        let found = self.known.resolve(&found, false);
        self.types.insert(expr.id, found.clone());
        found
    }

    fn fail(&mut self, id: u64, message: String) -> Type {
        self.mistakes.push((id, message));
        Type::Error
    }

    fn undeclared(&mut self, id: u64, name: &str) -> Type {
        let message = format!("undeclared reference to '{name}' (in container '')");
        self.fail(id, message)
    }

    fn named(&self, name: &str) -> Option<Type> {
        let variable = self.scope.iter().rev().find(|(own, _)| own == name);
        if let Some((_, kind)) = variable {
            return Some(kind.clone());
        }
        let known = match name {
            "google.protobuf.Timestamp" => Type::Plain("timestamp"),
            "google.protobuf.Duration" => Type::Plain("duration"),
            "list" => Type::list(Type::Dyn),
            "map" => Type::Map(Box::new(Type::Dyn), Box::new(Type::Dyn)),
            "null_type" => Type::Null,
            "optional_type" => Type::Optional(Box::new(Type::Dyn)),
            _ => Type::Plain(TYPE_NAMES.iter().find(|known| **known == name)?),
        };
        Some(Type::Kind(Box::new(known)))
    }

    fn ident(&mut self, id: u64, name: &str) -> Type {
        match self.named(name) {
            Some(kind) => kind,
            None => self.undeclared(id, name),
        }
    }

    fn select(&mut self, expr: &IdedExpr, select: &SelectExpr) -> Type {
        if !select.test
            && let Some(name) = dotted(expr)
            && let Some(kind) = self.named(&name)
        {
            self.names.insert(expr.id);
            return kind;
        }
        let found = self.field(expr.id, &select.operand, &select.field, false);
        if select.test {
            return Type::Plain("bool");
        }
        self.known.resolve(&found, false)
    }

    fn field(&mut self, id: u64, operand: &IdedExpr, field: &str, optional: bool) -> Type {
        let operand = self.visit(operand);
        let (target, was_optional) = match self.known.resolve(&operand, false) {
            Type::Optional(inner) => (*inner, true),
            other => (other, false),
        };
        let found = match &target {
            Type::Map(_, value) => (**value).clone(),
            Type::Object(declared) => match declared.field(field) {
                Some(field) => Declared::kind(field),
                None => self.fail(id, format!("undefined field '{field}'")),
            },
            Type::Plain(name) if name.starts_with("kubernetes.") => {
                self.fail(id, format!("undefined field '{field}'"))
            }
            Type::Parameter(_) => {
                self.known.fit(&Type::Dyn, &target);
                Type::Dyn
            }
            Type::Dyn | Type::Error => Type::Dyn,
            other => {
                let message = format!("type '{other}' does not support field selection");
                self.fail(id, message);
                Type::Dyn
            }
        };
        if was_optional || optional {
            Type::Optional(Box::new(found))
        } else {
            found
        }
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Type {
        if call.func_name == "_?._"
            && let [operand, field] = call.args.as_slice()
            && let Expr::Literal(LiteralValue::String(name)) = &field.expr
        {
            let found = self.field(id, operand, name, true);
            self.overloads.insert(id, vec!["select_optional_field"]);
            return self.known.resolve(&found, false);
        }
        let name = call.func_name.as_str();
        let mixes = usize::from(name == "format");
        self.mixing += mixes;
        let mut arguments: Vec<Type> = call.args.iter().map(|arg| self.visit(arg)).collect();
        self.mixing -= mixes;
        if matches!(name, "_&&_" | "_||_") {
            return self.logical(id, call, &arguments);
        }
        let Some(target) = call.target.as_deref() else {
            return match functions::overloads(name) {
                Some(overloads) => self.overload(id, name, overloads, false, &arguments),
                None => self.undeclared(id, name),
            };
        };
        if let Some(prefix) = dotted(target) {
            let whole = format!("{prefix}.{name}");
            if let Some(overloads) = functions::overloads(&whole) {
                let found = self.overload(id, &whole, overloads, false, &arguments);
                self.qualified.insert(id, whole);
                return found;
            }
        }
        arguments.insert(0, self.visit(target));
        match functions::overloads(name) {
            Some(overloads) => self.overload(id, name, overloads, true, &arguments),
            None => self.undeclared(id, name),
        }
    }

    /// `&&` and `||` tell each side that is no boolean by itself.
    fn logical(&mut self, id: u64, call: &CallExpr, arguments: &[Type]) -> Type {
        let flag = Type::Plain("bool");
        let mut sound = true;
        for (argument, found) in call.args.iter().zip(arguments) {
            if !self.known.fit(found, &flag) {
                self.mismatch(argument.id, &flag, found);
                sound = false;
            }
        }
        if !sound {
            return Type::Error;
        }
        let overload = match call.func_name.as_str() {
            "_&&_" => "logical_and",
            _ => "logical_or",
        };
        self.overloads.insert(id, vec![overload]);
        flag
    }

    fn overload(
        &mut self,
        id: u64,
        name: &str,
        overloads: &'static [Overload],
        member: bool,
        arguments: &[Type],
    ) -> Type {
        let given: Vec<&Type> = arguments.iter().collect();
        let (mut found, mut ids): (Option<Type>, Vec<_>) = (None, Vec::new());
        for overload in overloads.iter().filter(|o| o.member == member) {
            let (wanted, result) = self.instance(overload);
            if !self
                .known
                .fit_all(&given, &wanted.iter().collect::<Vec<_>>())
            {
                continue;
            }
            ids.push(overload.id);
            let result = self.known.resolve(&result, false);
            found = Some(match found {
                None => result,
                Some(Type::Dyn) => Type::Dyn,
                Some(before) if before.same(&result) => before,
                Some(_) => Type::Dyn,
            });
        }
        let Some(found) = found else {
            let message = self.no_overload(name, member, arguments);
            return self.fail(id, message);
        };
        self.overloads.insert(id, ids);
        found
    }

    /// An overload whose parameters have numbers of their own.
    fn instance(&mut self, overload: &Overload) -> (Vec<Type>, Type) {
        let from = self.next;
        self.next += TABLE_PARAMETERS;
        let arguments = overload.arguments.iter();
        let arguments = arguments.map(|kind| renumbered(kind, from)).collect();
        (arguments, renumbered(&overload.result, from))
    }

    fn no_overload(&self, name: &str, member: bool, arguments: &[Type]) -> String {
        let shown: Vec<String> = arguments
            .iter()
            .map(|kind| self.known.resolve(kind, true).to_string())
            .collect();
        let signature = match shown.split_first().filter(|_| member) {
            Some((target, rest)) => format!("{target}.({})", rest.join(", ")),
            None => format!("({})", shown.join(", ")),
        };
        format!("found no matching overload for '{name}' applied to '{signature}'")
    }

    fn mismatch(&mut self, id: u64, wanted: &Type, found: &Type) -> Type {
        let message = format!("expected type '{wanted}' but found '{found}'");
        self.fail(id, message)
    }
}

/// `a.b.c` of names alone.
pub(crate) fn dotted(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => {
            Some(format!("{}.{}", dotted(&select.operand)?, select.field))
        }
        _ => None,
    }
}

fn literal_type(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Plain("bool"),
        LiteralValue::Bytes(_) => Type::Plain("bytes"),
        LiteralValue::Double(_) => Type::Plain("double"),
        LiteralValue::Int(_) => Type::Plain("int"),
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::Plain("string"),
        LiteralValue::UInt(_) => Type::Plain("uint"),
    }
}

fn renumbered(kind: &Type, from: u32) -> Type {
    let inner = |part: &Type| Box::new(renumbered(part, from));
    match kind {
        Type::Parameter(number) => Type::Parameter(from + number),
        Type::List(item) => Type::List(inner(item)),
        Type::Map(key, value) => Type::Map(inner(key), inner(value)),
        Type::Optional(value) => Type::Optional(inner(value)),
        Type::Kind(value) => Type::Kind(inner(value)),
        plain => plain.clone(),
    }
}
