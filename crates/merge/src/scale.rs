//! Ownership seen through the scale subresource: there, `spec.replicas` is all that can be owned.
//!
//! An object's managers become those of its scale, the scale is changed or applied as any object is, and what became of
//! them is carried back. A manager that loses the number to another through the scale loses it in the object as well.

use serde_json::Value;

use crate::fields::{Path, Set, fields};
use crate::managers::{Manager, Managers, Operation, Owned};

/// The version that a scale speaks.
const SCALE: &str = "autoscaling/v1";

/// Where an object keeps the number that its scale shows.
#[derive(Debug, Clone, Copy)]
pub struct ScaleOwners<'a> {
    /// The version of the object.
    pub api_version: &'a str,
    /// The path of the number, such as `["spec", "replicas"]`.
    pub path: &'a [&'a str],
}

impl ScaleOwners<'_> {
    /// The managed fields of a scale, from those of its object.
    #[must_use]
    pub fn of_scale(&self, entries: Option<&Value>) -> Option<Value> {
        let all = Managers::read(entries).unwrap_or_default().all;
        let number = fields(self.path);
        let owners = all
            .into_iter()
            .filter(|(_, owned)| self.is_known(&owned.api_version) && owned.set.has(&number));
        let seen = owners.map(|(manager, owned)| {
            let scaled = Owned {
                set: only(&fields(&["spec", "replicas"])),
                api_version: SCALE.to_owned(),
                time: owned.time,
            };
            (in_version(manager, SCALE), scaled)
        });
        Managers {
            all: seen.collect(),
        }
        .write()
    }

    /// The managed fields of an object, from what they were and what those of its scale have become.
    #[must_use]
    pub fn of_object(&self, before: Option<&Value>, scale: Option<&Value>) -> Option<Value> {
        let number = fields(self.path);
        let mut scaled = Managers::read(scale).unwrap_or_default().all;
        let mut all = Managers::default().all;
        for (manager, mut owned) in Managers::read(before).unwrap_or_default().all {
            if !self.is_known(&owned.api_version) {
                continue;
            }
            if owned.set.has(&number) && scaled.remove(&manager).is_none() {
                owned.set = owned.set.difference(&only(&number));
                if owned.set.is_empty() {
                    continue;
                }
            }
            all.insert(manager, owned);
        }
        for (manager, owned) in scaled {
            if !owned.set.has(&fields(&["spec", "replicas"])) {
                continue;
            }
            let owned = Owned {
                set: only(&number),
                api_version: self.api_version.to_owned(),
                time: None,
            };
            // The version of the scale stays in its identity: so one manager may stand there twice.
            all.insert(manager, owned);
        }
        Managers { all }.write()
    }

    fn is_known(&self, api_version: &str) -> bool {
        let group = |text: &str| text.rsplit_once('/').map(|(group, _)| group.to_owned());
        group(api_version) == group(self.api_version)
    }
}

fn only(path: &Path) -> Set {
    let mut set = Set::default();
    set.insert(path);
    set
}

fn in_version(manager: Manager, api_version: &str) -> Manager {
    match manager.operation {
        Operation::Apply => manager,
        Operation::Update => Manager {
            api_version: api_version.to_owned(),
            ..manager
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_scales_takes_the_number_from_its_owner() {
        let owners = ScaleOwners {
            api_version: "apps/v1",
            path: &["spec", "replicas"],
        };
        let entry = |manager: &str, version: &str, fields: Value| {
            json!({
                "apiVersion": version, "fieldsType": "FieldsV1", "fieldsV1": fields,
                "manager": manager, "operation": "Update",
            })
        };
        let before = json!([entry(
            "maker",
            "apps/v1",
            json!({"f:spec": {"f:paused": {}, "f:replicas": {}}})
        )]);
        let replicas = json!({"f:spec": {"f:replicas": {}}});
        let seen = owners.of_scale(Some(&before)).unwrap();
        assert_eq!(seen, json!([entry("maker", SCALE, replicas.clone())]));
        let scaled = json!([entry("scaler", SCALE, replicas.clone())]);
        let after = owners.of_object(Some(&before), Some(&scaled)).unwrap();
        let kept = json!({"f:spec": {"f:paused": {}}});
        let expected = json!([
            entry("maker", "apps/v1", kept),
            entry("scaler", "apps/v1", replicas)
        ]);
        assert_eq!(after, expected);
    }
}
