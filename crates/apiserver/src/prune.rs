//! Removes from an object what its type does not know.

use cedge_schema::{Shape, TypeRef};
use serde_json::Value;

/// Removes unknown fields, and fields that are null: a typed decoder would have dropped both.
pub(crate) fn prune(ty: TypeRef<'_>, value: &mut Value) {
    match ty.shape() {
        Shape::Object => prune_object(ty, value),
        Shape::List { item, .. } => {
            for value in value.as_array_mut().into_iter().flatten() {
                prune(item, value);
            }
        }
        Shape::Scalar(_) => {}
    }
}

fn prune_object(ty: TypeRef<'_>, value: &mut Value) {
    let Some(fields) = value.as_object_mut() else {
        return;
    };
    if ty.preserves_unknown() {
        return;
    }
    let is_struct = ty.fields().next().is_some();
    if !is_struct && ty.additional().is_none() {
        return;
    }
    fields.retain(|key, value| match ty.field(key) {
        Some(_) => !value.is_null(),
        None => !is_struct || ty.additional().is_some(),
    });
    for (key, value) in fields {
        if let Some(member) = ty.member(key) {
            prune(member, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use cedge_schema::Types;
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_and_nulls_go_and_maps_stay() {
        let ty = Types::builtin().of("", "v1", "Pod").unwrap();
        let mut pod = json!({
            "kind": "Pod", "apiVersion": "v1", "foo": 1,
            "metadata": {"name": "a", "labels": {"any": "thing"}, "creationTimestamp": null},
            "spec": {"containers": [{"name": "c", "bar": 2}], "nodeSelector": null},
        });
        prune(ty, &mut pod);
        assert_eq!(
            pod,
            json!({
                "kind": "Pod", "apiVersion": "v1",
                "metadata": {"name": "a", "labels": {"any": "thing"}},
                "spec": {"containers": [{"name": "c"}]},
            })
        );
    }
}
