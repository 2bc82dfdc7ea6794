//! The API versions of a kind.

use std::fmt;

use cedge_schema::TypeRef;
use serde_json::Value;

/// The API versions in which objects of a kind can be seen.
pub trait Versions: fmt::Debug {
    /// The type of the kind in an API version (`apps/v1`), if it has that version.
    fn of(&self, api_version: &str) -> Option<TypeRef<'_>>;

    /// The object in another API version of the kind.
    fn convert(&self, object: &Value, api_version: &str) -> Option<Value>;
}

/// A kind with one API version, or with several whose objects look the same.
#[derive(Debug, Clone, Copy)]
pub struct OneVersion<'t> {
    /// `apps/v1`
    pub api_version: &'t str,
    /// The type of the kind.
    pub ty: TypeRef<'t>,
}

impl Versions for OneVersion<'_> {
    fn of(&self, api_version: &str) -> Option<TypeRef<'_>> {
        (api_version == self.api_version).then_some(self.ty)
    }

    fn convert(&self, object: &Value, api_version: &str) -> Option<Value> {
        (api_version == self.api_version).then(|| object.clone())
    }
}

/// The object in an API version; the object itself if it is in that version.
pub(super) fn convert(versions: &dyn Versions, object: &Value, api_version: &str) -> Option<Value> {
    if object.get("apiVersion").and_then(Value::as_str) == Some(api_version) {
        return versions.of(api_version).map(|_| object.clone());
    }
    versions.convert(object, api_version)
}
