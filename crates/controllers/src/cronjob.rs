//! CronJobs: a Job each time that a schedule says so.
//!
//! A Job is named after the minute that it is meant for. Wherever this controller is killed between making one and
//! writing that down, the next start finds its name taken and makes no second one.

mod act;
mod plan;

use std::time::Duration;

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder};
use cedge_kinds::cron::{Schedule, time_zone};
use cedge_tasks::clock;
use jiff::tz::TimeZone;
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, CronJobStatus, Job};
use kube::Api;

use crate::context::{Context, controller_key};
use crate::error::Error;
use crate::update;
use plan::{Due, Times};

const API_VERSION: &str = "batch/v1";
const KIND: &str = "CronJob";
/// Timers run by a clock that nobody sets, schedules by one that is set, sometimes by years after a boot without a
/// battery: what that did is noticed after this long.
const LOOK_AGAIN: Duration = Duration::from_mins(10);

#[derive(Clone)]
struct CronJobs {
    ctx: Context,
    crons: Cache,
    jobs: Cache,
    recorder: Recorder,
}

/// Why a CronJob has no times: nothing happens until it is changed.
enum Idle {
    Zone(String),
    Schedule(String),
}

pub(crate) fn start(ctx: &Context) {
    let this = CronJobs {
        ctx: ctx.clone(),
        crons: ctx.informers.of::<CronJob>(),
        jobs: ctx.informers.of::<Job>(),
        recorder: ctx.events.recorder("cronjob-controller"),
    };
    let queue: Queue<Key> = Queue::new("cronjob");
    this.crons.subscribe({
        let (this, queue) = (this.clone(), queue.clone());
        move |change| this.observe(change, &queue)
    });
    this.jobs.subscribe({
        let queue = queue.clone();
        move |change| {
            for job in [Some(change.object()), change.old()].into_iter().flatten() {
                if let Some(key) = controller_key(job, API_VERSION, KIND) {
                    queue.add(key);
                }
            }
        }
    });
    let caches = [&this.crons.clone(), &this.jobs.clone()];
    ctx.work(&queue, &caches, ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

impl CronJobs {
    /// A new schedule begins with its next time: what it would have meant in the past is not made up for.
    fn observe(&self, change: &Change, queue: &Queue<Key>) {
        let object = change.object();
        let moved = change.old().is_some_and(|old| {
            let times = |o: &Object| {
                let cron: Option<CronJob> = o.decode().ok();
                cron.map(|c| (c.spec.schedule, c.spec.time_zone))
            };
            times(old) != times(object)
        });
        if !moved {
            return queue.add(object.key().clone());
        }
        let Ok(cron) = object.decode::<CronJob>() else {
            return;
        };
        let spec = cron.spec.clone();
        match schedule_of(&spec) {
            Ok((schedule, zone)) => {
                let wait = Times::new(&cron, &schedule, &zone, clock::now()).wait();
                queue.add_after(object.key().clone(), wait.min(LOOK_AGAIN));
            }
            Err(Idle::Zone(_)) => queue.add(object.key().clone()),
            Err(Idle::Schedule(_)) => {
                let text = format!("unparseable schedule for cronjob: {}", spec.schedule);
                self.recorder
                    .warning(object.reference(), "UnParseableCronJobSchedule", text);
            }
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.crons.get_key(key) else {
            return Ok(Next::OnChange);
        };
        let mut cron: CronJob = object.decode()?;
        let mut jobs = Vec::new();
        for job in self.jobs.by_owner(object.uid()) {
            if job.controller().is_some_and(|c| *c.uid == *object.uid()) {
                jobs.push(job.decode::<Job>()?);
            }
        }
        let old = cron.status.clone().unwrap_or_default();
        self.clean_up(&object, &mut cron, &jobs).await;
        let synced = Box::pin(self.sync(&object, &mut cron, &jobs)).await;

        let mut new = cron.status.unwrap_or_default();
        new.active = new.active.filter(|a| !a.is_empty());
        let api: Api<CronJob> = Api::namespaced(self.ctx.client.clone(), &key.namespace);
        update::status(&api, &object, &old, &new).await?;
        synced
    }

    async fn sync(&self, object: &Object, cron: &mut CronJob, jobs: &[Job]) -> Result<Next, Error> {
        self.follow(object, cron, jobs).await?;
        let spec = cron.spec.clone();
        if object.is_deleting() {
            return Ok(Next::OnChange);
        }
        let found = schedule_of(&spec);
        if let Err(Idle::Zone(zone)) = &found {
            let text = format!("invalid timeZone: {zone:?}: unknown time zone {zone}");
            self.recorder
                .warning(object.reference(), "UnknownTimeZone", text);
            return Ok(Next::OnChange);
        }
        if spec.suspend == Some(true) {
            return Ok(Next::OnChange);
        }
        if spec.schedule.contains("TZ") {
            let text = format!(
                "the schedule {:?} names a time zone in a way that is not supported; the field timeZone is",
                spec.schedule
            );
            self.recorder
                .warning(object.reference(), "UnsupportedSchedule", text);
        }
        let (schedule, zone) = match found {
            Ok(found) => found,
            Err(Idle::Schedule(wrong) | Idle::Zone(wrong)) => {
                let text = format!("unparseable schedule: {:?} : {wrong}", spec.schedule);
                self.recorder
                    .warning(object.reference(), "UnparseableSchedule", text);
                return Ok(Next::OnChange);
            }
        };
        let times = Times::new(cron, &schedule, &zone, clock::now());
        let wait = Next::After(times.wait().min(LOOK_AGAIN));
        match times.due() {
            Err(wrong) => {
                let text = format!("invalid schedule: {} : {wrong}", spec.schedule);
                self.recorder
                    .warning(object.reference(), "InvalidSchedule", text);
                Ok(Next::OnChange)
            }
            Ok(None) => Ok(wait),
            Ok(Some(due)) => {
                if self.may_start(object, cron, &due).await? {
                    self.begin(object, cron, due.at).await?;
                }
                Ok(wait)
            }
        }
    }

    /// Whether a Job is to be made for a time that has come. Makes room for it if it is to replace others.
    async fn may_start(
        &self,
        object: &Object,
        cron: &mut CronJob,
        due: &Due,
    ) -> Result<bool, Error> {
        if due.many {
            let text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
            self.recorder
                .warning(object.reference(), "TooManyMissedTimes", text);
        }
        if due.late {
            let at = due.at.strftime("%a, %d %b %Y %H:%M:%S UTC");
            let text = format!("Missed scheduled time to start a job: {at}");
            self.recorder
                .warning(object.reference(), "MissSchedule", text);
            return Ok(false);
        }
        if plan::is_begun(cron, due.at) {
            return Ok(false);
        }
        match cron.spec.concurrency_policy.as_deref() {
            Some("Forbid") if !plan::active(cron).is_empty() => {
                let text = "Not starting job because prior execution is running and concurrency policy is Forbid";
                self.recorder
                    .normal(object.reference(), "JobAlreadyActive", text);
                Ok(false)
            }
            Some("Replace") => {
                self.replace(object, cron).await?;
                Ok(true)
            }
            _ => Ok(true),
        }
    }
}

/// When a CronJob is to run, and by which clocks: those of this machine unless it says otherwise.
fn schedule_of(spec: &CronJobSpec) -> Result<(Schedule, TimeZone), Idle> {
    let zone = match &spec.time_zone {
        None => TimeZone::try_system().unwrap_or(TimeZone::UTC),
        Some(name) => time_zone(name).ok_or_else(|| Idle::Zone(name.clone()))?,
    };
    let schedule = Schedule::parse(&spec.schedule).map_err(Idle::Schedule)?;
    Ok((schedule, zone))
}

fn status_of(cron: &mut CronJob) -> &mut CronJobStatus {
    cron.status.get_or_insert_default()
}
