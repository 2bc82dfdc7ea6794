//! How fast and how far a proposal is followed: what was proposed of late, the policies of the object, its bounds. Pure
//! but for the clock's readings that come in.

use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::{HPAScalingRules, HorizontalPodAutoscalerBehavior};
use tokio::time::Instant;

/// How long a higher proposal holds a scale-down up, unless the object says otherwise; as in Kubernetes.
const DOWN_STABILIZATION: Duration = Duration::from_secs(5 * 60);
/// Without rules of its own an object at most doubles, or grows to four.
const UP_FACTOR: i32 = 2;
const UP_MINIMUM: i32 = 4;
/// Proposals and changes older than this matter to nobody: the longest window that the API takes.
const FORGET: Duration = Duration::from_secs(3600);

/// What is remembered of one object.
#[derive(Debug, Default)]
pub(super) struct Memory {
    proposals: Vec<(Instant, i32)>,
    ups: Vec<(Instant, i32)>,
    downs: Vec<(Instant, i32)>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) current: i32,
    pub(super) proposed: i32,
    pub(super) min: i32,
    pub(super) max: i32,
}

/// A condition's reason and message.
pub(super) type Words = (&'static str, &'static str);

/// What is done, and what is said of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) replicas: i32,
    pub(super) able: Words,
    /// Whether something held the wish back.
    pub(super) limited: bool,
    pub(super) limit: Words,
}

const READY: Words = ("ReadyForNewScale", "recommended size matches current size");
const DOWN_STABILIZED: Words = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);
const UP_STABILIZED: Words = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);
const UP_LIMIT: Words = (
    "ScaleUpLimit",
    "the desired replica count is increasing faster than the maximum scale rate",
);
const DOWN_LIMIT: Words = (
    "ScaleDownLimit",
    "the desired replica count is decreasing faster than the maximum scale rate",
);
const TOO_MANY: Words = (
    "TooManyReplicas",
    "the desired replica count is more than the maximum replica count",
);
const TOO_FEW: Words = (
    "TooFewReplicas",
    "the desired replica count is less than the minimum replica count",
);
const WITHIN: Words = (
    "DesiredWithinRange",
    "the desired count is within the acceptable range",
);

// === impl Memory ===

impl Memory {
    /// The first look at an object counts as a proposal to stay.
    pub(super) fn begin(&mut self, current: i32, now: Instant) {
        if self.proposals.is_empty() {
            self.proposals.push((now, current));
        }
    }

    /// A change that was made.
    pub(super) fn changed(&mut self, from: i32, to: i32, now: Instant) {
        if to > from {
            self.ups.push((now, to - from));
        } else {
            self.downs.push((now, from - to));
        }
    }

    pub(super) fn decide(
        &mut self,
        wish: Wish,
        behavior: Option<&HorizontalPodAutoscalerBehavior>,
        now: Instant,
    ) -> Verdict {
        for list in [&mut self.proposals, &mut self.ups, &mut self.downs] {
            list.retain(|(at, _)| now - *at <= FORGET);
        }
        let rules = |rules: Option<&HPAScalingRules>| rules.cloned().unwrap_or_default();
        let (stable, why) = match behavior {
            None => (
                self.highest(wish.proposed, DOWN_STABILIZATION, now),
                DOWN_STABILIZED,
            ),
            Some(behavior) => {
                let up = window(&rules(behavior.scale_up.as_ref()), Duration::ZERO);
                let down = window(&rules(behavior.scale_down.as_ref()), DOWN_STABILIZATION);
                let least = self.lowest(wish.proposed, up, now);
                let most = self.highest(wish.proposed, down, now);
                let stable = wish.current.max(least).min(most);
                let grows = wish.proposed >= wish.current;
                (
                    stable,
                    if grows {
                        UP_STABILIZED
                    } else {
                        DOWN_STABILIZED
                    },
                )
            }
        };
        self.proposals.push((now, wish.proposed));
        let able = if stable == wish.proposed { READY } else { why };
        let wish = Wish {
            proposed: stable,
            ..wish
        };
        let (replicas, limit) = match behavior {
            None => plainly(wish),
            Some(b) if stable > wish.current => self.up(wish, &rules(b.scale_up.as_ref()), now),
            Some(b) if stable < wish.current => self.down(wish, &rules(b.scale_down.as_ref()), now),
            Some(_) => (stable, WITHIN),
        };
        Verdict {
            replicas,
            able,
            limited: replicas != stable,
            limit,
        }
    }

    fn highest(&self, proposed: i32, window: Duration, now: Instant) -> i32 {
        let recent = self.proposals.iter().filter(|(at, _)| now - *at < window);
        recent.map(|(_, n)| *n).fold(proposed, i32::max)
    }

    fn lowest(&self, proposed: i32, window: Duration, now: Instant) -> i32 {
        let recent = self.proposals.iter().filter(|(at, _)| now - *at < window);
        recent.map(|(_, n)| *n).fold(proposed, i32::min)
    }

    fn up(&self, wish: Wish, rules: &HPAScalingRules, now: Instant) -> (i32, Words) {
        let limits = self.starts(wish, rules, now).map(|(start, kind, value)| {
            if kind == "Pods" {
                start + value
            } else {
                share(start, 100 + value, true)
            }
        });
        let limit = match rules.select_policy.as_deref() {
            Some("Disabled") => wish.current,
            Some("Min") => limits.min().unwrap_or(i32::MAX),
            _ => limits.max().unwrap_or(i32::MIN),
        };
        let limit = limit.max(wish.current);
        let (most, why) = if wish.max > limit {
            (limit, UP_LIMIT)
        } else {
            (wish.max, TOO_MANY)
        };
        if wish.proposed > most {
            (most, why)
        } else {
            (wish.proposed, WITHIN)
        }
    }

    fn down(&self, wish: Wish, rules: &HPAScalingRules, now: Instant) -> (i32, Words) {
        let limits = self.starts(wish, rules, now).map(|(start, kind, value)| {
            if kind == "Pods" {
                start - value
            } else {
                share(start, 100 - value, false)
            }
        });
        let limit = match rules.select_policy.as_deref() {
            Some("Disabled") => wish.current,
            Some("Min") => limits.max().unwrap_or(i32::MIN),
            _ => limits.min().unwrap_or(i32::MAX),
        };
        let limit = limit.min(wish.current);
        let (least, why) = if wish.min < limit {
            (limit, DOWN_LIMIT)
        } else {
            (wish.min, TOO_FEW)
        };
        if wish.proposed < least {
            (least, why)
        } else {
            (wish.proposed, WITHIN)
        }
    }

    /// For each policy: how many there were when its period began, its kind, and its value.
    fn starts<'a>(
        &'a self,
        wish: Wish,
        rules: &'a HPAScalingRules,
        now: Instant,
    ) -> impl Iterator<Item = (i32, &'a str, i32)> {
        let within = move |list: &[(Instant, i32)], period: Duration| -> i32 {
            let recent = list.iter().filter(|(at, _)| now - *at < period);
            recent.map(|(_, n)| n).sum()
        };
        let policies = rules.policies.iter().flatten();
        policies.map(move |policy| {
            let period = Duration::from_secs(u64::try_from(policy.period_seconds).unwrap_or(0));
            let start = wish.current - within(&self.ups, period) + within(&self.downs, period);
            (start, policy.type_.as_str(), policy.value)
        })
    }
}

fn window(rules: &HPAScalingRules, otherwise: Duration) -> Duration {
    let seconds = rules.stabilization_window_seconds;
    let seconds = seconds.and_then(|s| u64::try_from(s).ok());
    seconds.map_or(otherwise, Duration::from_secs)
}

/// Without rules of its own.
fn plainly(wish: Wish) -> (i32, Words) {
    let limit = wish.current.saturating_mul(UP_FACTOR).max(UP_MINIMUM);
    let (most, why) = if wish.max > limit {
        (limit, UP_LIMIT)
    } else {
        (wish.max, TOO_MANY)
    };
    if wish.proposed < wish.min {
        (wish.min, TOO_FEW)
    } else if wish.proposed > most {
        (most, why)
    } else {
        (wish.proposed, WITHIN)
    }
}

fn share(count: i32, percent: i32, up: bool) -> i32 {
    let hundredfold = i64::from(count) * i64::from(percent) + if up { 99 } else { 0 };
    i32::try_from(hundredfold / 100).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wish(current: i32, proposed: i32) -> Wish {
        Wish {
            current,
            proposed,
            min: 1,
            max: 20,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_scale_down_waits_until_nobody_wanted_more_for_five_minutes() {
        let mut memory = Memory::default();
        memory.begin(6, Instant::now());
        let held = memory.decide(wish(6, 2), None, Instant::now());
        assert_eq!((held.replicas, held.able.0), (6, "ScaleDownStabilized"));
        tokio::time::advance(Duration::from_secs(301)).await;
        let freed = memory.decide(wish(6, 2), None, Instant::now());
        assert_eq!((freed.replicas, freed.able.0), (2, "ReadyForNewScale"));
    }

    #[tokio::test(start_paused = true)]
    async fn without_rules_a_count_doubles_at_most() {
        let mut memory = Memory::default();
        let verdict = memory.decide(wish(3, 15), None, Instant::now());
        assert_eq!(
            (verdict.replicas, verdict.limit.0, verdict.limited),
            (6, "ScaleUpLimit", true)
        );
        let verdict = memory.decide(wish(1, 3), None, Instant::now());
        assert_eq!(
            (verdict.replicas, verdict.limited),
            (4, true),
            "a higher one was proposed of late"
        );
        let many = memory.decide(wish(18, 30), None, Instant::now());
        assert_eq!((many.replicas, many.limit.0), (20, "TooManyReplicas"));
    }

    #[tokio::test(start_paused = true)]
    async fn policies_say_how_fast() {
        let behavior: HorizontalPodAutoscalerBehavior = serde_json::from_value(json!({
            "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]},
            "scaleDown": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}]}}))
        .unwrap();
        let mut memory = Memory::default();
        let now = Instant::now();
        let first = memory.decide(wish(4, 10), Some(&behavior), now);
        assert_eq!((first.replicas, first.limit.0), (6, "ScaleUpLimit"));
        memory.changed(4, 6, now);
        tokio::time::advance(Duration::from_secs(30)).await;
        let second = memory.decide(wish(6, 10), Some(&behavior), Instant::now());
        assert_eq!(second.replicas, 6, "the period's two are taken");
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(
            memory
                .decide(wish(6, 10), Some(&behavior), Instant::now())
                .replicas,
            8
        );
        let down = memory.decide(wish(8, 1), Some(&behavior), Instant::now());
        assert_eq!((down.replicas, down.limit.0), (4, "ScaleDownLimit"));
    }
}
