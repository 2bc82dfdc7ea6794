//! What an autoscaler says of itself.

use cedge_tasks::clock;
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerStatus, MetricStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

/// A status while it is put together.
pub(super) struct Status(HorizontalPodAutoscalerStatus);

impl Status {
    pub(super) fn new(before: HorizontalPodAutoscalerStatus) -> Self {
        Self(before)
    }

    /// States a condition; its time changes with its status only.
    pub(super) fn set(&mut self, kind: &str, is: bool, reason: &str, text: impl Into<String>) {
        let status = if is { "True" } else { "False" };
        let list = self.0.conditions.get_or_insert_default();
        let found = list.iter_mut().find(|c| c.type_ == kind);
        let condition = match found {
            Some(condition) => condition,
            None => {
                list.push(HorizontalPodAutoscalerCondition {
                    type_: kind.to_owned(),
                    ..HorizontalPodAutoscalerCondition::default()
                });
                list.last_mut().expect("it was pushed just now")
            }
        };
        if condition.status != status {
            condition.last_transition_time = Some(Time(clock::now()));
        }
        condition.status = status.to_owned();
        condition.reason = Some(reason.to_owned());
        condition.message = Some(text.into());
    }

    /// What was measured; metrics that failed have no place.
    pub(super) fn measured(&mut self, current: i32, metrics: Vec<Value>) {
        self.seen(current);
        let metrics = metrics.into_iter();
        let metrics: Vec<MetricStatus> = metrics
            .filter_map(|m| serde_json::from_value(m).ok())
            .collect();
        self.0.current_metrics = Some(metrics).filter(|m| !m.is_empty());
    }

    pub(super) fn seen(&mut self, current: i32) {
        self.0.current_replicas = Some(current);
    }

    /// Nothing is changed.
    pub(super) fn stay(&mut self, current: i32, generation: i64) {
        self.seen(current);
        self.0.desired_replicas = current;
        self.0.observed_generation = observed(generation);
    }

    pub(super) fn rescaled(&mut self, current: i32, wanted: i32, generation: i64) {
        self.seen(current);
        self.0.desired_replicas = wanted;
        self.0.observed_generation = observed(generation);
        self.0.last_scale_time = Some(Time(clock::now()));
    }

    pub(super) fn finish(self) -> HorizontalPodAutoscalerStatus {
        self.0
    }
}

/// Kinds without generations have none to observe.
fn observed(generation: i64) -> Option<i64> {
    (generation > 0).then_some(generation)
}

/// An average of thousandths as the status writes it.
pub(super) fn quantity(resource: &str, milli: i64) -> Value {
    let whole = milli % 1000 == 0;
    let quantity = if resource == "memory" && whole {
        cedge_kinds::Quantity::from_bytes(milli / 1000)
    } else {
        cedge_kinds::Quantity::from_millis(milli)
    };
    json!(quantity.to_string())
}
