//! Makes and deletes Jobs, and keeps account of those that run.

use cedge_informer::Object;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};

use super::{API_VERSION, CronJobs, plan, status_of};
use crate::claim::controller_reference;
use crate::error::{Answer as _, Error, exists, message, optional};

impl CronJobs {
    /// Deletes finished Jobs beyond the limits of history.
    pub(super) async fn clean_up(&self, object: &Object, cron: &mut CronJob, jobs: &[Job]) {
        let spec = &cron.spec;
        let limits = [
            ("Complete", spec.successful_jobs_history_limit),
            ("Failed", spec.failed_jobs_history_limit),
        ];
        for (kind, limit) in limits {
            for job in plan::surplus(jobs, kind, limit) {
                self.delete(object, cron, job).await;
            }
        }
    }

    /// Brings the list of active Jobs, and the time of the last success, up to date.
    pub(super) async fn follow(
        &self,
        object: &Object,
        cron: &mut CronJob,
        jobs: &[Job],
    ) -> Result<(), Error> {
        let mut asked = false;
        for job in jobs {
            let uid = job.metadata.uid.as_deref().unwrap_or("");
            let name = job.metadata.name.as_deref().unwrap_or("");
            let listed = is_listed(cron, uid);
            match plan::ended(job) {
                None if !listed => {
                    // The cache may be behind our own last write.
                    if !asked {
                        let api: Api<CronJob> =
                            Api::namespaced(self.ctx.client.clone(), object.namespace());
                        let live = optional(api.get(object.name()).await)?;
                        if live.is_some_and(|live| is_listed(&live, uid)) {
                            return Err(Error::Wait("the cache is behind".to_owned()));
                        }
                        asked = true;
                    }
                    let text =
                        format!("Saw a job that the controller did not create or forgot: {name}");
                    self.recorder
                        .warning(object.reference(), "UnexpectedJob", text);
                }
                None => {}
                Some(end) => {
                    if listed {
                        strike(cron, uid);
                        let text = format!("Saw completed job: {name}, condition: {end}");
                        self.recorder
                            .normal(object.reference(), "SawCompletedJob", text);
                    }
                    if end == "Complete" {
                        note_success(cron, job);
                    }
                }
            }
        }
        self.strike_missing(object, cron, jobs).await
    }

    /// Jobs that are listed as active and are no more.
    async fn strike_missing(
        &self,
        object: &Object,
        cron: &mut CronJob,
        jobs: &[Job],
    ) -> Result<(), Error> {
        for reference in plan::active(cron).to_vec() {
            let there = jobs.iter().any(|j| j.metadata.uid == reference.uid);
            let name = reference.name.unwrap_or_default();
            if there || optional(self.api(object).get(&name).await)?.is_some() {
                continue;
            }
            let text = format!("Active job went missing: {name}");
            self.recorder.normal(object.reference(), "MissingJob", text);
            strike(cron, reference.uid.as_deref().unwrap_or(""));
        }
        Ok(())
    }

    /// Deletes what still runs.
    pub(super) async fn replace(&self, object: &Object, cron: &mut CronJob) -> Result<(), Error> {
        for reference in plan::active(cron).to_vec() {
            let name = reference.name.unwrap_or_default();
            let job = match self.api(object).get(&name).await {
                Ok(job) => job,
                Err(e) => {
                    let text = format!("Get job: {}", message(&e));
                    self.recorder.warning(object.reference(), "FailedGet", text);
                    return Err(e.into());
                }
            };
            if !self.delete(object, cron, &job).await {
                return Err(Error::Wait(format!("job {name} could not be replaced")));
            }
        }
        Ok(())
    }

    /// Makes the Job for a time, and notes it.
    pub(super) async fn begin(
        &self,
        object: &Object,
        cron: &mut CronJob,
        at: Timestamp,
    ) -> Result<(), Error> {
        let job = plan::job(cron, at, controller_reference(object));
        let made = match self.api(object).create(&PostParams::default(), &job).await {
            Ok(made) => {
                let name = made.metadata.name.as_deref().unwrap_or("");
                self.recorder.normal(
                    object.reference(),
                    "SuccessfulCreate",
                    format!("Created job {name}"),
                );
                made
            }
            // Made before, and not noted: unless it is somebody else's.
            Err(e) if exists(&e) => {
                let name = job.metadata.name.as_deref().unwrap_or("");
                let there = self.api(object).get(name).await?;
                let owners = there.metadata.owner_references.iter().flatten();
                let ours = owners
                    .into_iter()
                    .any(|o| o.controller == Some(true) && o.uid == object.uid());
                let uid = there.metadata.uid.as_deref().unwrap_or("");
                if !ours || is_listed(cron, uid) {
                    return Ok(());
                }
                there
            }
            Err(e) => {
                if !e.is_namespace_terminating() {
                    let text = format!("Error creating job: {}", message(&e));
                    self.recorder
                        .warning(object.reference(), "FailedCreate", text);
                }
                return Err(e.into());
            }
        };
        let status = status_of(cron);
        status.active.get_or_insert_default().push(ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some("Job".to_owned()),
            namespace: made.metadata.namespace,
            name: made.metadata.name,
            uid: made.metadata.uid,
            resource_version: made.metadata.resource_version,
            field_path: None,
        });
        status.last_schedule_time = Some(Time(at));
        Ok(())
    }

    /// Deletes a Job with its pods; whether that worked.
    async fn delete(&self, object: &Object, cron: &mut CronJob, job: &Job) -> bool {
        let name = job.metadata.name.as_deref().unwrap_or("");
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: job.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        match self.api(object).delete(name, &params).await {
            Err(e) if !e.is_not_found() => {
                let text = format!("Deleted job: {}", message(&e));
                self.recorder
                    .warning(object.reference(), "FailedDelete", text);
                return false;
            }
            _ => {}
        }
        strike(cron, job.metadata.uid.as_deref().unwrap_or(""));
        let text = format!("Deleted job {name}");
        self.recorder
            .normal(object.reference(), "SuccessfulDelete", text);
        true
    }

    fn api(&self, object: &Object) -> Api<Job> {
        Api::namespaced(self.ctx.client.clone(), object.namespace())
    }
}

fn is_listed(cron: &CronJob, uid: &str) -> bool {
    let mut active = plan::active(cron).iter();
    active.any(|j| j.uid.as_deref() == Some(uid))
}

fn strike(cron: &mut CronJob, uid: &str) {
    if let Some(active) = &mut status_of(cron).active {
        active.retain(|j| j.uid.as_deref() != Some(uid));
    }
}

fn note_success(cron: &mut CronJob, job: &Job) {
    let ended = job.status.as_ref().and_then(|s| s.completion_time.clone());
    let last = &mut status_of(cron).last_successful_time;
    if ended > *last {
        *last = ended;
    }
}
