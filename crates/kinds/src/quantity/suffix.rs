//! What stands behind the number of an amount, and what it multiplies with.

use super::{BINARY, DECIMAL, Format, NANO, ceil_div};

/// What a suffix multiplies with.
pub(super) enum Scale {
    Two(u32),
    Ten(i32),
}

impl Scale {
    /// Billionths, rounded up; saturating.
    pub(super) fn apply(&self, whole: &str, fraction: &str) -> i128 {
        match self {
            Scale::Ten(exponent) => ten_power(whole, fraction, i64::from(*exponent) + 9),
            Scale::Two(bits) => {
                // A fraction of up to 27 digits still fits into 128 bits beside the factor; more digits are rounded up.
                let whole_nano = ten_power(whole, "", 9).saturating_mul(1_i128 << bits);
                let digits = &fraction[..fraction.len().min(18)];
                let lost = fraction[digits.len()..].bytes().any(|b| b != b'0');
                let value = digits.parse::<i128>().unwrap_or(0) + i128::from(lost);
                let unit = 10_i128.pow(u32::try_from(digits.len()).unwrap_or(18));
                let product = value
                    .checked_mul(1_i128 << bits)
                    .map_or(0, |v| mul_div_ceil(v, NANO, unit));
                whole_nano.saturating_add(product)
            }
        }
    }
}

/// `a * b / c` rounded up, where `a * b` may not fit.
fn mul_div_ceil(a: i128, b: i128, c: i128) -> i128 {
    let whole = (a / c).saturating_mul(b);
    let rest = (a % c).saturating_mul(b);
    whole.saturating_add(ceil_div(rest, c))
}

/// `whole.fraction × 10^shift`, rounded up, saturating.
fn ten_power(whole: &str, fraction: &str, shift: i64) -> i128 {
    let mut value: i128 = 0;
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX);
    let kept = point.saturating_add(shift);
    let mut lost = false;
    let mut taken: i64 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if taken < kept {
            value = value
                .saturating_mul(10)
                .saturating_add(i128::from(digit - b'0'));
        } else if digit != b'0' {
            lost = true;
        }
        taken += 1;
    }
    let mut missing = kept - taken;
    while missing > 0 && value > 0 && value < i128::MAX {
        value = value.saturating_mul(10);
        missing -= 1;
    }
    value.saturating_add(i128::from(lost))
}

pub(super) fn is_suffix_shaped(suffix: &str) -> bool {
    let letters = suffix
        .find(|c: char| !"eEinumkKMGTP".contains(c))
        .unwrap_or(suffix.len());
    let rest = &suffix[letters..];
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    digits.bytes().all(|b| b.is_ascii_digit())
}

pub(super) fn read_suffix(suffix: &str) -> Option<(Scale, Format)> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Scale::Ten(*exponent), Format::Decimal));
    }
    if let Some((_, bits)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((Scale::Two(*bits), Format::Binary));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok()?;
    Some((Scale::Ten(exponent.clamp(-60, 60)), Format::Exponent))
}
