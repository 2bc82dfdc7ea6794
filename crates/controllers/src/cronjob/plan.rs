//! Decides which time has come, and what a Job for it looks like. Pure.

#[cfg(test)]
mod tests;

use std::time::Duration;

use cedge_kinds::cron::{Schedule, time_zone};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};

const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// Times missed in a row that are worth a warning, as in Kubernetes.
const MANY: i64 = 100;

/// The times of a CronJob, seen from now.
pub(super) struct Times<'a> {
    cron: &'a CronJob,
    schedule: &'a Schedule,
    zone: &'a TimeZone,
    now: Timestamp,
}

/// A time that has come.
#[derive(Debug, PartialEq)]
pub(super) struct Due {
    pub(super) at: Timestamp,
    /// So many times have passed that something is wrong.
    pub(super) many: bool,
    /// Its deadline has passed.
    pub(super) late: bool,
}

/// What has passed.
struct Past {
    /// Where one counts from.
    since: Timestamp,
    latest: Option<Timestamp>,
    missed: i64,
}

impl<'a> Times<'a> {
    pub(super) fn new(
        cron: &'a CronJob,
        schedule: &'a Schedule,
        zone: &'a TimeZone,
        now: Timestamp,
    ) -> Self {
        Self {
            cron,
            schedule,
            zone,
            now,
        }
    }

    /// The latest time that has come since the last Job.
    ///
    /// *Errors*: the schedule never comes.
    pub(super) fn due(&self) -> Result<Option<Due>, &'static str> {
        let past = self.past(true)?;
        Ok(past.latest.map(|at| Due {
            at,
            many: past.missed > MANY,
            late: self
                .deadline()
                .is_some_and(|d| self.now.duration_since(at) > d),
        }))
    }

    /// How long it is until the next time.
    pub(super) fn wait(&self) -> Duration {
        let from = match self.past(false) {
            Ok(past) if past.missed == 0 => past.since.max(past.latest.unwrap_or(past.since)),
            Ok(past) => past.latest.unwrap_or(self.now),
            Err(_) => self.now,
        };
        let next = self.next(from).map(|next| next.duration_since(self.now));
        let wait = next.and_then(|d| Duration::try_from(d).ok());
        wait.unwrap_or(Duration::MAX)
    }

    fn past(&self, within_deadline: bool) -> Result<Past, &'static str> {
        const NEVER: &str = "time difference between two schedules is less than 1 second";
        let status = self.cron.status.as_ref();
        let last = status.and_then(|s| s.last_schedule_time.as_ref());
        let created = self.cron.metadata.creation_timestamp.as_ref();
        let mut since = last.or(created).map_or(self.now, |t| t.0);
        if let Some(deadline) = self.deadline().filter(|_| within_deadline) {
            let earliest = self.now.checked_sub(deadline).unwrap_or(Timestamp::MIN);
            since = since.max(earliest);
        }
        let past = |latest, missed| Past {
            since,
            latest,
            missed,
        };
        let first = self.next(since).ok_or(NEVER)?;
        if self.now < first {
            return Ok(past(None, 0));
        }
        let second = self.next(first).ok_or(NEVER)?;
        if self.now < second {
            return Ok(past(Some(first), 0));
        }
        // Counting all would take long if years have passed. The distance of the first two is a fair measure; one step
        // back from there, the schedule itself is asked again.
        let distance = second.duration_since(first).as_secs().max(1);
        let missed = self.now.duration_since(first).as_secs() / distance + 1;
        let back = SignedDuration::from_secs((missed - 2).max(0).saturating_mul(distance));
        let mut at = first.checked_add(back).map_err(|_| NEVER)?;
        let mut latest = None;
        while let Some(next) = self.next(at).filter(|next| *next <= self.now) {
            latest = Some(next);
            at = next;
        }
        Ok(past(latest, missed))
    }

    fn deadline(&self) -> Option<SignedDuration> {
        let deadline = self.cron.spec.starting_deadline_seconds;
        deadline.map(SignedDuration::from_secs)
    }

    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.schedule.next(after, self.zone)
    }
}

/// Whether the Job for a time was made before.
pub(super) fn is_begun(cron: &CronJob, at: Timestamp) -> bool {
    let name = job_name(cron, at);
    let status = cron.status.as_ref();
    let last = status.and_then(|s| s.last_schedule_time.as_ref());
    last.is_some_and(|t| t.0 == at) || active(cron).iter().any(|j| j.name.as_ref() == Some(&name))
}

pub(super) fn active(cron: &CronJob) -> &[ObjectReference] {
    let status = cron.status.as_ref();
    status.and_then(|s| s.active.as_deref()).unwrap_or(&[])
}

/// The Job for a time.
pub(super) fn job(cron: &CronJob, at: Timestamp, owner: OwnerReference) -> Job {
    let spec = cron.spec.clone();
    let template = spec.job_template;
    let metadata = template.metadata.unwrap_or_default();
    let mut annotations = metadata.annotations.unwrap_or_default();
    let zone = spec.time_zone.as_deref().and_then(time_zone);
    let at_there = at.to_zoned(zone.unwrap_or(TimeZone::UTC));
    let text = if at_there.offset().is_zero() {
        at.strftime("%Y-%m-%dT%H:%M:%SZ")
    } else {
        at_there.strftime("%Y-%m-%dT%H:%M:%S%:z")
    };
    annotations.insert(SCHEDULED.to_owned(), text.to_string());
    Job {
        metadata: ObjectMeta {
            name: Some(job_name(cron, at)),
            namespace: cron.metadata.namespace.clone(),
            labels: metadata.labels,
            annotations: Some(annotations),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    }
}

/// The finished Jobs of one kind (`Complete` or `Failed`) beyond a limit, oldest first.
pub(super) fn surplus<'a>(jobs: &'a [Job], kind: &str, limit: Option<i32>) -> Vec<&'a Job> {
    let Some(limit) = limit else {
        return Vec::new();
    };
    let ended = jobs.iter().filter(|j| ended(j) == Some(kind));
    let mut ended: Vec<&Job> = ended.collect();
    let started = |j: &Job| j.status.as_ref().and_then(|s| s.start_time.clone());
    ended.sort_by_key(|j| {
        let started: Option<Time> = started(j);
        (started.is_none(), started, j.metadata.name.clone())
    });
    let surplus = ended
        .len()
        .saturating_sub(usize::try_from(limit).unwrap_or(0));
    ended.truncate(surplus);
    ended
}

/// How a Job ended, if it did.
pub(super) fn ended(job: &Job) -> Option<&str> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let mut ends = conditions
        .iter()
        .filter(|c| matches!(&*c.type_, "Complete" | "Failed") && c.status == "True");
    ends.next().map(|c| &*c.type_)
}

fn job_name(cron: &CronJob, at: Timestamp) -> String {
    let name = cron.metadata.name.as_deref().unwrap_or("");
    format!("{name}-{}", at.as_second() / 60)
}
