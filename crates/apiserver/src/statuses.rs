//! Keeps what Kubernetes' API server itself keeps of its own kinds: an APIService for each group and version that is
//! served, whether a FlowSchema refers to something.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedge_kinds::read::Read;
use serde_json::{Value, json};

use crate::api::{Api, WriteFailure};
use crate::cache::{KindCache, Object, Seen, Watcher};
use crate::managed;
use crate::meta;
use crate::selector::Filter;
use crate::status::{Error, Result};

pub(crate) const FLOW: &str = "flowcontrol.apiserver.k8s.io";
/// The names under which Kubernetes' server writes its own objects: most of them, how requests share it, and what
/// becomes of that.
pub(crate) const SERVER: &str = "kube-apiserver";
pub(crate) const PRODUCER: &str = "api-priority-and-fairness-config-producer-v1";
pub(crate) const CONSUMER: &str = "api-priority-and-fairness-config-consumer-v1";
const SCHEMAS: &str = "flowschemas";
const LEVELS: &str = "prioritylevelconfigurations";
pub(crate) const REGISTRATION: &str = "apiregistration.k8s.io";
pub(crate) const SERVICES: &str = "apiservices";
/// Marks what is made and removed here; `onstart` is never removed.
pub(crate) const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

/// Group priority and version priority of what is built in.
const BUILT_IN: &[(&str, &str, i64, i64)] = &[
    ("", "v1", 18000, 1),
    ("admissionregistration.k8s.io", "v1", 16700, 15),
    ("apiextensions.k8s.io", "v1", 16700, 15),
    ("apps", "v1", 17800, 15),
    ("authentication.k8s.io", "v1", 17700, 15),
    ("authorization.k8s.io", "v1", 17600, 15),
    ("autoscaling", "v1", 17500, 15),
    ("autoscaling", "v2", 17500, 30),
    ("batch", "v1", 17400, 15),
    ("certificates.k8s.io", "v1", 17300, 15),
    ("coordination.k8s.io", "v1", 16500, 15),
    ("discovery.k8s.io", "v1", 16200, 15),
    ("events.k8s.io", "v1", 17750, 15),
    ("flowcontrol.apiserver.k8s.io", "v1", 16100, 21),
    ("networking.k8s.io", "v1", 17200, 15),
    ("node.k8s.io", "v1", 16300, 15),
    ("policy", "v1", 17100, 15),
    ("rbac.authorization.k8s.io", "v1", 17000, 15),
    ("resource.k8s.io", "v1", 16200, 21),
    ("scheduling.k8s.io", "v1", 16600, 15),
    ("storage.k8s.io", "v1", 16800, 15),
    ("storagemigration.k8s.io", "v1", 15800, 15),
];

/// An APIService for a group and version that is served here.
fn local(group: &str, version: &str, group_priority: i64, priority: i64, managed: &str) -> Value {
    let name = format!("{version}.{group}");
    let mut spec = json!({
        "version": version, "groupPriorityMinimum": group_priority, "versionPriority": priority,
    });
    if !group.is_empty() {
        spec["group"] = json!(group);
    }
    json!({
        "kind": "APIService", "apiVersion": "apiregistration.k8s.io/v1",
        "metadata": {"name": name, "labels": {MANAGED: managed}}, "spec": spec,
        "status": {"conditions": [condition("True", "Local", "Local APIServices are always available")]},
    })
}

/// The APIServices of what is built in.
pub(crate) fn built_in() -> impl Iterator<Item = Value> {
    let services = BUILT_IN.iter();
    services
        .map(|(group, version, of_group, own)| local(group, version, *of_group, *own, "onstart"))
}

/// The condition `Available`, from now on.
pub(crate) fn condition(status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": "Available", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": cedge_tasks::clock::now_rfc3339(),
    })
}

/// The FlowSchemas and PriorityLevelConfigurations of every Kubernetes cluster.
pub(crate) fn flow_objects() -> Vec<Value> {
    const TEXT: &str = include_str!("../data/flow.jsonl");
    let lines = TEXT.lines().map(|line| {
        let mut object: Value = serde_json::from_str(line).expect("the file holds JSON");
        let name = object["name"].take();
        object["metadata"] =
            json!({"name": name, "annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}});
        object["apiVersion"] = json!("flowcontrol.apiserver.k8s.io/v1");
        object["status"] = json!({});
        let level = object.at("spec.priorityLevelConfiguration.name");
        if let Some(level) = level.as_str() {
            object["status"] = json!({"conditions": [dangling(level, true)]});
        }
        if let Some(fields) = object.as_object_mut() {
            fields.remove("name");
        }
        object
    });
    lines.collect()
}

/// Follows the kinds until the server ends.
///
/// # Errors
/// A write failed, or the position in the changes was lost; to be started again.
pub(crate) async fn run(api: Arc<Api>) -> Result<(), Error> {
    let kinds = [
        api.cache.kind(FLOW, SCHEMAS),
        api.cache.kind(FLOW, LEVELS),
        api.cache.kind(REGISTRATION, SERVICES),
        api.cache.kind(crate::crds::GROUP, crate::crds::PLURAL),
    ];
    let mut watchers = kinds.each_ref().map(|kind| watch(&api, kind));
    loop {
        schemas(&api).await?;
        services(&api).await?;
        let [a, b, c, d] = &mut watchers;
        // Cancel safe: a position moves only when changes are given out.
        let seen = tokio::select! {
            biased;
            () = api.tasks.shutdown().wait() => return Ok(()),
            seen = a.next() => seen,
            seen = b.next() => seen,
            seen = c.next() => seen,
            seen = d.next() => seen,
        };
        match seen {
            Seen::Changes(_) => {}
            Seen::TooOld(error) => return Err(error),
            Seen::Closed => return Ok(()),
        }
    }
}

fn watch(api: &Api, kind: &Arc<KindCache>) -> Watcher {
    let listed = kind.list(&Filter::default(), None, 0, api.cache.revision());
    Watcher::from_list(&api.cache, kind, listed.seen, listed.revision)
}

/// Says of every FlowSchema whether its level is there.
async fn schemas(api: &Api) -> Result<()> {
    let levels = api.cache.kind(FLOW, LEVELS);
    for object in all(&api.cache.kind(FLOW, SCHEMAS)) {
        let mut schema = object.value()?;
        let spec = schema.field("spec");
        let level = spec
            .field("priorityLevelConfiguration")
            .text("name")
            .to_owned();
        let found = levels.get(&level).is_some();
        if !set(&mut schema, dangling(&level, found)) {
            continue;
        }
        let resource = api.registry.built_in(FLOW, "v1", SCHEMAS);
        let status = schema.field("status");
        let applied = managed::note_applied(&resource, CONSUMER, &object.value()?, status);
        write(api, FLOW, SCHEMAS, &applied.unwrap_or(schema), &object).await?;
    }
    Ok(())
}

/// Whether a schema refers to a level that is not there.
fn dangling(level: &str, found: bool) -> Value {
    let reference =
        format!("This FlowSchema references the PriorityLevelConfiguration object named {level:?}");
    let (status, reason, message) = if found {
        ("False", "Found", format!("{reference} and it exists"))
    } else {
        let message = format!("{reference} but there is no such object");
        ("True", "NotFound", message)
    };
    json!({"type": "Dangling", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": cedge_tasks::clock::now_rfc3339()})
}

/// Makes the APIServices of what definitions define, removes those of what is gone, and says of all local ones that
/// they are available.
async fn services(api: &Api) -> Result<()> {
    let resource = api.registry.built_in(REGISTRATION, "v1", SERVICES);
    let mut wanted = BTreeSet::new();
    for object in all(&api.cache.kind(crate::crds::GROUP, crate::crds::PLURAL)) {
        let definition = object.value()?;
        if crate::crds::is_true(&definition, "Established") {
            let group = definition["spec"]["group"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let versions = definition["spec"]["versions"]
                .as_array()
                .into_iter()
                .flatten();
            let served = versions.filter(|v| v.flag("served"));
            wanted.extend(served.map(|v| (v.text("name").to_owned(), group.clone())));
        }
    }
    for (version, group) in &wanted {
        if resource.cache.get(&format!("{version}.{group}")).is_none() {
            let service = local(group, version, 1000, 100, "true");
            crate::bootstrap::ensure(api, (REGISTRATION, "v1", SERVICES), service).await?;
        }
    }
    for object in all(&resource.cache) {
        let mut service = object.value()?;
        let spec = service.field("spec");
        if spec.field("service").is_object() {
            continue;
        }
        let place = (
            spec.text("version").to_owned(),
            spec.text("group").to_owned(),
        );
        let ours = service.at("metadata.labels").text(MANAGED) == "true";
        if ours && !wanted.contains(&place) {
            match api.remove(&resource, &service, object.revision()).await {
                Ok(_) | Err(WriteFailure::Conflict) => continue,
                Err(WriteFailure::Other(error)) => return Err(error),
            }
        }
        if set(
            &mut service,
            condition("True", "Local", "Local APIServices are always available"),
        ) {
            write(api, REGISTRATION, SERVICES, &service, &object).await?;
        }
    }
    Ok(())
}

fn all(kind: &KindCache) -> Vec<Arc<Object>> {
    kind.list(&Filter::default(), None, 0, 0).objects
}

/// Sets a condition; whether anything but its time is new.
pub(crate) fn set(object: &mut Value, mut condition: Value) -> bool {
    let status = meta::fields(object, "status");
    let list = status.entry("conditions").or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    let Some(list) = list.as_array_mut() else {
        return false;
    };
    match list.iter_mut().find(|c| c["type"] == condition["type"]) {
        None => {
            list.push(condition);
            true
        }
        Some(old) => {
            if old["status"] == condition["status"] {
                condition["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            let changed = *old != condition;
            *old = condition;
            changed
        }
    }
}

/// Writes an object that somebody else may write as well: then it is looked at again.
pub(crate) async fn write(
    api: &Api,
    group: &str,
    plural: &str,
    object: &Value,
    before: &Object,
) -> Result<()> {
    let resource = api.registry.built_in(group, "v1", plural);
    let mut object = object.clone();
    if group != FLOW {
        let live = before.value()?;
        managed::note(&resource, SERVER, "status", Some(&live), &mut object);
    }
    match api.replace(&resource, &object, before.revision()).await {
        Ok(_) | Err(WriteFailure::Conflict) => Ok(()),
        Err(WriteFailure::Other(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_refers_to_a_level_that_is_there() {
        let objects = flow_objects();
        let named = |kind: &str| -> BTreeSet<String> {
            let of_kind = objects.iter().filter(|o| o["kind"] == kind);
            of_kind.map(|o| meta::name(o).to_owned()).collect()
        };
        let levels = named("PriorityLevelConfiguration");
        assert_eq!((levels.len(), named("FlowSchema").len()), (8, 11));
        for schema in objects.iter().filter(|o| o["kind"] == "FlowSchema") {
            let level = schema.at("spec.priorityLevelConfiguration.name");
            assert!(levels.contains(level.as_str().unwrap()), "{schema}");
        }
    }

    #[test]
    fn a_condition_keeps_its_time_while_it_holds() {
        let mut object = json!({"status": {"conditions": [
            {"type": "Available", "status": "True", "reason": "Local", "message": "m", "lastTransitionTime": "then"}]}});
        assert!(!set(&mut object, condition("True", "Local", "m")));
        assert!(set(&mut object, condition("True", "Passed", "m")));
        assert_eq!(
            object["status"]["conditions"][0]["lastTransitionTime"],
            "then"
        );
        assert!(set(&mut object, condition("False", "x", "m")));
        assert_ne!(
            object["status"]["conditions"][0]["lastTransitionTime"],
            "then"
        );
    }
}
