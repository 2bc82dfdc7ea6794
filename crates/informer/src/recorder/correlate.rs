//! Decides what becomes of an event: written, counted, combined, or dropped. Pure; time is an argument.

use std::collections::HashMap;
use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Event, EventSource};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::Report;

/// Events that differ only in their message, within the interval, before they are combined.
const SIMILAR_MAX: usize = 10;
const SIMILAR_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// Events about one object from one component at once, and seconds for one more.
const BURST: f64 = 25.0;
const REFILL_SECONDS: f64 = 300.0;
/// Entries of each memory; client-go keeps 4096 for a whole cluster.
const REMEMBERED_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct Correlator {
    /// Tokens left per object.
    spam: HashMap<Source, (f64, Timestamp)>,
    /// Messages per similar event.
    similar: HashMap<Similar, (Vec<String>, Timestamp)>,
    /// What is stored per event.
    counted: HashMap<(Similar, String), Counted>,
}

type Source = (&'static str, String);
/// Everything but the message: component, object, warning, reason.
type Similar = (&'static str, String, bool, &'static str);

#[derive(Clone)]
struct Counted {
    count: i32,
    first: Timestamp,
    last: Timestamp,
    name: Option<String>,
}

/// What to write.
pub(super) struct Verdict {
    /// `None`: nothing.
    pub(super) event: Option<Event>,
    /// The stored event whose count is to be raised.
    pub(super) stored_as: Option<String>,
    key: (Similar, String),
}

impl Correlator {
    pub(super) fn take(&mut self, report: Report, now: Timestamp) -> Verdict {
        let object = identity(&report);
        let similar: Similar = (
            report.component,
            object.clone(),
            report.warning,
            report.reason,
        );
        let (message, key) = self.combine(&similar, &report.message, now);
        let counted = self.count(&key, now);
        if !self.has_token((report.component, object), now) {
            return Verdict {
                event: None,
                stored_as: None,
                key,
            };
        }
        Verdict {
            event: Some(event(report, message, &counted, now)),
            stored_as: counted.name,
            key,
        }
    }

    /// Notes under which name an event is stored.
    pub(super) fn stored(&mut self, verdict: &Verdict, name: Option<String>) {
        if let (Some(counted), Some(name)) = (self.counted.get_mut(&verdict.key), name) {
            counted.name = Some(name);
        }
    }

    fn combine(
        &mut self,
        similar: &Similar,
        message: &str,
        now: Timestamp,
    ) -> (String, (Similar, String)) {
        make_room(&mut self.similar, |(_, last)| *last);
        let (messages, last) = self
            .similar
            .entry(similar.clone())
            .or_insert_with(|| (Vec::new(), now));
        if now.duration_since(*last) > SIMILAR_WITHIN {
            messages.clear();
        }
        *last = now;
        if !messages.iter().any(|m| m == message) {
            if messages.len() + 1 >= SIMILAR_MAX {
                let combined = format!("(combined from similar events): {message}");
                return (combined, (similar.clone(), String::new()));
            }
            messages.push(message.to_owned());
        }
        (message.to_owned(), (similar.clone(), message.to_owned()))
    }

    fn count(&mut self, key: &(Similar, String), now: Timestamp) -> Counted {
        make_room(&mut self.counted, |c| c.last);
        let counted = self.counted.entry(key.clone()).or_insert(Counted {
            count: 0,
            first: now,
            last: now,
            name: None,
        });
        counted.count += 1;
        counted.last = now;
        counted.clone()
    }

    fn has_token(&mut self, source: Source, now: Timestamp) -> bool {
        make_room(&mut self.spam, |(_, last)| *last);
        let (tokens, last) = self.spam.entry(source).or_insert((BURST, now));
        let earned = now.duration_since(*last).as_secs_f64() / REFILL_SECONDS;
        *tokens = (*tokens + earned.max(0.0)).min(BURST);
        *last = now;
        if *tokens < 1.0 {
            return false;
        }
        *tokens -= 1.0;
        true
    }
}

fn event(report: Report, message: String, counted: &Counted, now: Timestamp) -> Event {
    let about = report.about;
    let namespace = about.namespace.clone().unwrap_or_else(|| "default".into());
    let name = about.name.clone().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:x}", now.as_nanosecond())),
            namespace: Some(namespace),
            ..ObjectMeta::default()
        },
        involved_object: about,
        type_: Some(if report.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(report.reason.to_owned()),
        message: Some(message),
        count: Some(counted.count),
        first_timestamp: Some(Time(counted.first)),
        last_timestamp: Some(Time(now)),
        source: Some(EventSource {
            component: Some(report.component.to_owned()),
            host: None,
        }),
        reporting_component: Some(report.component.to_owned()),
        ..Event::default()
    }
}

fn identity(report: &Report) -> String {
    let about = &report.about;
    let part = |p: &Option<String>| p.clone().unwrap_or_default();
    format!(
        "{}/{}/{}/{}",
        part(&about.kind),
        part(&about.namespace),
        part(&about.name),
        part(&about.uid)
    )
}

/// Forgets the half that was used longest ago when a memory is full.
fn make_room<K: Eq + Hash, V>(memory: &mut HashMap<K, V>, used: impl Fn(&V) -> Timestamp) {
    if memory.len() < REMEMBERED_MAX {
        return;
    }
    let mut times: Vec<Timestamp> = memory.values().map(&used).collect();
    times.sort_unstable();
    let middle = times[times.len() / 2];
    memory.retain(|_, v| used(v) > middle);
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ObjectReference;

    use super::*;

    fn report(message: &str) -> Report {
        Report {
            component: "test",
            about: ObjectReference {
                kind: Some("Pod".into()),
                namespace: Some("a".into()),
                name: Some("p".into()),
                ..ObjectReference::default()
            },
            warning: false,
            reason: "Why",
            message: message.into(),
        }
    }

    #[test]
    fn the_same_event_again_is_counted_on_the_stored_one() {
        let mut c = Correlator::default();
        let first = c.take(report("x"), Timestamp::UNIX_EPOCH);
        assert!(first.stored_as.is_none());
        let name = first.event.as_ref().unwrap().metadata.name.clone();
        c.stored(&first, name.clone());
        let second = c.take(report("x"), Timestamp::UNIX_EPOCH);
        assert_eq!(second.stored_as, name);
        assert_eq!(second.event.unwrap().count, Some(2));
    }

    #[test]
    fn the_tenth_similar_event_is_combined() {
        let mut c = Correlator::default();
        for i in 0..9 {
            let verdict = c.take(report(&i.to_string()), Timestamp::UNIX_EPOCH);
            assert_eq!(verdict.event.unwrap().message, Some(i.to_string()));
        }
        let verdict = c.take(report("last"), Timestamp::UNIX_EPOCH);
        assert_eq!(
            verdict.event.unwrap().message.as_deref(),
            Some("(combined from similar events): last")
        );
    }

    #[test]
    fn a_burst_is_cut_until_time_has_passed() {
        let mut c = Correlator::default();
        for _ in 0..25 {
            assert!(c.take(report("x"), Timestamp::UNIX_EPOCH).event.is_some());
        }
        assert!(c.take(report("x"), Timestamp::UNIX_EPOCH).event.is_none());
        let later = Timestamp::from_second(301).unwrap();
        assert!(c.take(report("x"), later).event.is_some());
    }
}
