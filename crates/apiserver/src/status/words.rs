//! The sentences of errors, as Kubernetes words them.

use super::{About, Cause};

pub(super) fn quoted(about: &About) -> String {
    let name = cedge_kinds::error::quote(&about.name);
    format!("{} {name}", about.qualified())
}

pub(super) fn conflict(about: &About, why: &str) -> String {
    format!("Operation cannot be fulfilled on {}: {why}", quoted(about))
}

pub(super) fn forbidden(about: &About, why: &str) -> String {
    match (about.resource.is_empty(), about.name.is_empty()) {
        (true, _) => format!("forbidden: {why}"),
        (false, true) => format!("{} is forbidden: {why}", about.qualified()),
        (false, false) => format!("{} is forbidden: {why}", quoted(about)),
    }
}

pub(super) fn terminating(namespace: &str) -> String {
    format!("unable to create new content in namespace {namespace} because it is being terminated")
}

pub(super) fn not_supported(about: &About, action: &str) -> String {
    if about.resource.is_empty() {
        return "the server does not allow this method on the requested resource".into();
    }
    format!(
        "{action} is not supported on resources of kind {:?}",
        about.qualified()
    )
}

/// Several mistakes stand in brackets, each once, in the order found.
pub(super) fn invalid(about: &About, causes: &[Cause]) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in causes {
        let word = cause.in_words();
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let head = format!("{} is invalid", quoted(about));
    match words.as_slice() {
        [] => head,
        [one] => format!("{head}: {one}"),
        many => format!("{head}: [{}]", many.join(", ")),
    }
}
