//! Quantities: `1024Mi` and `1Gi` are one amount, and the second is how it is written.

const NANO: i128 = 1_000_000_000;
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
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// What Kubernetes keeps of larger amounts.
const NANO_MAX: i128 = i64::MAX as i128 * NANO;

/// How an amount is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Decimal,
    Exponent,
    Binary,
}

/// The canonical text of a quantity; nothing if it is none.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let (nano, form) = parse(text)?;
    if is_kept(text, form) {
        return Some(text.to_owned());
    }
    Some(match form {
        Form::Binary if nano.abs() >= 1024 * NANO => binary(nano),
        Form::Binary | Form::Decimal => decimal(nano, false),
        Form::Exponent => decimal(nano, true),
    })
}

/// Whether Kubernetes takes the text for canonical: it looks at the digits behind leading zeros alone.
fn is_kept(text: &str, form: Form) -> bool {
    if !text.starts_with('0') {
        return false;
    }
    let end = text
        .find(|sign: char| !sign.is_ascii_digit() && sign != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.trim_start_matches('0');
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 15 {
        return false;
    }
    match form {
        Form::Binary => {
            let odd = digits.parse::<u64>().is_ok_and(|n| n & 7 != 0);
            fraction.is_empty() && digits.len() < 10 && odd
        }
        Form::Decimal | Form::Exponent => {
            let places = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
            let exponent = scale(suffix).map_or(0, |(_, _, exponent)| exponent);
            (exponent - places) % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0')
        }
    }
}

/// The amount in units of a billionth, rounded away from zero, and how it was written.
fn parse(text: &str) -> Option<(i128, Form)> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned
        .find(|sign: char| !sign.is_ascii_digit() && sign != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || whole.len() + fraction.len() == 0 || number.len() > 60 {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let digits: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    let (form, factor, exponent) = scale(suffix)?;
    let digits = digits.checked_mul(factor)?;
    let nano = shift(digits, exponent - places + 9).min(NANO_MAX);
    Some((if negative { -nano } else { nano }, form))
}

/// The factor and the power of ten of a suffix.
fn scale(suffix: &str) -> Option<(Form, i128, i32)> {
    if let Some(&(_, exponent)) = DECIMAL.iter().find(|row| row.0 == suffix) {
        return Some((Form::Decimal, 1, exponent));
    }
    if let Some(at) = BINARY.iter().position(|binary| *binary == suffix) {
        return Some((Form::Binary, 1024_i128.pow(u32::try_from(at).ok()? + 1), 0));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?;
    Some((Form::Exponent, 1, exponent.clamp(-40, 40)))
}

/// `digits` times ten to the power of `exponent`, rounded up, capped.
fn shift(digits: i128, exponent: i32) -> i128 {
    let power = |exponent: u32| 10_i128.checked_pow(exponent);
    match u32::try_from(exponent) {
        Ok(up) => power(up)
            .and_then(|power| digits.checked_mul(power))
            .unwrap_or(if digits == 0 { 0 } else { NANO_MAX }),
        Err(_) => match power(exponent.unsigned_abs()) {
            Some(power) => (digits + power - 1) / power,
            None => i128::from(digits > 0),
        },
    }
}

fn decimal(nano: i128, exponent_form: bool) -> String {
    if nano == 0 {
        return "0".to_owned();
    }
    let mut rest = nano;
    let mut at = 0;
    while rest % 1000 == 0 && at + 1 < DECIMAL.len() {
        rest /= 1000;
        at += 1;
    }
    let (suffix, exponent) = DECIMAL[at];
    match (exponent_form, exponent) {
        (true, 0) => rest.to_string(),
        (true, exponent) => format!("{rest}e{exponent}"),
        (false, _) => format!("{rest}{suffix}"),
    }
}

fn binary(nano: i128) -> String {
    let sign = nano.signum();
    let mut rest = (nano.abs() + NANO - 1) / NANO;
    let mut suffix = "";
    for next in BINARY {
        if rest % 1024 != 0 {
            break;
        }
        rest /= 1024;
        suffix = next;
    }
    format!("{}{suffix}", rest * sign)
}
