//! The targets: one for each parser.

mod crds;
mod frames;
mod patches;
#[cfg(feature = "api")]
mod requests;
mod texts;

/// One parser.
#[derive(Debug)]
pub struct Target {
    /// How it is called on the command line.
    pub name: &'static str,
    /// Gives it an input; panics if something is wrong with the parser.
    pub run: fn(&[u8]),
    /// Inputs to begin from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    #[cfg(feature = "api")]
    target("bodies", requests::body, requests::bodies),
    #[cfg(feature = "api")]
    target("patch-requests", requests::patch, requests::patches),
    #[cfg(feature = "api")]
    target("queries", requests::query, requests::queries),
    target("json-patch", patches::json, patches::jsons),
    target("merge-patch", patches::merge, patches::merges),
    target("strategic-patch", patches::strategic, patches::strategics),
    target("apply", patches::apply, patches::applies),
    target("field-sets", patches::field_sets, patches::sets),
    target("quantities", texts::quantity, texts::quantities),
    target("selectors", texts::selector, texts::selectors),
    target("json-path", texts::json_path, texts::json_paths),
    target("cel", crds::cel, crds::expressions),
    target("definitions", crds::definition, crds::definitions),
    target("link-frames", frames::link, frames::links),
    target("spdy-frames", frames::spdy, frames::spdies),
];

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds }
}

/// The target of a name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Two parts of an input: before and after the first zero byte.
fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let cut = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    (&data[..cut], data.get(cut + 1..).unwrap_or_default())
}

fn seeds(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
