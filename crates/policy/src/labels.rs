//! Label selectors as objects.

use cedge_kinds::read::Read;
use serde_json::Value;

/// All requirements must hold; none is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

// === impl Selector ===

impl Selector {
    /// Reads a `LabelSelector`; one that is absent selects everything.
    ///
    /// # Errors
    /// An operator that is none.
    pub fn read(selector: &Value) -> Result<Self, String> {
        let labels = selector.entries("matchLabels").map(|(key, value)| {
            let values = vec![value.as_str().unwrap_or_default().to_owned()];
            Ok(Requirement {
                key: key.to_owned(),
                test: Test::In(values),
            })
        });
        let expressions = selector.items("matchExpressions").iter().map(|e| {
            let values = || {
                let values = e.items("values").iter().filter_map(Value::as_str);
                values.map(ToOwned::to_owned).collect()
            };
            let test = match e.text("operator") {
                "In" => Test::In(values()),
                "NotIn" => Test::NotIn(values()),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::DoesNotExist,
                other => return Err(format!("{other:?} is not a valid label selector operator")),
            };
            Ok(Requirement {
                key: e.text("key").to_owned(),
                test,
            })
        });
        labels
            .chain(expressions)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object's labels match.
    #[must_use]
    pub fn selects(&self, object: &Value) -> bool {
        self.matches(|key| object.at("metadata.labels").field(key).as_str())
    }

    /// Whether labels match.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| {
            let value = label(&requirement.key);
            match &requirement.test {
                Test::In(values) => value.is_some_and(|v| values.iter().any(|w| w == v)),
                Test::NotIn(values) => value.is_none_or(|v| values.iter().all(|w| w != v)),
                Test::Exists => value.is_some(),
                Test::DoesNotExist => value.is_none(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_requirement_must_hold() {
        let selector = Selector::read(&json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["test"]}],
        }))
        .unwrap();
        let object = |labels: Value| json!({"metadata": {"labels": labels}});
        assert!(selector.selects(&object(json!({"app": "web"}))));
        assert!(!selector.selects(&object(json!({"app": "web", "tier": "test"}))));
        assert!(!selector.selects(&object(json!({"tier": "prod"}))));
        assert!(Selector::read(&Value::Null).unwrap().selects(&json!({})));
    }
}
