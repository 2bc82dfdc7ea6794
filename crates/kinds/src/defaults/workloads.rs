//! `apps`, `batch` and `autoscaling`.

use serde_json::{Value, json};

use super::Lit::{B, I, Obj, S};
use super::Rule::{Amount, Call, Each, Fill, In, Make, Set};
use super::{Table, pods};
use crate::read::{Read, child_mut, put};

/// Group, version, kind and table.
pub(super) const TABLES: &[(&str, &str, &str, Table)] = &[
    ("apps", "v1", "Deployment", DEPLOYMENT),
    ("apps", "v1", "ReplicaSet", REPLICA_SET),
    ("apps", "v1", "DaemonSet", DAEMON_SET),
    ("apps", "v1", "StatefulSet", STATEFUL_SET),
    ("batch", "v1", "Job", JOB),
    ("batch", "v1", "CronJob", CRON_JOB),
    (
        "autoscaling",
        "v1",
        "HorizontalPodAutoscaler",
        AUTOSCALER_V1,
    ),
    (
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        AUTOSCALER_V2,
    ),
];

const DEPLOYMENT: Table = &[
    Make(
        "spec",
        &[
            Set("replicas", I(1)),
            Set("strategy", Obj),
            Fill("strategy.type", S("RollingUpdate")),
            Call(|spec| {
                rolling(
                    spec,
                    "strategy",
                    &[("maxUnavailable", "25%"), ("maxSurge", "25%")],
                );
            }),
            Set("revisionHistoryLimit", I(10)),
            Set("progressDeadlineSeconds", I(600)),
            Make("template", pods::TEMPLATE),
        ],
    ),
    Set("status", Obj),
];

const REPLICA_SET: Table = &[
    Make(
        "spec",
        &[Set("replicas", I(1)), Make("template", pods::TEMPLATE)],
    ),
    Make("status", &[Set("replicas", I(0))]),
];

const DAEMON_SET: Table = &[
    Make(
        "spec",
        &[
            Set("updateStrategy", Obj),
            Fill("updateStrategy.type", S("RollingUpdate")),
            Call(rolling_daemons),
            Set("revisionHistoryLimit", I(10)),
            Make("template", pods::TEMPLATE),
        ],
    ),
    Make(
        "status",
        &[
            Set("currentNumberScheduled", I(0)),
            Set("numberMisscheduled", I(0)),
            Set("desiredNumberScheduled", I(0)),
            Set("numberReady", I(0)),
        ],
    ),
];

const STATEFUL_SET: Table = &[
    Make(
        "spec",
        &[
            Fill("podManagementPolicy", S("OrderedReady")),
            Set("updateStrategy", Obj),
            Call(stateful_strategy),
            Make(
                "persistentVolumeClaimRetentionPolicy",
                &[
                    Fill("whenDeleted", S("Retain")),
                    Fill("whenScaled", S("Retain")),
                ],
            ),
            Set("replicas", I(1)),
            Set("revisionHistoryLimit", I(10)),
            Make("template", pods::TEMPLATE),
            Each("volumeClaimTemplates", CLAIM_TEMPLATE),
        ],
    ),
    Make(
        "status",
        &[Set("replicas", I(0)), Set("availableReplicas", I(0))],
    ),
];

/// In a `StatefulSet` the templates are whole claims.
const CLAIM_TEMPLATE: Table = &[
    Set("apiVersion", S("v1")),
    Set("kind", S("PersistentVolumeClaim")),
    Set("metadata", Obj),
    Make("spec", pods::CLAIM_SPEC),
    Make("status", &[Fill("phase", S("Pending"))]),
];

const JOB: Table = &[Call(job_labels), Make("spec", JOB_SPEC), Set("status", Obj)];

const JOB_SPEC: Table = &[
    Call(completions),
    Call(backoff),
    Set("completionMode", S("NonIndexed")),
    Set("suspend", B(false)),
    Call(replacement),
    Set("manualSelector", B(false)),
    Call(failure_patterns),
    Make("template", pods::TEMPLATE),
];

const CRON_JOB: Table = &[
    Make(
        "spec",
        &[
            Fill("concurrencyPolicy", S("Allow")),
            Set("suspend", B(false)),
            Set("successfulJobsHistoryLimit", I(3)),
            Set("failedJobsHistoryLimit", I(1)),
            Make(
                "jobTemplate",
                &[Set("metadata", Obj), Make("spec", JOB_TEMPLATE_SPEC)],
            ),
        ],
    ),
    Set("status", Obj),
];

/// A Job in a `CronJob` gets its own defaults only when it is created.
const JOB_TEMPLATE_SPEC: Table = &[Call(failure_patterns), Make("template", pods::TEMPLATE)];

const AUTOSCALER_V1: Table = &[
    Make("spec", &[Set("minReplicas", I(1))]),
    Make(
        "status",
        &[Set("currentReplicas", I(0)), Set("desiredReplicas", I(0))],
    ),
];

const METRIC: Table = &[
    In("resource.target", METRIC_VALUE),
    In("containerResource.target", METRIC_VALUE),
    In("pods.target", METRIC_VALUE),
    In("object.target", METRIC_VALUE),
    In("external.target", METRIC_VALUE),
];

const METRIC_VALUE: Table = &[Amount("value"), Amount("averageValue")];

const AUTOSCALER_V2: Table = &[
    Make(
        "spec",
        &[
            Set("minReplicas", I(1)),
            Call(cpu_metric),
            Each("metrics", METRIC),
            In("behavior", &[Call(behavior)]),
        ],
    ),
    Make(
        "status",
        &[Call(no_current_metrics), Set("desiredReplicas", I(0))],
    ),
];

fn rolling(spec: &mut Value, strategy: &str, amounts: &[(&str, &str)]) {
    let strategy = child_mut(spec, strategy);
    if strategy.text("type") != "RollingUpdate" {
        return;
    }
    let update = child_mut(strategy, "rollingUpdate");
    for (name, amount) in amounts {
        if !update.has(name) {
            put(update, name, Some((*amount).into()));
        }
    }
}

fn rolling_daemons(spec: &mut Value) {
    let strategy = child_mut(spec, "updateStrategy");
    if strategy.text("type") != "RollingUpdate" {
        return;
    }
    let update = child_mut(strategy, "rollingUpdate");
    for (name, amount) in [("maxUnavailable", 1), ("maxSurge", 0)] {
        if !update.has(name) {
            put(update, name, Some(amount.into()));
        }
    }
}

fn stateful_strategy(spec: &mut Value) {
    let strategy = child_mut(spec, "updateStrategy");
    if strategy.text("type").is_empty() {
        put(strategy, "type", Some("RollingUpdate".into()));
        if !strategy.has("rollingUpdate") {
            put(strategy, "rollingUpdate", Some(json!({})));
        }
    }
    if strategy.text("type") != "RollingUpdate" || !strategy.has("rollingUpdate") {
        return;
    }
    let update = child_mut(strategy, "rollingUpdate");
    for (name, amount) in [("partition", 0), ("maxUnavailable", 1)] {
        if !update.has(name) {
            put(update, name, Some(amount.into()));
        }
    }
}

fn job_labels(job: &mut Value) {
    let labels = job.at("spec.template.metadata.labels").clone();
    if labels.is_object() && super::is_zero(job.at("metadata.labels")) {
        put(child_mut(job, "metadata"), "labels", Some(labels));
    }
}

fn completions(spec: &mut Value) {
    if !spec.has("completions") && !spec.has("parallelism") {
        put(spec, "completions", Some(1.into()));
    }
    if !spec.has("parallelism") {
        put(spec, "parallelism", Some(1.into()));
    }
}

fn backoff(spec: &mut Value) {
    if !spec.has("backoffLimit") {
        let limit = if spec.has("backoffLimitPerIndex") {
            i32::MAX
        } else {
            6
        };
        put(spec, "backoffLimit", Some(limit.into()));
    }
}

fn replacement(spec: &mut Value) {
    if !spec.has("podReplacementPolicy") {
        let policy = if spec.has("podFailurePolicy") {
            "Failed"
        } else {
            "TerminatingOrFailed"
        };
        put(spec, "podReplacementPolicy", Some(policy.into()));
    }
}

fn failure_patterns(spec: &mut Value) {
    let rules = super::find_mut(spec, "podFailurePolicy.rules").and_then(Value::as_array_mut);
    for rule in rules.into_iter().flatten() {
        let patterns = rule
            .get_mut("onPodConditions")
            .and_then(Value::as_array_mut);
        for pattern in patterns.into_iter().flatten() {
            if pattern.text("status").is_empty() {
                put(pattern, "status", Some("True".into()));
            }
        }
    }
}

fn cpu_metric(spec: &mut Value) {
    if spec.items("metrics").is_empty() {
        let metric = json!({
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
        });
        put(spec, "metrics", Some(json!([metric])));
    }
}

fn no_current_metrics(status: &mut Value) {
    if !status.has("currentMetrics") {
        put(status, "currentMetrics", Some(Value::Null));
    }
}

fn behavior(behavior: &mut Value) {
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
    let up = json!({
        "stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [pods, percent],
    });
    let down = json!({"selectPolicy": "Max", "policies": [percent]});
    for (side, rules) in [("scaleUp", up), ("scaleDown", down)] {
        let own = child_mut(behavior, side);
        for (name, rule) in rules.as_object().into_iter().flatten() {
            if !own.has(name) {
                put(own, name, Some(rule.clone()));
            }
        }
    }
}
