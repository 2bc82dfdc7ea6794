//! One object laid over another, as server-side apply merges, without owners.

use cedge_schema::TypeRef;
use serde_json::Value;

use crate::typed::{self, Place};

/// The object with the fields of `over` in it: lists are merged by their keys, other values replaced.
///
/// # Errors
/// In words, what of either does not fit the type.
pub fn overlay(ty: Option<TypeRef<'_>>, object: &Value, over: &Value) -> Result<Value, String> {
    let place = ty.map_or(Place::Deduced, Place::of);
    typed::merge(place, Some(object), Some(over))
        .map(Option::unwrap_or_default)
        .map_err(|problems| typed::tell(&problems))
}

#[cfg(test)]
mod tests {
    use cedge_schema::Types;
    use serde_json::json;

    use super::*;

    #[test]
    fn containers_are_merged_by_their_name() {
        let pod = Types::builtin().of("", "v1", "Pod").unwrap();
        let object = json!({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b"}]}});
        let over = json!({"metadata": {"labels": {"l": "v"}}, "spec": {"containers": [{"name": "a", "tty": true}]}});
        let merged = overlay(Some(pod), &object, &over).unwrap();
        assert_eq!(
            merged,
            json!({"metadata": {"labels": {"l": "v"}}, "spec": {"containers": [
                {"name": "a", "image": "x", "tty": true}, {"name": "b"}]}})
        );
    }
}
