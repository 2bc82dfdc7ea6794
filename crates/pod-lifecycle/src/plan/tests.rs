//! Table tests: sightings in, actions out.

use std::time::Duration;

use super::{Action, Plan, StopReason, plan};
use crate::testing::{at, pod, seen};
use crate::{ContainerId, Memory, ProbeKind, Seen, Verdict};

/// The actions in short: `start a#1`, `stop a#0 30s`, `sandbox`.
fn show(plan: &Plan) -> Vec<String> {
    let mut words: Vec<String> = plan
        .actions
        .iter()
        .map(|action| match action {
            Action::CreateSandbox => "sandbox".into(),
            Action::Start { container, attempt } => format!("start {container}#{attempt}"),
            Action::Stop { id, grace, .. } => format!("stop {id} {}s", grace.as_secs()),
        })
        .collect();
    if plan.over {
        words.push("over".into());
    }
    words
}

fn check(spec: &str, sight: &[&str], expected: &[&str]) {
    let mut memory = Memory::default();
    let got = plan(&pod(spec), &seen(sight), &mut memory, at(100));
    assert_eq!(show(&got), expected, "{spec} {sight:?}");
}

const ONE: &str = r#"{"containers":[{"name":"a"}]}"#;
const NEVER: &str = r#"{"restartPolicy":"Never","containers":[{"name":"a"},{"name":"b"}]}"#;
const ON_FAILURE: &str = r#"{"restartPolicy":"OnFailure","containers":[{"name":"a"}]}"#;
const INIT: &str = r#"{"containers":[{"name":"a"}],"initContainers":[{"name":"i"},{"name":"j"}]}"#;
const INIT_NEVER: &str =
    r#"{"restartPolicy":"Never","containers":[{"name":"a"}],"initContainers":[{"name":"i"}]}"#;
const SIDECAR: &str = r#"{"restartPolicy":"Never","containers":[{"name":"a"}],
    "initContainers":[{"name":"s","restartPolicy":"Always"},{"name":"i"}]}"#;

#[test]
fn a_new_pod_gets_a_sandbox_first() {
    let mut memory = Memory::default();
    let got = plan(&pod(ONE), &Seen::default(), &mut memory, at(0));
    assert_eq!(show(&got), ["sandbox"]);
}

#[test]
fn containers_start_and_restart_as_their_policy_says() {
    check(ONE, &[], &["start a#0"]);
    check(ONE, &["a#0 running"], &[]);
    check(ONE, &["a#0 exit=0"], &["start a#1"]);
    check(ONE, &["a#0 exit=1", "a#1 created"], &["start a#2"]);
    check(NEVER, &["a#0 running", "b#0 exit=1"], &[]);
    check(NEVER, &["a#0 exit=0", "b#0 exit=1"], &["over"]);
    check(ON_FAILURE, &["a#0 exit=1"], &["start a#1"]);
    check(ON_FAILURE, &["a#0 exit=0"], &["over"]);
}

#[test]
fn init_containers_run_one_after_the_other() {
    check(INIT, &[], &["start i#0"]);
    check(INIT, &["i#0 running"], &[]);
    check(INIT, &["i#0 exit=1"], &["start i#1"]);
    check(INIT, &["i#0 exit=0"], &["start j#0"]);
    check(INIT, &["i#0 exit=0", "j#0 exit=0"], &["start a#0"]);
    check(INIT, &["i#0 exit=0", "j#0 exit=0", "a#0 running"], &[]);
    check(INIT_NEVER, &["i#0 exit=1"], &["over"]);
}

#[test]
fn a_sidecar_runs_beside_and_stops_last() {
    check(SIDECAR, &[], &["start s#0"]);
    check(SIDECAR, &["s#0 running"], &["start i#0"]);
    check(SIDECAR, &["s#0 exit=1", "i#0 running"], &["start s#1"]);
    check(SIDECAR, &["s#0 running", "i#0 exit=0"], &["start a#0"]);
    check(
        SIDECAR,
        &["s#0 exit=1", "i#0 exit=0", "a#0 running"],
        &["start s#1"],
    );
    check(
        SIDECAR,
        &["s#0 running", "i#0 exit=0", "a#0 exit=0"],
        &["stop s#0 30s"],
    );
    check(
        SIDECAR,
        &["s#0 exit=0", "i#0 exit=0", "a#0 exit=0"],
        &["over"],
    );
}

#[test]
fn a_crash_loop_waits_and_says_so_once() {
    let pod = pod(ONE);
    let mut memory = Memory::default();
    let first = plan(&pod, &seen(&["a#0 exit=1"]), &mut memory, at(100));
    assert_eq!(show(&first), ["start a#1"]);
    memory.started("a", ContainerId("a#1".into()), false);
    let sight = seen(&["a#0 exit=1", "a#1 exit=1"]);
    let second = plan(&pod, &sight, &mut memory, at(101));
    assert_eq!(show(&second), [""; 0]);
    assert_eq!(second.wake_after, Some(Duration::from_secs(10)));
    assert_eq!(
        second.notes[0].message,
        "Back-off restarting failed container a in pod web_default(u1)"
    );
    let trouble = memory.trouble("a").unwrap();
    assert_eq!(trouble.reason, "CrashLoopBackOff");
    assert_eq!(
        trouble.message,
        "back-off 10s restarting failed container=a pod=web_default(u1)"
    );
    let third = plan(&pod, &sight, &mut memory, at(105));
    assert_eq!(
        (third.notes.len(), third.wake_after),
        (0, Some(Duration::from_secs(6)))
    );
    assert_eq!(
        show(&plan(&pod, &sight, &mut memory, at(111))),
        ["start a#2"]
    );
}

#[test]
fn a_refused_image_is_tried_again_with_a_back_off() {
    let pod = pod(r#"{"containers":[{"name":"a","image":"nginx"}]}"#);
    let mut memory = Memory::default();
    memory.refused("a", "ErrImagePull", "no".into(), at(100));
    let now = plan(&pod, &seen(&[]), &mut memory, at(100));
    assert_eq!(
        (show(&now).len(), now.wake_after),
        (0, Some(Duration::from_secs(1)))
    );
    let _ = plan(&pod, &seen(&[]), &mut memory, at(101));
    let trouble = memory.trouble("a").unwrap();
    assert_eq!(trouble.reason, "ImagePullBackOff");
    assert_eq!(
        trouble.message,
        "Back-off pulling image \"nginx\": ErrImagePull: no"
    );
    assert_eq!(
        show(&plan(&pod, &seen(&[]), &mut memory, at(110))),
        ["start a#0"]
    );
}

#[test]
fn a_missing_configmap_is_tried_again_when_it_comes() {
    let mut memory = Memory::default();
    memory.refused("a", "CreateContainerConfigError", "no".into(), at(100));
    assert_eq!(
        show(&plan(&pod(ONE), &seen(&[]), &mut memory, at(101))).len(),
        0
    );
    memory.configuration_changed();
    assert_eq!(
        show(&plan(&pod(ONE), &seen(&[]), &mut memory, at(102))),
        ["start a#0"]
    );
}

#[test]
fn a_failed_liveness_probe_stops_the_container_once_and_restarts_it() {
    let pod = pod(
        r#"{"containers":[{"name":"a","livenessProbe":{"failureThreshold":1,"terminationGracePeriodSeconds":7}}]}"#,
    );
    let mut memory = Memory::default();
    let sight = seen(&["a#0 running"]);
    assert_eq!(show(&plan(&pod, &sight, &mut memory, at(1))).len(), 0);
    let probe = pod.spec.as_ref().unwrap().containers[0]
        .liveness_probe
        .clone()
        .unwrap();
    memory.probed(
        "a",
        &ContainerId("a#0".into()),
        ProbeKind::Liveness,
        Verdict::Failure,
        &probe,
    );
    let stop = plan(&pod, &sight, &mut memory, at(2));
    assert_eq!(show(&stop), ["stop a#0 7s"]);
    assert_eq!(
        stop.notes[0].message,
        "Container a failed liveness probe, will be restarted"
    );
    assert_eq!(show(&plan(&pod, &sight, &mut memory, at(3))).len(), 0);
    let after = plan(&pod, &seen(&["a#0 exit=137"]), &mut memory, at(9));
    assert_eq!(show(&after), ["start a#1"]);
}

#[test]
fn deletion_stops_everything_and_a_shorter_grace_replaces_a_longer_one() {
    let mut pod = pod(SIDECAR);
    let mut memory = Memory::default();
    pod.metadata.deletion_timestamp = Some(crate::status::time(crate::testing::wall(0)));
    pod.metadata.deletion_grace_period_seconds = Some(20);
    let sight = seen(&["s#0 running", "i#0 exit=0", "a#0 running"]);
    assert_eq!(
        show(&plan(&pod, &sight, &mut memory, at(100))),
        ["stop a#0 20s"]
    );
    pod.metadata.deletion_grace_period_seconds = Some(3);
    assert_eq!(
        show(&plan(&pod, &sight, &mut memory, at(101))),
        ["stop a#0 2s"]
    );
    let sight = seen(&["s#0 running", "i#0 exit=0", "a#0 exit=143"]);
    let sidecar = plan(&pod, &sight, &mut memory, at(102));
    assert_eq!(show(&sidecar), ["stop s#0 2s"]);
    assert!(matches!(
        sidecar.actions[0],
        Action::Stop {
            reason: StopReason::Deleted,
            ..
        }
    ));
    let sight = seen(&["s#0 exit=143", "i#0 exit=0", "a#0 exit=143"]);
    assert_eq!(show(&plan(&pod, &sight, &mut memory, at(104))), ["over"]);
}

#[test]
fn after_a_reboot_everything_begins_again_but_what_is_done() {
    let rebooted = |lines: &[&str]| {
        let mut sight = seen(lines);
        sight.sandbox = false;
        sight.containers.iter_mut().for_each(|c| c.current = false);
        sight
    };
    let mut memory = Memory::default();
    let sight = rebooted(&["i#0 exit=0", "j#0 exit=0", "a#3 exit=255"]);
    assert_eq!(
        show(&plan(&pod(INIT), &sight, &mut memory, at(1))),
        ["sandbox"]
    );
    let mut again = sight;
    again.sandbox = true;
    assert_eq!(
        show(&plan(&pod(INIT), &again, &mut memory, at(2))),
        ["start i#1"]
    );
    let done = rebooted(&["a#0 exit=0", "b#0 exit=1"]);
    assert_eq!(
        show(&plan(&pod(NEVER), &done, &mut Memory::default(), at(1))),
        ["over"]
    );
}

#[test]
fn a_lost_runtime_goes_on_counting_restarts() {
    let previous = serde_json::from_str(
        r#"{"phase":"Running","containerStatuses":[{"name":"a","restartCount":4,"containerID":"process://x","image":"process","imageID":"","ready":true,"state":{"running":{}}}]}"#,
    );
    let mut memory = Memory::resume(Some(previous.unwrap()));
    assert_eq!(
        show(&plan(&pod(ONE), &seen(&[]), &mut memory, at(1))),
        ["start a#5"]
    );
}
