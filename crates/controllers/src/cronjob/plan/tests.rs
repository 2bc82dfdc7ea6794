use serde_json::json;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(schedule: &str, created: &str, last: Option<&str>, deadline: Option<i64>) -> CronJob {
    serde_json::from_value(json!({
        "metadata": {"name": "tick", "namespace": "a", "uid": "c", "creationTimestamp": created},
        "spec": {"schedule": schedule, "startingDeadlineSeconds": deadline, "timeZone": "Europe/Berlin",
            "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {}}}},
        "status": {"lastScheduleTime": last},
    }))
    .unwrap()
}

fn due(cron: &CronJob, now: &str) -> (Result<Option<Due>, &'static str>, Duration) {
    let schedule = Schedule::parse(&cron.spec.schedule).unwrap();
    let zone = TimeZone::UTC;
    let times = Times::new(cron, &schedule, &zone, at(now));
    (times.due(), times.wait())
}

#[test]
fn the_latest_time_that_was_missed_is_due() {
    let created = "2026-07-09T09:59:30Z";
    for (schedule, last, deadline, now, expected, wait) in [
        // Nothing yet.
        ("0 * * * *", None, None, "2026-07-09T09:59:50Z", None, 10),
        // On time, and then again for the next.
        (
            "0 * * * *",
            None,
            None,
            "2026-07-09T10:00:00Z",
            Some(("2026-07-09T10:00:00Z", false, false)),
            3600,
        ),
        (
            "0 * * * *",
            Some("2026-07-09T10:00:00Z"),
            None,
            "2026-07-09T10:00:00Z",
            None,
            3600,
        ),
        // Some missed: only the latest.
        (
            "0 * * * *",
            None,
            None,
            "2026-07-09T13:30:00Z",
            Some(("2026-07-09T13:00:00Z", false, false)),
            1800,
        ),
        (
            "0 * * * *",
            None,
            None,
            "2026-07-19T13:30:00Z",
            Some(("2026-07-19T13:00:00Z", true, false)),
            1800,
        ),
        // The deadline leaves no time in between.
        (
            "0 * * * *",
            None,
            Some(60),
            "2026-07-09T13:30:00Z",
            None,
            1800,
        ),
        (
            "0 * * * *",
            None,
            Some(3600),
            "2026-07-09T13:30:00Z",
            Some(("2026-07-09T13:00:00Z", false, false)),
            1800,
        ),
        (
            "30 6-16/4 * * 1-5",
            None,
            None,
            "2026-07-13T06:40:00Z",
            Some(("2026-07-13T06:30:00Z", false, false)),
            13800,
        ),
    ] {
        let cron = cron(schedule, created, last, deadline);
        let (found, waits) = due(&cron, now);
        let expected = expected.map(|(t, many, late)| Due {
            at: at(t),
            many,
            late,
        });
        assert_eq!(
            found,
            Ok(expected),
            "{schedule} {last:?} {deadline:?} {now}"
        );
        assert_eq!(
            waits,
            Duration::from_secs(wait),
            "{schedule} {last:?} {now}"
        );
    }
    let never = cron("0 0 30 2 *", created, None, None);
    assert!(due(&never, "2026-07-09T13:30:00Z").0.is_err());
}

#[test]
fn a_job_is_named_after_its_minute_and_tells_its_time() {
    let cron = cron("0 * * * *", "2026-07-09T09:59:30Z", None, None);
    let job = job(&cron, at("2026-07-09T10:00:00Z"), OwnerReference::default());
    let metadata = serde_json::to_value(&job.metadata).unwrap();
    assert_eq!(metadata["name"], "tick-29726520");
    assert_eq!(metadata["labels"], json!({"a": "b"}));
    assert_eq!(
        metadata["annotations"],
        json!({SCHEDULED: "2026-07-09T12:00:00+02:00"})
    );
}

#[test]
fn a_time_is_begun_once() {
    let mut cron = cron("0 * * * *", "2026-07-09T09:59:30Z", None, None);
    let time = at("2026-07-09T10:00:00Z");
    assert!(!is_begun(&cron, time));
    cron.status.as_mut().unwrap().active = Some(vec![ObjectReference {
        name: Some("tick-29726520".to_owned()),
        ..ObjectReference::default()
    }]);
    assert!(is_begun(&cron, time));
}

#[test]
fn the_oldest_of_each_end_go_beyond_the_limit() {
    let job = |name: &str, end: &str, second: i64| -> Job {
        serde_json::from_value(json!({"metadata": {"name": name}, "status": {
            "startTime": Timestamp::from_second(second).unwrap(), "conditions": [{"type": end, "status": "True"}]}}))
        .unwrap()
    };
    let jobs = [
        job("c", "Complete", 3),
        job("a", "Complete", 1),
        job("f", "Failed", 0),
        job("b", "Complete", 2),
        job("r", "Suspended", 0),
    ];
    let names = |kind, limit| -> Vec<&str> {
        let surplus = surplus(&jobs, kind, limit);
        surplus
            .iter()
            .map(|j| j.metadata.name.as_deref().unwrap())
            .collect()
    };
    assert_eq!(names("Complete", Some(1)), ["a", "b"]);
    assert_eq!(names("Failed", Some(0)), ["f"]);
    assert!(names("Complete", None).is_empty() && names("Failed", Some(1)).is_empty());
}
