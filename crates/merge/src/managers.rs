//! `metadata.managedFields`: who manages which fields, read, written, sorted and kept short.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::fields::{Set, wire};

/// More managers that only ever updated than this are folded into one.
const UPDATERS_MAX: usize = 10;
/// Manager of what was folded.
const ANCIENT: &str = "ancient-changes";

/// How a manager came by its fields. In the order in which entries are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Operation {
    Apply,
    Update,
}

/// Who: what tells one entry from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Manager {
    pub(crate) name: String,
    pub(crate) operation: Operation,
    /// Empty for those who apply: they stay the same whatever version they apply in.
    pub(crate) api_version: String,
    pub(crate) subresource: String,
}

/// What a manager owns, in the paths of one API version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) set: Set,
    pub(crate) api_version: String,
    /// RFC 3339.
    pub(crate) time: Option<String>,
}

/// All managers of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Managers {
    pub(crate) all: BTreeMap<Manager, Owned>,
}

// === impl Manager ===

impl Manager {
    pub(crate) fn new(
        name: &str,
        operation: Operation,
        api_version: &str,
        subresource: &str,
    ) -> Self {
        let name = if name.is_empty() { "unknown" } else { name };
        Self {
            name: name.to_owned(),
            operation,
            api_version: match operation {
                Operation::Apply => String::new(),
                Operation::Update => api_version.to_owned(),
            },
            subresource: subresource.to_owned(),
        }
    }

    /// As conflicts name it.
    pub(crate) fn show(&self) -> String {
        let mut out = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            out.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            out.push_str(&format!(" using {}", self.api_version));
        }
        out
    }
}

// === impl Managers ===

impl Managers {
    /// Reads `metadata.managedFields`.
    ///
    /// # Errors
    /// Why an entry cannot be read, as Kubernetes says it.
    pub(crate) fn read(entries: Option<&Value>) -> Result<Self, String> {
        let mut managers = Self::default();
        let entries = entries.and_then(Value::as_array);
        for (at, entry) in entries.into_iter().flatten().enumerate() {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or("");
            let operation = match text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err("operation must be `Apply` or `Update`".to_owned()),
            };
            let api_version = text("apiVersion");
            if api_version.is_empty() {
                return Err("apiVersion must not be empty".to_owned());
            }
            match text("fieldsType") {
                "FieldsV1" => {}
                "" => return Err(format!("missing fieldsType in managed fields entry {at}")),
                other => {
                    return Err(format!(
                        "invalid fieldsType {other:?} in managed fields entry {at}"
                    ));
                }
            }
            let fields = entry.get("fieldsV1").unwrap_or(&Value::Null);
            let set = wire::read(fields).map_err(|error| format!("error decoding set: {error}"))?;
            let manager = Manager {
                name: text("manager").to_owned(),
                operation,
                api_version: match operation {
                    Operation::Apply => String::new(),
                    Operation::Update => api_version.to_owned(),
                },
                subresource: text("subresource").to_owned(),
            };
            let owned = Owned {
                set,
                api_version: api_version.to_owned(),
                time: Some(text("time").to_owned()).filter(|time| !time.is_empty()),
            };
            managers.all.insert(manager, owned);
        }
        Ok(managers)
    }

    /// The entries in the order of Kubernetes: those who apply first, then by age, then by name.
    pub(crate) fn write(&self) -> Option<Value> {
        if self.all.is_empty() {
            return None;
        }
        let mut sorted: Vec<(&Manager, &Owned)> = self.all.iter().collect();
        sorted.sort_by(|(a, a_owned), (b, b_owned)| {
            let key = |manager: &Manager, owned: &Owned| {
                (
                    manager.operation,
                    owned.time.clone().unwrap_or_default(),
                    manager.name.clone(),
                    owned.api_version.clone(),
                    manager.subresource.clone(),
                )
            };
            key(a, a_owned).cmp(&key(b, b_owned))
        });
        let entries = sorted
            .into_iter()
            .map(|(manager, owned)| entry(manager, owned));
        Some(entries.collect())
    }

    /// Folds the oldest managers that only updated into one for each API version, until there are few.
    pub(crate) fn cap(&mut self) {
        let is_updater = |manager: &&Manager| manager.operation == Operation::Update;
        let mut updaters: Vec<Manager> = self.all.keys().filter(is_updater).cloned().collect();
        let mut count = updaters.len();
        if count <= UPDATERS_MAX {
            return;
        }
        updaters.sort_by_key(|manager| (self.all[manager].time.clone(), manager.clone()));
        // The first of a version is only remembered: folding it alone would shorten nothing.
        let mut first_of_version: BTreeMap<String, Manager> = BTreeMap::new();
        for manager in updaters {
            if count <= UPDATERS_MAX {
                return;
            }
            let version = manager.api_version.clone();
            let Some(first) = first_of_version.get(&version) else {
                first_of_version.insert(version, manager);
                continue;
            };
            let bucket = Manager::new(ANCIENT, Operation::Update, &version, "");
            if !self.all.contains_key(&bucket)
                && let Some(owned) = self.all.remove(first)
            {
                self.all.insert(bucket.clone(), owned);
            }
            if manager == bucket {
                continue;
            }
            let Some(folded) = self.all.remove(&manager) else {
                continue;
            };
            if let Some(owned) = self.all.get_mut(&bucket) {
                owned.set.add(&folded.set);
                owned.time = folded.time;
            }
            count -= 1;
        }
    }
}

fn entry(manager: &Manager, owned: &Owned) -> Value {
    let mut entry = Map::new();
    let operation = match manager.operation {
        Operation::Apply => "Apply",
        Operation::Update => "Update",
    };
    entry.insert("apiVersion".into(), owned.api_version.clone().into());
    entry.insert("fieldsType".into(), json!("FieldsV1"));
    entry.insert("fieldsV1".into(), wire::write(&owned.set));
    entry.insert("manager".into(), manager.name.clone().into());
    entry.insert("operation".into(), operation.into());
    if !manager.subresource.is_empty() {
        entry.insert("subresource".into(), manager.subresource.clone().into());
    }
    if let Some(time) = &owned.time {
        entry.insert("time".into(), time.clone().into());
    }
    Value::Object(entry)
}

/// Takes `metadata.managedFields` out of an object.
pub(crate) fn take(object: &mut Value) -> Option<Value> {
    object
        .get_mut("metadata")?
        .as_object_mut()?
        .remove("managedFields")
}

/// Puts `metadata.managedFields` into an object that has metadata.
pub(crate) fn put(object: &mut Value, entries: Option<Value>) {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    if let (Some(metadata), Some(entries)) = (metadata, entries) {
        metadata.insert("managedFields".to_owned(), entries);
    }
}

#[cfg(test)]
mod tests;
