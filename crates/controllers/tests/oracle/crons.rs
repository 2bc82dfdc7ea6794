//! CronJobs.

use cedge_tasks::clock;
use jiff::{Timestamp, ToSpan as _, Unit};
use serde_json::{Value, json};

use crate::world::{World, run};

fn cron(name: &str, outcome: Option<&str>, spec: &Value) -> Value {
    let mut cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": {
        "schedule": "* * * * *", "timeZone": "Europe/Berlin",
        "jobTemplate": {"metadata": {"labels": {"made": "by-cron"}}, "spec": {"backoffLimit": 0, "template": {
            "metadata": {"labels": outcome.map_or(json!({}), |o| json!({ "outcome": o }))},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "a"}]}}}}}});
    for (key, value) in spec.as_object().unwrap() {
        cron["spec"][key] = value.clone();
    }
    cron
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// Waits for the next minute that is at least a few seconds away.
async fn almost_a_minute() {
    let second = clock::now().as_second() % 60;
    if second > 50 {
        let rest = u64::try_from(61 - second).unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(rest)).await;
    }
}

#[test]
fn jobs_are_made_on_the_minute_as_the_policy_says() {
    run(async |world: &World| {
        world.namespace("crons").await;
        let crons = world.api("batch/v1", "CronJob", "cronjobs", "crons");
        let jobs = world.api("batch/v1", "Job", "jobs", "crons");
        almost_a_minute().await;
        let begun = clock::now();
        crons
            .create(cron("good", Some("succeed"), &json!({})))
            .await;
        let forbid = json!({"concurrencyPolicy": "Forbid"});
        crons.create(cron("single", None, &forbid)).await;
        let replace = json!({"concurrencyPolicy": "Replace"});
        crons.create(cron("newest", None, &replace)).await;
        crons
            .create(cron("asleep", None, &json!({"suspend": true})))
            .await;
        let bad = json!({"failedJobsHistoryLimit": 0});
        crons.create(cron("bad", Some("1"), &bad)).await;

        let done = crons
            .until("good", |c| !c["status"]["lastSuccessfulTime"].is_null())
            .await;
        let at = time(&done["status"]["lastScheduleTime"]);
        assert!(at > begun && at.round(Unit::Minute).unwrap() == at);
        let name = format!("good-{}", at.as_second() / 60);
        let job = jobs.get(&name).await;
        assert_eq!(job["metadata"]["labels"]["made"], "by-cron");
        let told =
            &job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"];
        assert!(told.as_str().unwrap().ends_with(":00+01:00"), "{told}");
        assert_eq!(time(told), at);
        assert_eq!(job["metadata"]["ownerReferences"][0]["kind"], "CronJob");
        crons
            .until("good", |c| c["status"]["active"].is_null())
            .await;

        let first = crons
            .until("single", |c| !c["status"]["active"].is_null())
            .await;
        assert_eq!(first["status"]["active"][0]["kind"], "Job");
        let first = first["status"]["active"][0]["name"].clone();
        let old = crons
            .until("newest", |c| !c["status"]["active"].is_null())
            .await["status"]["active"][0]["name"]
            .clone();
        let new = crons
            .until("newest", |c| {
                !c["status"]["active"].is_null() && c["status"]["active"][0]["name"] != old
            })
            .await;
        assert_eq!(new["status"]["active"].as_array().unwrap().len(), 1);
        jobs.until_gone(old.as_str().unwrap()).await;
        let single = crons.get("single").await;
        assert_eq!(single["status"]["active"][0]["name"], first);
        assert!(crons.get("asleep").await["status"]["lastScheduleTime"].is_null());
        jobs.until_all("no job that failed", |jobs| {
            let bad = |j: &&Value| j["metadata"]["name"].as_str().unwrap().starts_with("bad");
            jobs.iter()
                .filter(bad)
                .all(|j| j["status"]["failed"].is_null())
        })
        .await;
    });
}

#[test]
fn only_the_latest_of_many_missed_times_is_made_up_for() {
    run(async |world: &World| {
        world.namespace("missed").await;
        let crons = world.api("batch/v1", "CronJob", "cronjobs", "missed");
        almost_a_minute().await;
        crons
            .create(cron("late", None, &json!({"suspend": true})))
            .await;
        let last = clock::now()
            .checked_sub(3.hours())
            .unwrap()
            .round(Unit::Minute)
            .unwrap();
        let patch = json!({"status": {"lastScheduleTime": last}});
        let params = kube::api::PatchParams::default();
        let patch = kube::api::Patch::Merge(patch);
        crons.0.patch_status("late", &params, &patch).await.unwrap();
        crons
            .patch("late", json!({"spec": {"suspend": false}}))
            .await;
        let caught_up = crons
            .until("late", |c| !c["status"]["active"].is_null())
            .await;
        let at = time(&caught_up["status"]["lastScheduleTime"]);
        assert!(clock::now().duration_since(at).as_secs() < 120);
        let jobs = world.api("batch/v1", "Job", "jobs", "missed").list().await;
        assert_eq!(jobs.len(), 1);
        let events = world.api("v1", "Event", "events", "missed");
        events
            .until_all("a warning", |e| {
                e.iter().any(|e| e["reason"] == "TooManyMissedTimes")
            })
            .await;
    });
}
