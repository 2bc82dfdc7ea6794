//! Table tests: sightings in, the status as kubectl shows it out.

use k8s_openapi::api::core::v1::{Pod, PodStatus};

use super::{Place, status};
use crate::testing::{at, pod, seen};
use crate::{ContainerId, Memory, Now, ProbeKind, Rejection, Seen, Verdict, plan};

fn write(pod: &Pod, sight: &Seen, memory: &mut Memory, now: Now) -> PodStatus {
    let plan = plan(pod, sight, memory, now);
    let place = Place {
        addresses: vec!["10.0.0.7".into()],
    };
    let status = status(pod, sight, memory, &plan, (&place, now));
    memory.reported(status.clone());
    status
}

/// `Running ready=1/1 a:running/0`: phase, readiness, and each container's state and restarts.
fn show(status: &PodStatus) -> String {
    let mut words = vec![status.phase.clone().unwrap()];
    if let Some(reason) = &status.reason {
        words.push(format!("({reason})"));
    }
    let inits = status.init_container_statuses.iter().flatten();
    for c in inits.chain(status.container_statuses.iter().flatten()) {
        let state = c.state.as_ref().unwrap();
        let word = if state.running.is_some() {
            "running".to_owned()
        } else if let Some(t) = &state.terminated {
            format!("{}={}", t.reason.clone().unwrap(), t.exit_code)
        } else {
            state.waiting.clone().unwrap().reason.unwrap()
        };
        let ready = if c.ready { "+" } else { "-" };
        words.push(format!("{}{ready}{word}/{}", c.name, c.restart_count));
    }
    words.join(" ")
}

fn check(spec: &str, sight: &[&str], expected: &str) {
    let got = write(&pod(spec), &seen(sight), &mut Memory::default(), at(100));
    assert_eq!(show(&got), expected, "{spec} {sight:?}");
}

fn condition<'a>(status: &'a PodStatus, name: &str) -> (&'a str, Option<&'a str>, Option<&'a str>) {
    let all = status.conditions.as_ref().unwrap();
    let c = all.iter().find(|c| c.type_ == name).unwrap();
    (&c.status, c.reason.as_deref(), c.message.as_deref())
}

const ALWAYS: &str = r#"{"containers":[{"name":"a"},{"name":"b"}]}"#;
const NEVER: &str = r#"{"restartPolicy":"Never","containers":[{"name":"a"},{"name":"b"}]}"#;
const ON_FAILURE: &str = r#"{"restartPolicy":"OnFailure","containers":[{"name":"a"}]}"#;
const INIT: &str = r#"{"containers":[{"name":"a"}],"initContainers":[{"name":"i"}]}"#;
const INIT_NEVER: &str =
    r#"{"restartPolicy":"Never","containers":[{"name":"a"}],"initContainers":[{"name":"i"}]}"#;
const SIDECAR: &str = r#"{"restartPolicy":"OnFailure","containers":[{"name":"a"}],
    "initContainers":[{"name":"s","restartPolicy":"Always"}]}"#;

#[test]
fn phases_follow_containers() {
    check(
        ALWAYS,
        &[],
        "Pending a-ContainerCreating/0 b-ContainerCreating/0",
    );
    check(
        ALWAYS,
        &["a#0 running"],
        "Pending a+running/0 b-ContainerCreating/0",
    );
    check(
        ALWAYS,
        &["a#0 running", "b#2 running"],
        "Running a+running/0 b+running/2",
    );
    check(
        ALWAYS,
        &["a#0 exit=0", "b#0 exit=1"],
        "Running a-Completed=0/0 b-Error=1/0",
    );
    check(
        NEVER,
        &["a#0 exit=0", "b#0 running"],
        "Running a-Completed=0/0 b+running/0",
    );
    check(
        NEVER,
        &["a#0 exit=0", "b#0 exit=0"],
        "Succeeded a-Completed=0/0 b-Completed=0/0",
    );
    check(
        NEVER,
        &["a#0 exit=0", "b#0 exit=2"],
        "Failed a-Completed=0/0 b-Error=2/0",
    );
    check(ON_FAILURE, &["a#0 exit=0"], "Succeeded a-Completed=0/0");
    check(ON_FAILURE, &["a#0 exit=1"], "Running a-Error=1/0");
    check(INIT, &[], "Pending i-PodInitializing/0 a-PodInitializing/0");
    check(
        INIT,
        &["i#0 running"],
        "Pending i-running/0 a-PodInitializing/0",
    );
    check(
        INIT,
        &["i#0 exit=1"],
        "Pending i-Error=1/0 a-PodInitializing/0",
    );
    check(
        INIT,
        &["i#0 exit=0", "a#0 running"],
        "Running i+Completed=0/0 a+running/0",
    );
    check(
        INIT_NEVER,
        &["i#0 exit=1"],
        "Failed i-Error=1/0 a-PodInitializing/0",
    );
    check(
        SIDECAR,
        &["s#0 running"],
        "Pending s+running/0 a-PodInitializing/0",
    );
    check(
        SIDECAR,
        &["s#0 running", "a#0 running"],
        "Running s+running/0 a+running/0",
    );
    check(
        SIDECAR,
        &["s#0 running", "a#0 exit=0"],
        "Running s+running/0 a-Completed=0/0",
    );
    check(
        SIDECAR,
        &["s#0 exit=143", "a#0 exit=0"],
        "Succeeded s-Error=143/0 a-Completed=0/0",
    );
}

#[test]
fn a_crash_loop_shows_waiting_with_the_end_as_last_state() {
    let pod = pod(r#"{"containers":[{"name":"a"}]}"#);
    let mut memory = Memory::default();
    let _ = write(&pod, &seen(&["a#0 exit=1"]), &mut memory, at(1));
    memory.started("a", ContainerId("a#1".into()), false);
    let got = write(
        &pod,
        &seen(&["a#0 exit=1", "a#1 exit=3@2"]),
        &mut memory,
        at(2),
    );
    assert_eq!(show(&got), "Running a-CrashLoopBackOff/1");
    let last = got
        .container_statuses
        .unwrap()
        .remove(0)
        .last_state
        .unwrap();
    let ended = last.terminated.unwrap();
    assert_eq!(
        (ended.exit_code, ended.container_id.as_deref()),
        (3, Some("process://a#1"))
    );
    assert_eq!(
        condition(&memory.previous().cloned().unwrap(), "Ready").1,
        Some("ContainersNotReady")
    );
}

#[test]
fn readiness_follows_its_probe_and_transition_times_stay() {
    let pod = pod(r#"{"containers":[{"name":"a","readinessProbe":{}}]}"#);
    let sight = seen(&["a#0 running"]);
    let mut memory = Memory::default();
    let before = write(&pod, &sight, &mut memory, at(5));
    assert_eq!(show(&before), "Running a-running/0");
    assert_eq!(
        condition(&before, "ContainersReady"),
        (
            "False",
            Some("ContainersNotReady"),
            Some("containers with unready status: [a]")
        )
    );
    let id = ContainerId("a#0".into());
    assert!(memory.probed(
        "a",
        &id,
        ProbeKind::Readiness,
        Verdict::Success,
        &Default::default()
    ));
    let after = write(&pod, &sight, &mut memory, at(9));
    assert_eq!(show(&after), "Running a+running/0");
    assert_eq!(condition(&after, "Ready"), ("True", None, None));
    let since = |status: &PodStatus, name: &str| {
        let all = status.conditions.as_ref().unwrap();
        let c = all.iter().find(|c| c.type_ == name).unwrap();
        c.last_transition_time.clone().unwrap().0
    };
    assert_eq!(since(&after, "Initialized"), at(5).wall);
    assert_eq!(since(&after, "Ready"), at(9).wall);
    assert_eq!(after.start_time.unwrap().0, at(5).wall);
}

#[test]
fn an_adopted_container_stays_ready() {
    let pod = pod(r#"{"containers":[{"name":"a","startupProbe":{},"readinessProbe":{}}]}"#);
    let sight = seen(&["a#0 running"]);
    let mut memory = Memory::default();
    let _ = write(&pod, &sight, &mut memory, at(5));
    let id = ContainerId("a#0".into());
    memory.probed(
        "a",
        &id,
        ProbeKind::Startup,
        Verdict::Success,
        &Default::default(),
    );
    memory.probed(
        "a",
        &id,
        ProbeKind::Readiness,
        Verdict::Success,
        &Default::default(),
    );
    let ready = write(&pod, &sight, &mut memory, at(6));
    let mut restarted = Memory::resume(Some(ready.clone()));
    assert_eq!(write(&pod, &sight, &mut restarted, at(7)), ready);
}

#[test]
fn readiness_gates_close_a_ready_pod() {
    let mut pod =
        pod(r#"{"containers":[{"name":"a"}],"readinessGates":[{"conditionType":"x/y"}]}"#);
    let sight = seen(&["a#0 running"]);
    let got = write(&pod, &sight, &mut Memory::default(), at(1));
    assert_eq!(condition(&got, "Ready").1, Some("ReadinessGatesNotReady"));
    pod.status =
        serde_json::from_str(r#"{"conditions":[{"type":"x/y","status":"True"}]}"#).unwrap();
    let got = write(&pod, &sight, &mut Memory::default(), at(1));
    assert_eq!(condition(&got, "Ready").0, "True");
    assert_eq!(condition(&got, "x/y").0, "True");
}

#[test]
fn a_pod_past_its_deadline_fails_and_stays_failed() {
    let pod = pod(r#"{"activeDeadlineSeconds":10,"containers":[{"name":"a"}]}"#);
    let mut memory = Memory::default();
    let sight = seen(&["a#0 running"]);
    assert_eq!(
        show(&write(&pod, &sight, &mut memory, at(0))),
        "Running a+running/0"
    );
    let late = write(&pod, &sight, &mut memory, at(10));
    assert_eq!(show(&late), "Failed (DeadlineExceeded) a-running/0");
    let ended = write(&pod, &seen(&["a#0 exit=0"]), &mut memory, at(12));
    assert_eq!(show(&ended), "Failed (DeadlineExceeded) a-Completed=0/0");
}

#[test]
fn a_rejected_pod_fails_without_containers() {
    let mut memory = Memory::default();
    memory.reject(Rejection {
        reason: "OutOfcpu".into(),
        message: "no".into(),
    });
    let got = write(&pod(ALWAYS), &Seen::default(), &mut memory, at(1));
    assert_eq!(show(&got), "Failed (OutOfcpu)");
    assert_eq!(condition(&got, "Ready").1, Some("PodFailed"));
}

#[test]
fn a_deleted_pod_ends_failed_or_succeeded() {
    let mut pod = pod(ALWAYS);
    pod.metadata.deletion_timestamp = Some(super::time(at(0).wall));
    let sight = seen(&["a#0 exit=0", "b#0 exit=143"]);
    let got = write(&pod, &sight, &mut Memory::default(), at(3));
    assert_eq!(show(&got), "Failed a-Completed=0/0 b-Error=143/0");
    let sight = seen(&["a#0 exit=0", "b#0 exit=0"]);
    let got = write(&pod, &sight, &mut Memory::default(), at(3));
    assert_eq!(show(&got), "Succeeded a-Completed=0/0 b-Completed=0/0");
}

#[test]
fn the_node_is_in_the_status() {
    let got = write(&pod(ALWAYS), &seen(&[]), &mut Memory::default(), at(1));
    assert_eq!(got.host_ip.as_deref(), Some("10.0.0.7"));
    assert_eq!(got.pod_ips.unwrap()[0].ip, "10.0.0.7");
    assert_eq!(got.qos_class.as_deref(), Some("BestEffort"));
    let owned: Vec<_> = got
        .conditions
        .unwrap()
        .into_iter()
        .map(|c| c.type_)
        .collect();
    assert_eq!(owned, super::conditions::OWNED);
}
