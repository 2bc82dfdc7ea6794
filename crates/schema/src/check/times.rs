//! RFC 3339 times and Go durations, with the words of Go's `time` package.

/// Layout of `Time`.
pub(super) const SECONDS: &str = "2006-01-02T15:04:05Z07:00";
/// Layout of `MicroTime`.
pub(super) const MICROS: &str = "2006-01-02T15:04:05.000000Z07:00";

/// (element of the layout, digits, lowest, highest, what is said when it is out of range)
type Element = (&'static str, usize, u32, u32, &'static str);

const ELEMENTS: [(Element, &str); 6] = [
    (("2006", 4, 0, 9999, "year"), "-"),
    (("01", 2, 1, 12, "month"), "-"),
    (("02", 2, 1, 31, "day"), "T"),
    (("15", 2, 0, 23, "hour"), ":"),
    (("04", 2, 0, 59, "minute"), ":"),
    (("05", 2, 0, 59, "second"), ""),
];

/// Whether a text is a time of a layout; else Go's sentence.
pub(super) fn check(text: &str, layout: &str) -> Result<(), String> {
    let cannot = |rest: &str, element: &str| {
        format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {element:?}")
    };
    let out_of_range = |what: &str| format!("parsing time {text:?}: {what} out of range");
    let mut rest = text;
    let mut numbers = [0_u32; 6];
    for (at, &((element, digits, low, high, what), separator)) in ELEMENTS.iter().enumerate() {
        let number = rest
            .get(..digits)
            .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| cannot(rest, element))?;
        if !(low..=high).contains(&number) {
            return Err(out_of_range(what));
        }
        numbers[at] = number;
        rest = &rest[digits..];
        rest = rest
            .strip_prefix(separator)
            .ok_or_else(|| cannot(rest, separator))?;
    }
    let fraction = fraction_len(rest);
    if layout == MICROS && fraction != 7 {
        return Err(cannot(rest, ".000000"));
    }
    rest = &rest[fraction..];
    zone(rest).map_err(|extra| match extra {
        Some(extra) => format!("parsing time {text:?}: extra text: {extra:?}"),
        None => cannot(rest, "Z07:00"),
    })?;
    if numbers[2] > days(numbers[0], numbers[1]) {
        return Err(out_of_range("day"));
    }
    Ok(())
}

fn fraction_len(rest: &str) -> usize {
    let Some(digits) = rest.strip_prefix(['.', ',']) else {
        return 0;
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 { 0 } else { count + 1 }
}

/// Takes a zone; the error is text that follows it, or none if there is no zone.
fn zone(rest: &str) -> Result<(), Option<&str>> {
    let after = if let Some(after) = rest.strip_prefix('Z') {
        after
    } else {
        let bytes = rest.as_bytes();
        let well_formed = bytes.len() >= 6
            && matches!(bytes[0], b'+' | b'-')
            && bytes[3] == b':'
            && [1, 2, 4, 5].iter().all(|&at| bytes[at].is_ascii_digit());
        if !well_formed {
            return Err(None);
        }
        &rest[6..]
    };
    if after.is_empty() {
        Ok(())
    } else {
        Err(Some(after))
    }
}

fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// Whether a text is a duration (`1h30m`, `1.5s`); else Go's sentence.
pub(super) fn check_duration(text: &str) -> Result<(), String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(());
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let number = rest
            .find(|sign: char| !sign.is_ascii_digit() && sign != '.')
            .unwrap_or(rest.len());
        let digits = &rest[..number];
        if digits.matches('.').count() > 1 || !digits.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        rest = &rest[number..];
        let unit_len = rest
            .find(|sign: char| sign.is_ascii_digit() || sign == '.')
            .unwrap_or(rest.len());
        let unit = &rest[..unit_len];
        match unit {
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h" => {}
            _ => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
        }
        rest = &rest[unit_len..];
    }
    Ok(())
}
