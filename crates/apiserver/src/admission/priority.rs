//! Who goes before whom: a pod's priority comes from its class, or from the class that is everybody's.

use serde_json::{Value, json};

use crate::api::Api;
use crate::call::Call;
use crate::meta;
use crate::selector::Filter;
use crate::status::{Error, Result};

const GROUP: &str = "scheduling.k8s.io";
const PLURAL: &str = "priorityclasses";
/// What a pod without any class does with those that are less important.
const PREEMPT: &str = "PreemptLowerPriority";

/// Gives a new pod the priority of its class; nobody states the number himself.
pub(super) async fn on_create(api: &Api, call: &Call, pod: &mut Value) -> Result<()> {
    api.cache.fresh().await?;
    let refuse = |pod: &Value, why| Err(super::forbidden_new(call, pod, why));
    let name = text(&pod["spec"]["priorityClassName"]).to_owned();
    let class = if name.is_empty() {
        default_class(api)?
    } else {
        let found = api.cache.kind(GROUP, PLURAL).get(&name);
        let Some(class) = found else {
            let why = format!("no PriorityClass with name {name} was found");
            return refuse(pod, why);
        };
        Some(class.value()?)
    };
    let class = class.unwrap_or_default();
    let value = class["value"].as_i64().unwrap_or(0);
    let policy = class["preemptionPolicy"].as_str().unwrap_or(PREEMPT);
    if let Some(given) = pod["spec"]["priority"].as_i64().filter(|g| *g != value) {
        let why = format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {value} from the given PriorityClass name"
        );
        return refuse(pod, why);
    }
    let given = text(&pod["spec"]["preemptionPolicy"]);
    if !given.is_empty() && given != policy {
        let why = format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        );
        return refuse(pod, why);
    }
    let spec = meta::fields(pod, "spec");
    if name.is_empty() && class.is_object() {
        spec.insert("priorityClassName".into(), json!(meta::name(&class)));
    }
    spec.insert("priority".into(), json!(value));
    spec.insert("preemptionPolicy".into(), json!(policy));
    Ok(())
}

/// What a pod was given stays where an update leaves it out.
pub(super) fn on_update(new: &mut Value, old: &Value) {
    for field in ["priority", "preemptionPolicy"] {
        if new["spec"][field].is_null() && !old["spec"][field].is_null() {
            new["spec"][field] = old["spec"][field].clone();
        }
    }
}

/// At most one class is everybody's.
pub(super) async fn check_class(
    api: &Api,
    call: &Call,
    class: &Value,
    old: Option<&Value>,
) -> Result<()> {
    if class["globalDefault"] != true {
        return Ok(());
    }
    api.cache.fresh().await?;
    let Some(other) = default_class(api)? else {
        return Ok(());
    };
    let other = meta::name(&other);
    if old.is_some() && other == meta::name(class) {
        return Ok(());
    }
    let why =
        format!("PriorityClass {other} is already marked as default. Only one default can exist");
    Err(super::forbidden(call, class, why))
}

/// The class of pods that name none; of several, the lowest.
fn default_class(api: &Api) -> Result<Option<Value>, Error> {
    let all = api.cache.kind(GROUP, PLURAL);
    let all = all.list(&Filter::default(), None, 0, 0).objects;
    let mut found: Option<Value> = None;
    for object in all {
        let class = object.value()?;
        let lower = |f: &Value| class["value"].as_i64() < f["value"].as_i64();
        if class["globalDefault"] == true && found.as_ref().is_none_or(lower) {
            found = Some(class);
        }
    }
    Ok(found)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
