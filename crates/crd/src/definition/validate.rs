//! What is wrong with an object of a custom kind.

use serde_json::Value;

use cedge_kinds::error::{Errors, FieldError};
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;
use cedge_kinds::validation::metadata;

use super::Version;
use crate::cel;
use crate::node::Node;
use crate::object;

impl Version {
    /// What is wrong with an object that is to be created, or to replace `old`.
    #[must_use]
    pub fn validate(
        &self,
        subresource: Option<&str>,
        new: &Value,
        old: Option<&Value>,
    ) -> Vec<FieldError> {
        let mut errors = Errors::new();
        self.validate_type_meta(new, &mut errors);
        if !errors.is_empty() {
            return errors.0;
        }
        self.validate_metadata(new, old, &mut errors);
        if subresource == Some("status") {
            if let Some(status) = new.get("status") {
                let anything = Node {
                    preserve: true,
                    ..Node::default()
                };
                let schema = self.schema.properties.get("status").unwrap_or(&anything);
                let before = old.and_then(|old| old.get("status"));
                errors
                    .0
                    .extend(object::validate_schema(status, before, schema, "status"));
            }
        } else {
            errors
                .0
                .extend(object::validate_schema(new, old, &self.schema, ""));
        }
        self.validate_scale(subresource, new, &mut errors);
        let root = Path::root("");
        if subresource.is_none() {
            object::validate_embedded(new, &self.schema, &root, &mut errors);
        }
        let mut before = Errors::new();
        if let Some(old) = old {
            object::validate_lists(old, &self.schema, &root, &mut before);
        }
        if before.is_empty() {
            object::validate_lists(new, &self.schema, &root, &mut errors);
        }
        self.validate_rules(new, old, &mut errors);
        errors.0
    }

    fn validate_type_meta(&self, object: &Value, errors: &mut Errors) {
        let api_version = format!("{}/{}", self.group, self.name);
        for (name, wanted) in [("kind", self.kind.as_str()), ("apiVersion", &api_version)] {
            if object.text(name) != wanted {
                errors.invalid(
                    &Path::root(name),
                    object.text(name),
                    format!("must be {wanted}"),
                );
            }
        }
    }

    fn validate_metadata(&self, new: &Value, old: Option<&Value>, errors: &mut Errors) {
        let path = Path::root("metadata");
        let meta = new.field("metadata");
        match old {
            None => metadata::validate(
                meta,
                self.namespaced,
                metadata::subdomain_name,
                &path,
                errors,
            ),
            Some(old) => {
                let before = old.field("metadata");
                metadata::validate(
                    meta,
                    self.namespaced,
                    metadata::path_segment_name,
                    &path,
                    errors,
                );
                metadata::validate_update(meta, before, &path, errors);
                metadata::validate_update(meta, before, &path, errors);
            }
        }
    }

    fn validate_scale(&self, subresource: Option<&str>, object: &Value, errors: &mut Errors) {
        let Some(scale) = &self.scale else { return };
        let mut paths = vec![&scale.status_replicas];
        if subresource != Some("status") {
            paths.insert(0, &scale.spec_replicas);
        }
        for path in paths {
            let found = object.at(path.trim_start_matches('.'));
            let place = Path::root(path);
            match found.as_i64() {
                Some(n @ ..0) => errors.invalid(&place, n, "should be a non-negative integer"),
                Some(n) if n > i64::from(i32::MAX) => {
                    let detail = format!("should be less than or equal to {}", i32::MAX);
                    errors.invalid(&place, n, detail);
                }
                _ => {}
            }
        }
    }

    /// Rules are run only where the types are right.
    fn validate_rules(&self, new: &Value, old: Option<&Value>, errors: &mut Errors) {
        use cedge_kinds::ErrorKind::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
        if !self.schema.has_rules {
            return;
        }
        let blocks = |e: &FieldError| {
            matches!(
                e.kind,
                NotSupported | Required | TooLong | TooMany | TypeInvalid
            )
        };
        if errors.0.iter().any(blocks) {
            errors.0.push(FieldError {
                kind: cedge_kinds::ErrorKind::Invalid,
                field: "<nil>".to_owned(),
                value: Some(Value::Null),
                detail: "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation".to_owned(),
            });
            return;
        }
        let from = errors.0.len();
        cel::validate_rules(new, old, &self.schema, errors);
        for error in &mut errors.0[from..] {
            if error.field.is_empty() {
                "<nil>".clone_into(&mut error.field);
            }
        }
    }
}
