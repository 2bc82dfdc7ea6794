//! Which of a definition's names it gets, beside the others of its group.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use cedge_kinds::read::Read;

/// What was found out about a definition's names.
#[derive(Debug, Clone, PartialEq)]
pub struct AcceptedNames {
    /// `status.acceptedNames`.
    pub names: Value,
    /// The conflict, as (reason, message) for the condition `NamesAccepted`; none if all names are free.
    pub conflict: Option<(&'static str, String)>,
}

/// Names that other definitions of the group hold (their `acceptedNames`).
fn taken(others: &[&Value]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut resources, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for names in others {
        for name in ["plural", "singular"] {
            resources.insert(names.text(name).to_owned());
        }
        let short = names.items("shortNames").iter().filter_map(Value::as_str);
        resources.extend(short.map(str::to_owned));
        kinds.insert(names.text("kind").to_owned());
        kinds.insert(names.text("listKind").to_owned());
    }
    resources.remove("");
    kinds.remove("");
    (resources, kinds)
}

/// Judges the names in `crd` against `others`: the `status.acceptedNames` of the other definitions of its group.
///
/// A name that is taken is not accepted and keeps its former value; the last conflict found is the one told.
#[must_use]
pub fn accept_names(crd: &Value, others: &[&Value]) -> AcceptedNames {
    let (resources, kinds) = taken(others);
    let wanted = crd.field("spec").field("names");
    let before = crd.field("status").field("acceptedNames");
    let mut names = Map::new();
    let mut conflict = None;
    let checks = [
        ("plural", "PluralConflict", &resources),
        ("singular", "SingularConflict", &resources),
        ("kind", "KindConflict", &kinds),
        ("listKind", "ListKindConflict", &kinds),
    ];
    for (name, reason, taken) in checks {
        let text = wanted.text(name);
        if text.is_empty() {
            continue;
        }
        if taken.contains(text) {
            conflict = Some((
                reason,
                format!("{} is already in use", cedge_kinds::error::quote(text)),
            ));
            if !before.text(name).is_empty() {
                names.insert(name.to_owned(), before.field(name).clone());
            }
        } else {
            names.insert(name.to_owned(), text.into());
        }
    }
    let short: Vec<&str> = wanted
        .items("shortNames")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let used: Vec<String> = short
        .iter()
        .filter(|name| resources.contains(**name))
        .map(|name| format!("{} is already in use", cedge_kinds::error::quote(name)))
        .collect();
    if used.is_empty() {
        if !short.is_empty() {
            names.insert("shortNames".to_owned(), short.into());
        }
    } else {
        let told = if used.len() == 1 {
            used[0].clone()
        } else {
            format!("[{}]", used.join(", "))
        };
        conflict = Some(("ShortNamesConflict", told));
        if before.has("shortNames") {
            names.insert("shortNames".to_owned(), before.field("shortNames").clone());
        }
    }
    if wanted.has("categories") {
        names.insert("categories".to_owned(), wanted.field("categories").clone());
    }
    for name in ["plural", "kind"] {
        names.entry(name).or_insert_with(|| json!(""));
    }
    AcceptedNames {
        names: names.into(),
        conflict,
    }
}

#[cfg(test)]
mod tests {
    use super::accept_names;
    use serde_json::json;

    #[test]
    fn free_names_are_accepted() {
        let crd = json!({"spec": {"names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"}}});
        let accepted = accept_names(&crd, &[]);
        assert_eq!(accepted.conflict, None);
        assert_eq!(accepted.names, crd["spec"]["names"]);
    }

    #[test]
    fn a_taken_kind_is_not_accepted() {
        let crd = json!({"spec": {"names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"}}});
        let other =
            json!({"plural": "bars", "singular": "bar", "kind": "Foo", "listKind": "BarList"});
        let accepted = accept_names(&crd, &[&other]);
        assert_eq!(accepted.names["kind"], "");
        assert_eq!(
            accepted.conflict,
            Some(("KindConflict", "\"Foo\" is already in use".to_owned()))
        );
    }
}
