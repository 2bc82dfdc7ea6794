//! Times as people read them.

use jiff::Timestamp;
use serde_json::Value;

/// A span in seconds, in two or three significant figures: `5m30s`, `47h`, `3d12h`.
///
/// A clock that is a second ahead counts as now; anything further in the future is `<invalid>`.
#[must_use]
pub fn human_duration(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 24 * 8 => pair(days, "d", hours % 24, "h"),
        _ if hours < 24 * 365 * 2 => format!("{days}d"),
        _ if hours < 24 * 365 * 8 => pair(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

fn pair(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large}{large_unit}")
    } else {
        format!("{large}{large_unit}{small}{small_unit}")
    }
}

/// How long ago a time field is; `<unknown>` if it holds none.
#[must_use]
pub fn since(field: &Value, now: Timestamp) -> String {
    match timestamp(field) {
        Some(then) => human_duration(now.duration_since(then).as_secs()),
        None => "<unknown>".to_owned(),
    }
}

/// How long until a time field; `<unknown>` if it holds none.
#[must_use]
pub fn until(field: &Value, now: Timestamp) -> String {
    match timestamp(field) {
        Some(then) => human_duration(then.duration_since(now).as_secs()),
        None => "<unknown>".to_owned(),
    }
}

/// The time that a field holds.
#[must_use]
pub fn timestamp(field: &Value) -> Option<Timestamp> {
    field.as_str().and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{human_duration, since};
    use serde_json::{Value, json};

    #[test]
    fn spans_read_as_kubectl_prints_them() {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 3600;
        const DAY: i64 = 24 * HOUR;
        for (seconds, expected) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (70, "70s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (10 * MINUTE, "10m"),
            (179 * MINUTE, "179m"),
            (3 * HOUR, "3h"),
            (3 * HOUR + MINUTE, "3h1m"),
            (8 * HOUR + MINUTE, "8h"),
            (47 * HOUR, "47h"),
            (48 * HOUR, "2d"),
            (50 * HOUR, "2d2h"),
            (9 * DAY, "9d"),
            (729 * DAY, "729d"),
            (730 * DAY, "2y"),
            (731 * DAY, "2y1d"),
            (8 * 365 * DAY, "8y"),
        ] {
            assert_eq!(human_duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn an_absent_time_is_unknown() {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(since(&Value::Null, now), "<unknown>");
        assert_eq!(since(&json!("2026-11-22T09:59:30Z"), now), "30s");
    }
}
