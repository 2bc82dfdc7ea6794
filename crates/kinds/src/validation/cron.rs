//! Cron schedules, as far as judging one needs.

/// What is wrong with a schedule, in the words of Kubernetes' parser.
pub(super) fn check(schedule: &str) -> Result<(), String> {
    let mut text = schedule;
    if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
        text = text.split_once(' ').map_or("", |(_, rest)| rest).trim();
    }
    if let Some(rest) = text.strip_prefix('@') {
        return descriptor(rest, text);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != 5 {
        return Err(format!(
            "expected exactly 5 fields, found {}: [{}]",
            fields.len(),
            fields.join(" ")
        ));
    }
    for (field, bounds) in fields.iter().zip(&BOUNDS) {
        for part in field.split(',') {
            check_range(part, bounds)?;
        }
    }
    Ok(())
}

struct Bounds {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const BOUNDS: [Bounds; 5] = [
    Bounds {
        min: 0,
        max: 59,
        names: &[],
    },
    Bounds {
        min: 0,
        max: 23,
        names: &[],
    },
    Bounds {
        min: 1,
        max: 31,
        names: &[],
    },
    Bounds {
        min: 1,
        max: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Bounds {
        min: 0,
        max: 6,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

fn descriptor(name: &str, text: &str) -> Result<(), String> {
    const KNOWN: [&str; 7] = [
        "yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly",
    ];
    if KNOWN.contains(&name) {
        return Ok(());
    }
    match name.strip_prefix("every ") {
        Some(span) if is_span(span) => Ok(()),
        Some(_) => Err(format!(
            "failed to parse duration {text}: time: invalid duration"
        )),
        None => Err(format!("unrecognized descriptor: {text}")),
    }
}

fn is_span(span: &str) -> bool {
    let units = ['s', 'm', 'h', 'u', 'n', 'µ'];
    span.starts_with(|c: char| c.is_ascii_digit())
        && span.ends_with(units)
        && span
            .chars()
            .all(|c| c.is_ascii_digit() || c == '.' || units.contains(&c))
}

fn check_range(part: &str, bounds: &Bounds) -> Result<(), String> {
    let (range, step) = match part.split_once('/') {
        Some((_, rest)) if rest.contains('/') => return Err(format!("too many slashes: {part}")),
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    let (low, high) = if matches!(range, "*" | "?") {
        (bounds.min, bounds.max)
    } else {
        match range.split_once('-') {
            Some((_, rest)) if rest.contains('-') => {
                return Err(format!("too many hyphens: {part}"));
            }
            Some((low, high)) => (number(low, bounds)?, number(high, bounds)?),
            None => {
                let low = number(range, bounds)?;
                (low, if step.is_some() { bounds.max } else { low })
            }
        }
    };
    let step = step.map_or(Ok(1), |step| {
        number(
            step,
            &Bounds {
                min: 0,
                max: 0,
                names: &[],
            },
        )
    })?;
    if low < bounds.min {
        return Err(format!(
            "beginning of range ({low}) below minimum ({}): {part}",
            bounds.min
        ));
    }
    if high > bounds.max {
        return Err(format!(
            "end of range ({high}) above maximum ({}): {part}",
            bounds.max
        ));
    }
    if low > high {
        return Err(format!(
            "beginning of range ({low}) beyond end of range ({high}): {part}"
        ));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {part}"));
    }
    Ok(())
}

fn number(text: &str, bounds: &Bounds) -> Result<u32, String> {
    let lower = text.to_lowercase();
    if let Some(at) = bounds.names.iter().position(|name| *name == lower) {
        return Ok(bounds.min + u32::try_from(at).unwrap_or(0));
    }
    match text.parse::<i64>() {
        Ok(n @ ..0) => Err(format!("negative number ({n}) not allowed: {text}")),
        Ok(n) => Ok(u32::try_from(n).unwrap_or(u32::MAX)),
        Err(_) => Err(format!(
            "failed to parse int from {text}: strconv.Atoi: parsing {}: invalid syntax",
            crate::error::quote(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn schedules_are_judged_as_kubernetes_parser_does() {
        for fine in [
            "*/5 * * * *",
            "0 0 1 jan mon",
            "@hourly",
            "@every 1h30m",
            "1-5,10 * ? * 0-6",
        ] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for (wrong, expected) in [
            ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
            ("61 * * * *", "end of range (61) above maximum (59): 61"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            (
                "5-1 * * * *",
                "beginning of range (5) beyond end of range (1): 5-1",
            ),
            (
                "*/0 * * * *",
                "step of range should be a positive number: */0",
            ),
            (
                "x * * * *",
                "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax",
            ),
            ("@never", "unrecognized descriptor: @never"),
        ] {
            assert_eq!(check(wrong), Err(expected.to_owned()), "{wrong}");
        }
    }
}
