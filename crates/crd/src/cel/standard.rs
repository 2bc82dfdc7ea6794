//! What the interpreter lacks of the language's standard functions: types as values, conversions of times, and the parts
//! of a time in another zone.
//!
//! Source: the CEL specification, *Standard Definitions*; cel-go, `common/types`.

use std::sync::Arc;

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use kube_cel::cel::extractors::{Arguments, This};
use kube_cel::cel::objects::{Opaque, OptionalValue, Value as CelValue};
use kube_cel::cel::{Context, ExecutionError};

/// Written around the argument of `string`: times and flags become what they are written as.
pub(crate) const WRITTEN: &str = "@written";
/// Written around the argument of `int`: a time becomes its seconds.
pub(crate) const COUNTED: &str = "@counted";
/// Written around what may be `null`, where the language has an optional value.
pub(crate) const PERHAPS: &str = "@perhaps";

/// The types that an expression can name.
const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];

type Made = Result<CelValue, ExecutionError>;

/// A type as a value.
#[derive(Debug, PartialEq, Eq)]
struct TypeName(String);

impl Opaque for TypeName {
    fn runtime_type_name(&self) -> &'static str {
        "type"
    }
}

type OfOne = fn(CelValue) -> CelValue;

const OF_ONE: &[(&str, OfOne)] = &[
    ("type", type_of),
    (WRITTEN, written),
    (COUNTED, counted),
    (PERHAPS, perhaps),
];

/// A part of a time, by its function: of a time in a zone, and of a span in milliseconds, which has only some.
struct Part {
    function: &'static str,
    of_time: fn(&Zoned) -> i64,
    of_span: Option<fn(i64) -> i64>,
}

const PARTS: &[Part] = &[
    Part::of("getFullYear", |t| t.year().into()),
    Part::of("getMonth", |t| i64::from(t.month()) - 1),
    Part::of("getDate", |t| t.day().into()),
    Part::of("getDayOfMonth", |t| i64::from(t.day()) - 1),
    Part::of("getDayOfWeek", |t| {
        t.weekday().to_sunday_zero_offset().into()
    }),
    Part::of("getDayOfYear", |t| i64::from(t.day_of_year()) - 1),
    Part::of("getHours", |t| t.hour().into()).and(|ms| ms / 3_600_000),
    Part::of("getMinutes", |t| t.minute().into()).and(|ms| ms / 60_000),
    Part::of("getSeconds", |t| t.second().into()).and(|ms| ms / 1000),
    Part::of("getMilliseconds", |t| t.millisecond().into()).and(|ms| ms),
];

pub(super) fn register(context: &mut Context<'_>) {
    for name in TYPES {
        context.add_variable_from_value(*name, type_named(name));
    }
    context.add_function("bool", flag);
    context.add_function("optional.unwrap", unwrap);
    context.add_function("unwrapOpt", |This(list): This<Arc<Vec<CelValue>>>| {
        unwrap(list)
    });
    for (name, function) in OF_ONE {
        context.add_function(name, |value: CelValue| -> Made { Ok(function(value)) });
    }
    for part in PARTS {
        let get =
            |This(of): This<CelValue>, Arguments(args): Arguments| part.get(&of, args.as_slice());
        context.add_function(part.function, get);
    }
}

// === impl Part ===

impl Part {
    const fn of(function: &'static str, of_time: fn(&Zoned) -> i64) -> Self {
        Self {
            function,
            of_time,
            of_span: None,
        }
    }

    const fn and(self, of_span: fn(i64) -> i64) -> Self {
        Self {
            of_span: Some(of_span),
            ..self
        }
    }

    fn get(&self, of: &CelValue, args: &[CelValue]) -> Made {
        let zone = match args {
            [] => TimeZone::UTC,
            [CelValue::String(name)] => self.zone(name)?,
            _ => return Err(ExecutionError::NoSuchOverload),
        };
        match (of, self.of_span) {
            (CelValue::Timestamp(_), _) => {
                let time = time_of(of).ok_or(ExecutionError::NoSuchOverload)?;
                Ok(CelValue::Int((self.of_time)(&time.to_zoned(zone))))
            }
            (CelValue::Duration(span), Some(of_span)) if args.is_empty() => {
                Ok(CelValue::Int(of_span(span.num_milliseconds())))
            }
            _ => Err(ExecutionError::NoSuchOverload),
        }
    }

    /// `+01:00`, or a name of the time zone database.
    fn zone(&self, name: &str) -> Result<TimeZone, ExecutionError> {
        let offset = |text: &str| {
            let (hours, minutes) = text.split_once(':')?;
            let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
            let west = text.starts_with('-');
            let minutes = hours * 60 + if west { -minutes } else { minutes };
            Offset::from_seconds(minutes.checked_mul(60)?).ok()
        };
        let found = if name.contains(':') {
            offset(name).map(TimeZone::fixed)
        } else {
            TimeZone::get(name).ok()
        };
        found.ok_or_else(|| {
            ExecutionError::function_error(self.function, format!("unknown time zone {name}"))
        })
    }
}

fn time_of(value: &CelValue) -> Option<Timestamp> {
    let CelValue::Timestamp(time) = value else {
        return None;
    };
    let nanos = i32::try_from(time.timestamp_subsec_nanos()).ok()?;
    Timestamp::new(time.timestamp(), nanos).ok()
}

fn type_named(name: &str) -> CelValue {
    CelValue::Opaque(Arc::new(TypeName(name.to_owned())))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the interpreter gives it away"
)]
fn type_of(value: CelValue) -> CelValue {
    let name = match &value {
        CelValue::Bool(_) => "bool",
        CelValue::Bytes(_) => "bytes",
        CelValue::Float(_) => "double",
        CelValue::Int(_) => "int",
        CelValue::List(_) => "list",
        CelValue::Map(_) => "map",
        CelValue::Null => "null_type",
        CelValue::String(_) => "string",
        CelValue::UInt(_) => "uint",
        CelValue::Duration(_) => "google.protobuf.Duration",
        CelValue::Timestamp(_) => "google.protobuf.Timestamp",
        CelValue::Opaque(value) => value.runtime_type_name(),
        CelValue::Function(..) => "function",
    };
    type_named(name)
}

fn flag(value: CelValue) -> Made {
    let text = match &value {
        CelValue::Bool(_) => return Ok(value),
        CelValue::String(text) => text,
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    match text.as_str() {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(CelValue::Bool(true)),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(CelValue::Bool(false)),
        _ => Err(ExecutionError::function_error(
            "bool",
            "type conversion error from 'string' to 'bool'",
        )),
    }
}

/// What is there of a list of optional values.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the interpreter gives it away"
)]
fn unwrap(list: Arc<Vec<CelValue>>) -> Made {
    let mut there = Vec::new();
    for item in list.iter() {
        let CelValue::Opaque(opaque) = item else {
            return Err(ExecutionError::NoSuchOverload);
        };
        let optional = opaque.downcast_ref::<OptionalValue>();
        let optional = optional.ok_or(ExecutionError::NoSuchOverload)?;
        there.extend(optional.value().cloned());
    }
    Ok(CelValue::List(Arc::new(there)))
}

fn written(value: CelValue) -> CelValue {
    let text = match &value {
        CelValue::Bool(flag) => flag.to_string(),
        CelValue::Timestamp(_) => match time_of(&value) {
            Some(time) => time.to_string(),
            None => return value,
        },
        #[expect(
            clippy::cast_precision_loss,
            reason = "the language writes seconds as a floating point number"
        )]
        CelValue::Duration(span) => match span.num_nanoseconds() {
            Some(nanos) => format!("{}s", nanos as f64 / 1e9),
            None => format!("{}s", span.num_seconds()),
        },
        _ => return value,
    };
    CelValue::String(Arc::new(text))
}

fn counted(value: CelValue) -> CelValue {
    match time_of(&value) {
        Some(time) => CelValue::Int(time.as_second()),
        None => value,
    }
}

fn perhaps(value: CelValue) -> CelValue {
    let value = match value {
        CelValue::Null => OptionalValue::none(),
        value => OptionalValue::of(value),
    };
    CelValue::Opaque(Arc::new(value))
}
