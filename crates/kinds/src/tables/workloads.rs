//! Rows of what makes pods, and of what limits their disruption.

use serde_json::Value;

use super::{View, autoscaler, containers, count, labels, or_none, selector, text_or};
use crate::read::Read;
use crate::registry::Kind;
use crate::time;

pub(super) fn cells(kind: &Kind, view: &View<'_>) -> Option<Vec<Value>> {
    Some(match (kind.group, kind.kind) {
        ("apps", "Deployment") => deployment(view),
        ("apps", "ReplicaSet") => {
            let selector = or_none(selector(view.spec.field("selector")));
            replicas(view, selector)
        }
        ("", "ReplicationController") => replicas(view, labels(view.spec.field("selector"))),
        ("apps", "DaemonSet") => daemon_set(view),
        ("apps", "StatefulSet") => stateful_set(view),
        ("apps", "ControllerRevision") => revision(view),
        ("batch", "Job") => job(view),
        ("batch", "CronJob") => cron_job(view),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler::cells(view),
        ("policy", "PodDisruptionBudget") => vec![
            view.name(),
            amount(view.spec.field("minAvailable")),
            amount(view.spec.field("maxUnavailable")),
            count(view.status, "disruptionsAllowed"),
            view.age(),
        ],
        _ => return None,
    })
}

fn template<'a>(view: &View<'a>) -> &'a Value {
    view.spec.at("template.spec")
}

fn ready_of(view: &View<'_>) -> Value {
    let ready = view.status.int("readyReplicas").unwrap_or(0);
    format!("{ready}/{}", view.spec.int("replicas").unwrap_or(0)).into()
}

fn deployment(view: &View<'_>) -> Vec<Value> {
    let (names, images) = containers(template(view));
    vec![
        view.name(),
        ready_of(view),
        count(view.status, "updatedReplicas"),
        count(view.status, "availableReplicas"),
        view.age(),
        names,
        images,
        selector(view.spec.field("selector")).into(),
    ]
}

fn replicas(view: &View<'_>, selector: Value) -> Vec<Value> {
    let (names, images) = containers(template(view));
    vec![
        view.name(),
        count(view.spec, "replicas"),
        count(view.status, "replicas"),
        count(view.status, "readyReplicas"),
        view.age(),
        names,
        images,
        selector,
    ]
}

fn daemon_set(view: &View<'_>) -> Vec<Value> {
    let (names, images) = containers(template(view));
    vec![
        view.name(),
        count(view.status, "desiredNumberScheduled"),
        count(view.status, "currentNumberScheduled"),
        count(view.status, "numberReady"),
        count(view.status, "updatedNumberScheduled"),
        count(view.status, "numberAvailable"),
        labels(template(view).field("nodeSelector")),
        view.age(),
        names,
        images,
        or_none(selector(view.spec.field("selector"))),
    ]
}

fn stateful_set(view: &View<'_>) -> Vec<Value> {
    let (names, images) = containers(template(view));
    vec![view.name(), ready_of(view), view.age(), names, images]
}

fn revision(view: &View<'_>) -> Vec<Value> {
    let owners = view.meta.items("ownerReferences");
    let controller = owners.iter().find(|o| o.flag("controller")).map(|owner| {
        let group = owner
            .text("apiVersion")
            .split_once('/')
            .map_or("", |(group, _)| group);
        let kind = owner.text("kind").to_lowercase();
        let dot = if group.is_empty() { "" } else { "." };
        format!("{kind}{dot}{group}/{}", owner.text("name"))
    });
    vec![
        view.name(),
        or_none(controller.unwrap_or_default()),
        count(view.object, "revision"),
        view.age(),
    ]
}

fn job(view: &View<'_>) -> Vec<Value> {
    let (names, images) = containers(template(view));
    vec![
        view.name(),
        job_status(view).into(),
        completions(view).into(),
        job_duration(view).into(),
        view.age(),
        names,
        images,
        or_none(selector(view.spec.field("selector"))),
    ]
}

fn job_status(view: &View<'_>) -> &'static str {
    let is = |wanted: &str| {
        let conditions = view.status.items("conditions");
        let found = conditions.iter().find(|c| c.text("type") == wanted);
        found.is_some_and(|c| c.text("status") == "True")
    };
    if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if view.is_deleted() {
        "Terminating"
    } else {
        ["Suspended", "FailureTarget", "SuccessCriteriaMet"]
            .into_iter()
            .find(|name| is(name))
            .unwrap_or("Running")
    }
}

fn completions(view: &View<'_>) -> String {
    let done = view.status.int("succeeded").unwrap_or(0);
    if let Some(wanted) = view.spec.int("completions") {
        return format!("{done}/{wanted}");
    }
    match view.spec.int("parallelism").unwrap_or(0) {
        many @ 2.. => format!("{done}/1 of {many}"),
        _ => format!("{done}/1"),
    }
}

fn job_duration(view: &View<'_>) -> String {
    let Some(start) = time::timestamp(view.status.field("startTime")) else {
        return String::new();
    };
    let end = time::timestamp(view.status.field("completionTime")).unwrap_or(view.now);
    time::human_duration(end.duration_since(start).as_secs())
}

fn cron_job(view: &View<'_>) -> Vec<Value> {
    let job = view.spec.at("jobTemplate.spec");
    let (names, images) = containers(job.at("template.spec"));
    let last = view.status.field("lastScheduleTime");
    vec![
        view.name(),
        view.spec.text("schedule").into(),
        text_or(view.spec, "timeZone", "<none>"),
        flag(view.spec.field("suspend")),
        view.status.items("active").len().into(),
        if last.is_null() {
            "<none>".into()
        } else {
            view.since(last).into()
        },
        view.age(),
        names,
        images,
        or_none(selector(job.field("selector"))),
    ]
}

/// A boolean that may be unset, as a word.
fn flag(value: &Value) -> Value {
    match value.as_bool() {
        None => "<unset>".into(),
        Some(true) => "True".into(),
        Some(false) => "False".into(),
    }
}

/// A number or a percentage.
fn amount(value: &Value) -> Value {
    match value {
        Value::Null => "N/A".into(),
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}
