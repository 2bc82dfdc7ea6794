use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::constant(100_000, 0);

fn pod(name: &str, phase: &str, ready: &str, age: i64) -> Pod {
    let at = |ago: i64| (NOW - SignedDuration::from_secs(ago)).to_string();
    serde_json::from_value(
        json!({"metadata": {"name": name}, "status": {"phase": phase, "startTime": at(age),
        "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": at(age)}]}}),
    )
    .unwrap()
}

fn samples(values: &[(&str, i64)]) -> Samples {
    let sample = |value| Sample {
        value,
        at: NOW,
        window: SignedDuration::from_secs(15),
    };
    values
        .iter()
        .map(|(name, v)| ((*name).to_owned(), sample(*v)))
        .collect()
}

fn ask(pods: &[Pod], percent: i64, values: &[(&str, i64)]) -> Result<Proposal, String> {
    let requests = pods
        .iter()
        .map(|p| (pods::name(p).to_owned(), 100))
        .collect();
    let question = Question {
        current: i32::try_from(pods.len()).unwrap(),
        pods,
        target: Target::Utilization {
            percent,
            requests: &requests,
        },
        cpu: true,
        tolerance: Tolerance { up: 0.1, down: 0.1 },
        now: NOW,
    };
    question.answer(samples(values))
}

fn running(names: &[&str]) -> Vec<Pod> {
    names
        .iter()
        .map(|n| pod(n, "Running", "True", 1000))
        .collect()
}

#[test]
fn load_brings_replicas_and_its_end_takes_them() {
    let pods = running(&["a", "b"]);
    let up = ask(&pods, 50, &[("a", 90), ("b", 110)]).unwrap();
    assert_eq!(
        up,
        Proposal {
            replicas: 4,
            average: 100,
            percent: Some(100)
        }
    );
    assert_eq!(ask(&pods, 50, &[("a", 20), ("b", 20)]).unwrap().replicas, 1);
    assert_eq!(
        ask(&pods, 50, &[("a", 53), ("b", 53)]).unwrap().replicas,
        2,
        "within the tolerance"
    );
}

#[test]
fn what_is_not_known_counts_against_the_change() {
    let pods = running(&["a", "b", "c"]);
    assert_eq!(
        ask(&pods, 50, &[("a", 100), ("b", 100)]).unwrap().replicas,
        4,
        "the third is taken for idle"
    );
    assert_eq!(
        ask(&pods, 50, &[("a", 10), ("b", 10)]).unwrap().replicas,
        3,
        "the third is taken for busy"
    );
}

#[test]
fn pods_that_start_do_not_drive_the_count_up() {
    let mut pods = running(&["a"]);
    pods.push(pod("b", "Running", "False", 20));
    assert_eq!(
        ask(&pods, 50, &[("a", 100), ("b", 400)]).unwrap().replicas,
        2
    );
    pods.push(pod("c", "Pending", "False", 20));
    assert_eq!(ask(&pods, 50, &[("a", 200)]).unwrap().replicas, 4);
    let starting = [pod("b", "Running", "False", 20)];
    assert_eq!(
        ask(&starting, 50, &[("b", 100)]).unwrap_err(),
        "did not receive metrics for targeted pods (pods might be unready)"
    );
}

#[test]
fn averages_are_held_against_their_target() {
    let pods = running(&["a", "b"]);
    let question = Question {
        current: 2,
        pods: &pods,
        target: Target::Average(500),
        cpu: false,
        tolerance: Tolerance { up: 0.1, down: 0.1 },
        now: NOW,
    };
    let proposal = question
        .answer(samples(&[("a", 1000), ("b", 2000)]))
        .unwrap();
    assert_eq!(
        proposal,
        Proposal {
            replicas: 6,
            average: 1500,
            percent: None
        }
    );
}
