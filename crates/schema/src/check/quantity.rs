//! The grammar of quantities (`250m`, `1Gi`, `1e3`).

const WRONG: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const NUMERIC: &str = "unable to parse numeric part of quantity";
const SUFFIX: &str = "unable to parse quantity's suffix";

const SUFFIXES: [&str; 15] = [
    "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi",
];

/// Whether a text is a quantity; else why not.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err(WRONG);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits_end = unsigned
        .find(|sign: char| !sign.is_ascii_digit())
        .unwrap_or(unsigned.len());
    let mut number_end = digits_end;
    let mut fraction = 0;
    if let Some(rest) = unsigned[digits_end..].strip_prefix('.') {
        fraction = rest
            .find(|sign: char| !sign.is_ascii_digit())
            .unwrap_or(rest.len());
        number_end = digits_end + 1 + fraction;
    }
    let suffix = &unsigned[number_end..];
    let letters_end = suffix
        .find(|sign: char| !"eEinumkKMGTP".contains(sign))
        .unwrap_or(suffix.len());
    let exponent = &suffix[letters_end..];
    let exponent_digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !exponent_digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(WRONG);
    }
    if digits_end + fraction == 0 {
        return Err(NUMERIC);
    }
    if known(suffix, exponent_digits) {
        Ok(())
    } else {
        Err(SUFFIX)
    }
}

fn known(suffix: &str, exponent_digits: &str) -> bool {
    if SUFFIXES.contains(&suffix) || suffix == "Ei" {
        return true;
    }
    let after = suffix.strip_prefix(['e', 'E']).unwrap_or("");
    !exponent_digits.is_empty()
        && after.strip_prefix(['+', '-']).unwrap_or(after) == exponent_digits
        && exponent_digits.parse::<i32>().is_ok()
}
