//! What a list and a watch send.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Error;

#[derive(Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(borrow)]
    pub(super) object: &'a RawValue,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Kind {
    Added,
    Modified,
    Deleted,
    Bookmark,
    Error,
}

#[derive(Deserialize)]
pub(super) struct Page<'a> {
    #[serde(borrow, default)]
    pub(super) metadata: PageMetadata<'a>,
    /// `null` where a Go server has an empty list.
    #[serde(borrow)]
    pub(super) items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PageMetadata<'a> {
    #[serde(borrow)]
    pub(super) resource_version: Cow<'a, str>,
    #[serde(borrow, rename = "continue")]
    pub(super) next: Option<Cow<'a, str>>,
}

pub(super) struct Bookmark {
    pub(super) revision: String,
    /// The streamed list is complete.
    pub(super) list_ends: bool,
}

#[derive(Deserialize, Default)]
struct BookmarkObject {
    #[serde(default)]
    metadata: BookmarkMetadata,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct BookmarkMetadata {
    resource_version: String,
    annotations: Option<BTreeMap<String, String>>,
}

pub(super) fn bookmark(json: &[u8]) -> Result<Bookmark, Error> {
    let object: BookmarkObject = serde_json::from_slice(json)?;
    let annotations = object.metadata.annotations.unwrap_or_default();
    Ok(Bookmark {
        revision: object.metadata.resource_version,
        list_ends: annotations
            .get("k8s.io/initial-events-end")
            .is_some_and(|v| v == "true"),
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: u16,
    reason: String,
    message: String,
}

/// The error that an `ERROR` event carries.
pub(super) fn error(json: &[u8]) -> Error {
    let status: Status = serde_json::from_slice(json).unwrap_or_default();
    if status.code == 410 || status.reason == "Expired" || status.reason == "Gone" {
        return Error::Expired;
    }
    Error::Told(format!(
        "{} {}: {}",
        status.code, status.reason, status.message
    ))
}
