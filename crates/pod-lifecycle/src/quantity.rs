//! Reading the amounts that Kubernetes writes: `250m`, `1.5Gi`, `1e3`.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The amount in thousandths, rounded up; `None` if it cannot be read.
#[must_use]
pub fn milli(quantity: &Quantity) -> Option<i64> {
    scaled(&quantity.0, 1000)
}

/// The amount in whole units, rounded up; `None` if it cannot be read.
#[must_use]
pub fn whole(quantity: &Quantity) -> Option<i64> {
    scaled(&quantity.0, 1)
}

fn scaled(text: &str, scale: i128) -> Option<i64> {
    let (number, suffix) = split(text.trim());
    let (digits, decimals) = digits(number)?;
    let (times, divide) = factor(suffix)?;
    let divisor = 10i128.checked_pow(decimals)?.checked_mul(divide)?;
    let product = digits.checked_mul(times)?.checked_mul(scale)?;
    let floor = product.div_euclid(divisor);
    let up = i128::from(product.rem_euclid(divisor) != 0);
    i64::try_from(floor + up).ok()
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
        .unwrap_or(text.len());
    text.split_at(end)
}

/// `1.25` → (125, 2).
fn digits(number: &str) -> Option<(i128, u32)> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let decimals = u32::try_from(fraction.len()).ok().filter(|d| *d <= 18)?;
    Some((format!("{whole}{fraction}").parse().ok()?, decimals))
}

fn factor(suffix: &str) -> Option<(i128, i128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => exponent(suffix)?,
    })
}

fn exponent(suffix: &str) -> Option<(i128, i128)> {
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let size = 10i128.checked_pow(power.unsigned_abs())?;
    Some(if power < 0 { (1, size) } else { (size, 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_reads_them() {
        for (text, thousandths) in [
            ("1", Some(1000)),
            ("250m", Some(250)),
            ("0.5", Some(500)),
            ("100u", Some(1)),
            ("1e3", Some(1_000_000)),
            (
                "1E",
                Some(1_000_000_000_000_000_000_000).and_then(|v: i128| i64::try_from(v).ok()),
            ),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("64Mi", Some(67_108_864_000)),
            ("12e-1", Some(1200)),
            ("abc", None),
            ("1Zi", None),
            ("", None),
        ] {
            assert_eq!(milli(&Quantity(text.into())), thousandths, "{text}");
        }
        assert_eq!(whole(&Quantity("1500m".into())), Some(2));
    }
}
