use std::collections::HashSet;

use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::*;
use crate::job::backoff::Record;
use crate::job::track;

/// A pod: its name is its uid.
fn pod(name: &str, phase: &str, index: Option<i32>, ended: i64) -> Value {
    let at = jiff::Timestamp::from_second(ended).unwrap();
    let annotations = index.map(|i| json!({indexes::INDEX: i.to_string()}));
    json!({
        "metadata": {"name": name, "uid": name, "namespace": "a", "finalizers": ["batch.kubernetes.io/job-tracking"], "annotations": annotations},
        "status": {"phase": phase, "containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 1, "finishedAt": at}}}]},
    })
}

fn view(spec: &Value, status: &Value, pods: Vec<Value>) -> View {
    let job: Job = serde_json::from_value(json!({"metadata": {"name": "j"},
        "spec": spec, "status": status}))
    .unwrap();
    let pods = pods.into_iter().map(|p| serde_json::from_value(p).unwrap());
    let now = jiff::Timestamp::from_second(1000).unwrap();
    View::new(job, pods.collect(), HashSet::new(), Record::default(), now)
}

fn spec(more: &Value) -> Value {
    let mut spec = json!({"template": {}, "parallelism": 2, "completions": 3, "backoffLimit": 2});
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

#[test]
fn as_many_pods_run_as_parallelism_and_what_is_left_allow() {
    let none = json!({});
    let run = |n: &str| pod(n, "Running", None, 0);
    for (more, status, pods, expected) in [
        (json!({}), none.clone(), vec![], Manage::Create(2, vec![])),
        (
            json!({}),
            json!({"succeeded": 2}),
            vec![],
            Manage::Create(1, vec![]),
        ),
        (
            json!({}),
            none.clone(),
            vec![run("a"), run("b")],
            Manage::Nothing,
        ),
        (
            json!({"completions": null}),
            json!({"succeeded": 1}),
            vec![run("a")],
            Manage::Nothing,
        ),
        (
            json!({"completionMode": "Indexed", "parallelism": 3}),
            json!({"completedIndexes": "1"}),
            vec![pod("a", "Running", Some(0), 0)],
            Manage::Create(1, vec![2]),
        ),
        // A failure a second ago: nine seconds are left of ten.
        (
            json!({}),
            none.clone(),
            vec![pod("a", "Failed", None, 999)],
            Manage::Wait(Duration::from_secs(9)),
        ),
        (
            json!({}),
            none.clone(),
            vec![pod("a", "Failed", None, 900)],
            Manage::Create(2, vec![]),
        ),
    ] {
        let view = view(&spec(&more), &status, pods);
        assert_eq!(view.manage(), expected, "{more} {status}");
    }
}

#[test]
fn too_many_pods_and_doubled_indexes_are_deleted() {
    let names = |manage: Manage| match manage {
        Manage::Delete(pods) => pods.iter().map(|p| pods::name(p).to_owned()).collect(),
        other => vec![format!("{other:?}")],
    };
    let mut running = pod("b", "Running", None, 0);
    running["spec"] = json!({"containers": [], "nodeName": "n"});
    let v = view(
        &spec(&json!({"parallelism": 1})),
        &json!({}),
        vec![running, pod("a", "Pending", None, 0)],
    );
    assert_eq!(names(v.manage()), ["a"]);
    let indexed = json!({"completionMode": "Indexed"});
    let v = view(
        &spec(&indexed),
        &json!({}),
        vec![
            pod("a", "Pending", Some(1), 0),
            pod("b", "Running", Some(1), 0),
        ],
    );
    assert_eq!(names(v.manage()), ["a"]);
    let v = view(
        &spec(&json!({"suspend": true})),
        &json!({}),
        vec![pod("a", "Running", None, 0)],
    );
    assert_eq!(names(v.manage()), ["a"]);
}

#[test]
fn limits_end_a_job_with_their_reason() {
    let failed = |n: &str| pod(n, "Failed", None, 0);
    let start = json!({"startTime": jiff::Timestamp::from_second(900).unwrap()});
    for (more, status, pods, expected) in [
        (json!({}), json!({}), vec![failed("a"), failed("b")], None),
        (
            json!({}),
            json!({"failed": 2}),
            vec![failed("a")],
            Some("BackoffLimitExceeded"),
        ),
        (
            json!({"activeDeadlineSeconds": 100}),
            start.clone(),
            vec![],
            Some("DeadlineExceeded"),
        ),
        (json!({"activeDeadlineSeconds": 101}), start, vec![], None),
        (
            json!({"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}]}}),
            json!({}),
            vec![failed("a")],
            Some("PodFailurePolicy"),
        ),
        (
            json!({"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1]}}]}}),
            json!({"failed": 2}),
            vec![failed("a")],
            None,
        ),
        (
            json!({"completionMode": "Indexed", "successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]}}),
            json!({"completedIndexes": "1"}),
            vec![],
            Some("SuccessPolicy"),
        ),
        (
            json!({"completions": null}),
            json!({"conditions": [{"type": "FailureTarget", "status": "True", "reason": "Earlier"}]}),
            vec![],
            Some("Earlier"),
        ),
    ] {
        let found = view(&spec(&more), &status, pods).evaluate();
        let reason = found.and_then(|c| c.reason);
        assert_eq!(reason.as_deref(), expected, "{more} {status}");
    }
}

#[test]
fn an_end_is_written_down_before_it_is_counted_and_counted_once() {
    let ended = vec![pod("a", "Succeeded", None, 0), pod("b", "Failed", None, 0)];
    let mut v = view(
        &spec(&json!({})),
        &json!({"uncountedTerminatedPods": {"succeeded": ["gone"]}}),
        ended,
    );
    let (first, count) = track::counted(&mut v);
    let uncounted = first.uncounted_terminated_pods.unwrap();
    assert_eq!(uncounted.succeeded.unwrap(), ["a"]);
    assert_eq!(uncounted.failed.unwrap(), ["b"]);
    // The one without a pod had lost its finalizer: it is in the counter already.
    assert_eq!((first.succeeded, first.failed, count), (Some(1), None, 2));
    assert_eq!((v.status.succeeded, v.status.failed), (Some(2), Some(1)));
}

#[test]
fn a_job_is_complete_only_when_all_pods_have_stopped() {
    let three = |i: i32| pod(&format!("p{i}"), "Succeeded", Some(i), 0);
    let mut v = view(
        &spec(&json!({"completionMode": "Indexed"})),
        &json!({}),
        (0..3).map(three).collect(),
    );
    assert!(v.is_complete(0) && !v.is_complete(1));
    v.finished = Some(v.completions_reached());
    v.status.terminating = Some(1);
    track::counted(&mut v);
    let has = |v: &View, kind| conditions::is_true(v.status.conditions.as_ref(), kind);
    assert!(has(&v, "SuccessCriteriaMet") && !has(&v, "Complete"));
    assert_eq!(v.status.completed_indexes.as_deref(), Some("0-2"));
    v.status.terminating = Some(0);
    track::counted(&mut v);
    assert!(has(&v, "Complete") && v.status.completion_time.is_some());
}

#[test]
fn suspending_stops_the_clock() {
    let start = json!({"startTime": jiff::Timestamp::from_second(900).unwrap()});
    let mut v = view(&spec(&json!({"suspend": true})), &start, vec![]);
    assert_eq!(v.note_suspension(), Some(("Suspended", "Job suspended")));
    assert!(v.status.start_time.is_none());
    assert_eq!(v.note_suspension(), None);
}
