//! Completion indexes: `0-3,5` in a status, one on each pod.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;

pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// A set of indexes.
pub(super) type Indexes = BTreeSet<i32>;

/// Reads `1,3-5`; what is no index below `completions` is left out.
pub(super) fn parse(text: &str, completions: i32) -> Indexes {
    let mut indexes = Indexes::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) {
            indexes.extend(first.max(0)..=last.min(completions - 1));
        }
    }
    indexes
}

/// Writes `1,3-5`: two in a row stay two.
pub(super) fn format(indexes: &Indexes) -> String {
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for index in indexes {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let parts = runs.into_iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// The index of a pod, if it has one.
pub(super) fn of(pod: &Pod) -> Option<i32> {
    let annotations = pod.metadata.annotations.as_ref()?;
    annotations.get(INDEX)?.parse().ok().filter(|i| *i >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_three_and_more_are_written_short() {
        for (text, completions, again) in [
            ("", 5, ""),
            ("0,1,2,4", 9, "0-2,4"),
            ("1-2,7", 9, "1,2,7"),
            ("0-9", 4, "0-3"),
            ("x,3", 9, "3"),
        ] {
            assert_eq!(format(&parse(text, completions)), again);
        }
    }
}
