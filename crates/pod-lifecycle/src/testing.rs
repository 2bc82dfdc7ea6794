//! Pods and sightings for the tests of this crate, in as few words as possible.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodSpec};

use crate::{ContainerId, Exit, Now, Seen, SeenContainer, State};

/// A pod `web` in `default` with this spec.
pub(crate) fn pod(spec: &str) -> Pod {
    let mut pod = Pod::default();
    pod.metadata.name = Some("web".into());
    pod.metadata.namespace = Some("default".into());
    pod.metadata.uid = Some("u1".into());
    pod.spec = Some(serde_json::from_str::<PodSpec>(spec).unwrap());
    pod
}

/// `secs` seconds after the beginning, on both clocks.
pub(crate) fn at(secs: u32) -> Now {
    Now {
        wall: wall(secs),
        elapsed: std::time::Duration::from_secs(secs.into()),
    }
}

pub(crate) fn wall(secs: u32) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + i64::from(secs)).unwrap()
}

/// A sighting, from words: `a#0 running@3`, `a#1 exit=2@5`, `a#0 created`.
pub(crate) fn seen(lines: &[&str]) -> Seen {
    Seen {
        runtime: "process".into(),
        sandbox: true,
        containers: lines.iter().map(|l| container(l)).collect(),
    }
}

fn container(line: &str) -> SeenContainer {
    let (id, state) = line.split_once(' ').unwrap();
    let (name, attempt) = id.split_once('#').unwrap();
    let (what, when) = state.split_once('@').unwrap_or((state, "0"));
    let when = wall(when.parse().unwrap());
    SeenContainer {
        id: ContainerId(id.to_owned()),
        name: name.to_owned(),
        attempt: attempt.parse().unwrap(),
        image: "process".into(),
        user: None,
        current: true,
        state: match what.split_once('=') {
            Some((_, code)) => State::Exited(Exit {
                started: wall(0),
                finished: when,
                code: code.parse().unwrap(),
                signal: None,
                reason: None,
                message: None,
            }),
            None if what == "running" => State::Running { started: when },
            None => State::Created,
        },
    }
}
