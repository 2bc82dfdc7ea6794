//! Amounts such as `500m`, `1Gi` or `2`: read, compared, added and written in their canonical form.
//!
//! The API stores the canonical form: `1000m` is `1`, `0.5` is `500m`, `1024Mi` is `1Gi`. What lies below one
//! billionth is rounded up, as Kubernetes does.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

mod suffix;

use suffix::{Scale, is_suffix_shaped, read_suffix};

/// An exact amount, with the family of suffixes in which it is written.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    /// Billionths.
    nano: i128,
    format: Format,
}

/// The family of suffixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `Ki`, `Mi`, `Gi`.
    Binary,
    /// `m`, `k`, `M`, `G`.
    Decimal,
    /// `e3`, `e6`.
    Exponent,
}

/// Why a text is no quantity; the texts are those of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not a number with a suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The suffix is none of ours.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

const NANO: i128 = 1_000_000_000;
/// Amounts with a binary suffix are cut to this one, as Kubernetes does.
const MAX_BINARY: i128 = i64::MAX as i128 * NANO;

const BINARY: [(&str, u32); 6] = [
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

// === impl Quantity ===

impl Quantity {
    /// Nothing, in decimal form.
    pub const ZERO: Quantity = Quantity {
        nano: 0,
        format: Format::Decimal,
    };

    /// A whole amount.
    #[must_use]
    pub fn from_units(units: i64) -> Self {
        Self {
            nano: i128::from(units) * NANO,
            format: Format::Decimal,
        }
    }

    /// A whole amount in binary form (bytes).
    #[must_use]
    pub fn from_bytes(bytes: i64) -> Self {
        Self {
            nano: i128::from(bytes) * NANO,
            format: Format::Binary,
        }
    }

    /// An amount in thousandths (CPU).
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self {
            nano: i128::from(millis) * 1_000_000,
            format: Format::Decimal,
        }
    }

    /// The amount in units, rounded up.
    #[must_use]
    pub fn units(&self) -> i64 {
        saturate(ceil_div(self.nano, NANO))
    }

    /// The amount in thousandths, rounded up.
    #[must_use]
    pub fn millis(&self) -> i64 {
        saturate(ceil_div(self.nano, 1_000_000))
    }

    /// The amount in billionths.
    #[must_use]
    pub fn nanos(&self) -> i128 {
        self.nano
    }

    /// The next amount upwards that is a whole number of thousandths.
    #[must_use]
    pub fn rounded_up_to_millis(&self) -> Self {
        Self {
            nano: ceil_div(self.nano, 1_000_000).saturating_mul(1_000_000),
            format: self.format,
        }
    }

    /// The next whole amount upwards.
    #[must_use]
    pub fn rounded_up(&self) -> Self {
        Self {
            nano: ceil_div(self.nano, NANO).saturating_mul(NANO),
            format: self.format,
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.nano == 0
    }

    /// Whether it is below nothing.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.nano < 0
    }

    /// The family of suffixes in which it was written.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Reads a JSON value: a text, or a bare number.
    ///
    /// # Errors
    /// See [`ParseError`].
    pub fn from_json(value: &serde_json::Value) -> Result<Self, ParseError> {
        match value {
            serde_json::Value::String(text) => text.trim().parse(),
            serde_json::Value::Number(number) => number.to_string().parse(),
            serde_json::Value::Null => Ok(Self::ZERO),
            _ => Err(ParseError::Format),
        }
    }
}

impl FromStr for Quantity {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() {
            return Err(ParseError::Format);
        }
        // As in Kubernetes, what has no digit at all but a well-formed suffix is nothing: `k` is 0.
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') {
            return Err(ParseError::Format);
        }
        if !is_suffix_shaped(suffix) {
            return Err(ParseError::Format);
        }
        let (scale, format) = read_suffix(suffix).ok_or(ParseError::Suffix)?;
        let mut nano = scale.apply(whole, fraction);
        if format == Format::Binary {
            nano = nano.min(MAX_BINARY);
        }
        Ok(Self {
            nano: if negative { -nano } else { nano },
            format: adjusted(format, nano),
        })
    }
}

/// Binary form is for whole numbers of at least 1024 only; smaller ones are written in decimal form.
fn adjusted(format: Format, nano: i128) -> Format {
    if format == Format::Binary && nano < NANO {
        Format::Decimal
    } else {
        format
    }
}

fn ceil_div(a: i128, b: i128) -> i128 {
    a / b + i128::from(a % b > 0)
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nano == 0 {
            return f.write_str("0");
        }
        if self.format == Format::Binary
            && self.nano.unsigned_abs() >= 1024 * NANO.unsigned_abs()
            && self.nano % NANO == 0
        {
            return self.fmt_binary(f);
        }
        let mut value = self.nano;
        let mut exponent = -9;
        while exponent < 18 && value % 1000 == 0 {
            value /= 1000;
            exponent += 3;
        }
        if self.format == Format::Exponent {
            return if exponent == 0 {
                write!(f, "{value}")
            } else {
                write!(f, "{value}e{exponent}")
            };
        }
        let suffix = DECIMAL
            .iter()
            .find(|(_, e)| *e == exponent)
            .map_or("", |(name, _)| name);
        write!(f, "{value}{suffix}")
    }
}

impl Quantity {
    fn fmt_binary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.nano / NANO;
        let mut suffix = "";
        for (name, _) in BINARY {
            if value % 1024 != 0 {
                break;
            }
            value /= 1024;
            suffix = name;
        }
        write!(f, "{value}{suffix}")
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

impl Add for Quantity {
    type Output = Quantity;

    /// The sum, in the form of the first unless that is nothing.
    fn add(self, other: Self) -> Self {
        Self {
            nano: self.nano.saturating_add(other.nano),
            format: if self.nano == 0 {
                other.format
            } else {
                self.format
            },
        }
    }
}

impl Sub for Quantity {
    type Output = Quantity;

    fn sub(self, other: Self) -> Self {
        Self {
            nano: self.nano.saturating_sub(other.nano),
            format: if self.nano == 0 {
                other.format
            } else {
                self.format
            },
        }
    }
}

/// The form in which the API stores a text, or `None` if it is no quantity.
///
/// What is already short enough is kept as it was written, with its sign and zeros, as Kubernetes does.
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    let quantity: Quantity = text.parse().ok()?;
    Some(if is_kept(text) {
        text.to_owned()
    } else {
        quantity.to_string()
    })
}

fn is_kept(text: &str) -> bool {
    let rest = text.trim_start_matches(['+', '-']).trim_start_matches('0');
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    let Some((scale, _)) = read_suffix(suffix) else {
        return false;
    };
    let places = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    match scale {
        Scale::Two(bits) => {
            let room = 15 - i64::from(bits) * 3 / 10 - 1;
            fraction.is_empty()
                && i64::try_from(whole.len()).is_ok_and(|n| n <= room)
                && whole.parse::<u64>().is_ok_and(|v| v & 7 != 0)
        }
        Scale::Ten(exponent) => {
            let scale = i64::from(exponent) - places;
            digits.len() <= 18
                && scale >= -9
                && scale % 3 == 0
                && !digits.ends_with("000")
                && !digits.is_empty()
                && !digits.starts_with('0')
        }
    }
}

#[cfg(test)]
mod tests;
