//! How operations, groups and kinds are called in the texts of a document.

/// `a Pod`, `an Event`, `Endpoints`.
pub(super) fn one(kind: &str) -> String {
    let is_many = kind.ends_with('s') && !kind.ends_with("ss");
    match kind.starts_with(['A', 'E', 'I', 'O', 'U']) {
        _ if is_many => kind.to_owned(),
        true => format!("an {kind}"),
        false => format!("a {kind}"),
    }
}

/// `AppsV1`, `RbacAuthorizationV1`, `CoreV1`.
pub(in crate::openapi) fn camel(group: &str, version: &str) -> String {
    let words: String = words(group).iter().map(|w| capital(w)).collect();
    format!("{words}{}", capital(version))
}

/// `apps_v1`, `rbacAuthorization_v1`, `core_v1`.
pub(super) fn tag(group: &str, version: &str) -> String {
    format!("{}_{version}", group_tag(group))
}

/// `apps`, `rbacAuthorization`, `core`.
pub(in crate::openapi) fn group_tag(group: &str) -> String {
    let words = words(group);
    let rest: String = words[1..].iter().map(|w| capital(w)).collect();
    format!("{}{rest}", words[0])
}

fn words(group: &str) -> Vec<&str> {
    match group.trim_end_matches(".k8s.io") {
        "" => vec!["core"],
        group => group.split('.').collect(),
    }
}

pub(super) fn capital(word: &str) -> String {
    let mut signs = word.chars();
    signs.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(signs).collect()
    })
}
