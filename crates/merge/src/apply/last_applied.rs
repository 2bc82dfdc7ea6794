//! The annotation of client-side apply, and the way from there to server-side apply.

use serde_json::Value;

use super::ApplyArgs;
use crate::fields::Set;
use crate::typed::{self, Place};

/// The manager whose client-side apply is taken over.
pub(super) const KUBECTL: &str = "kubectl";
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// All annotations of an object together.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

/// What the last client-side apply wrote and is unchanged since.
pub(super) fn owned(args: &ApplyArgs<'_>) -> Option<Set> {
    let mut live = args.live?.clone();
    let text = annotation(&live)?.to_owned();
    let last: Value = serde_json::from_str(&text).ok()?;
    if last.get("apiVersion").and_then(Value::as_str) != Some(args.api_version) {
        return None;
    }
    let place = Place::of(args.versions.of(args.api_version)?);
    crate::managers::take(&mut live);
    if !typed::validate(place, &last).is_empty() {
        return None;
    }
    let difference = typed::compare(place, &last, &live).ok()?;
    let set = typed::to_set(place, &last);
    Some(
        set.difference(&difference.modified)
            .difference(&difference.added)
            .difference(&difference.removed),
    )
}

/// Keeps the annotation, where there is one, in line with what is applied, so that client-side apply still works.
pub(super) fn sync(object: &mut Value, applied: &Value) {
    if annotation(object).is_none() {
        return;
    }
    let mut applied = applied.clone();
    if let Some(annotations) = applied
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove(ANNOTATION);
    }
    let text = format!("{applied}\n");
    let annotations = object
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut);
    if let Some(annotations) = annotations {
        annotations.insert(ANNOTATION.to_owned(), text.into());
        let size = |(key, value): (&String, &Value)| key.len() + value.as_str().map_or(0, str::len);
        if annotations.iter().map(size).sum::<usize>() > ANNOTATIONS_BYTES_MAX {
            annotations.remove(ANNOTATION);
        }
    }
}

fn annotation(object: &Value) -> Option<&str> {
    let annotations = object.pointer("/metadata/annotations")?;
    annotations
        .get(ANNOTATION)?
        .as_str()
        .filter(|text| !text.is_empty())
}
