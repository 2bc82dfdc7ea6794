//! What can be done with the parts of a resource: `status`, `scale`, `log`, `exec`, …

use std::collections::BTreeMap;

use super::names::{capital, one};
use super::{Place, Writer, body, object};
use crate::catalog::Subresource;
use crate::openapi::parameters as with;
use crate::openapi::{Operation, Path, Response, schema_name};

/// HTTP methods with the verbs that they stand for.
const METHODS: [(&str, &str); 5] = [
    ("delete", "delete"),
    ("get", "get"),
    ("patch", "patch"),
    ("post", "create"),
    ("put", "update"),
];

impl Writer<'_> {
    pub(super) fn subresource(&self, part: &Subresource) -> Option<Path> {
        let resource = self.resource;
        let kind = resource.kind.as_ref();
        let name = part.name.as_ref();
        let suffix = capital(name);
        let is_own = part.kind == resource.kind;
        let place = Place {
            suffix: &suffix,
            namespaced: resource.namespaced,
            named: true,
            kind: match is_own || resource.is_custom {
                true => kind,
                false => part.kind.as_ref(),
            },
        };
        let schema = match is_own && resource.is_custom {
            true => Some(self.schema.clone()),
            false => schema_name(&part.group, &part.version, &part.kind).map(str::to_owned),
        };
        let has = |verb: &str| part.verbs.iter().any(|v| v == verb);
        let of = format!("{name} of the specified {kind}");
        let mut operations = BTreeMap::new();
        if part.kind.ends_with("Options") {
            for (method, _) in METHODS.iter().filter(|(_, verb)| has(verb)) {
                let operation = self.connect(&place, part, method);
                operations.insert(*method, self.speaking(operation, part));
            }
        } else if name == "log" {
            let mut log = self.read(&place, format!("read {of}"));
            log.response = Response::Text;
            log.parameters.extend(with::of_subresource("log"));
            operations.insert("get", log);
        } else {
            let schema = schema?;
            if has("get") {
                let mut read = self.read(&place, format!("read {of}"));
                read.response = object(&schema);
                operations.insert("get", self.speaking(read, part));
            }
            if has("update") {
                let replace = self.replace(&place, format!("replace {of}"), &schema);
                operations.insert("put", self.speaking(replace, part));
            }
            if has("patch") {
                let text = format!("partially update {of}");
                let patch = self.patch(&place, text, &schema);
                operations.insert("patch", self.speaking(patch, part));
            }
            if has("create") {
                let mut create = self.create(&place);
                create.description = format!("create {name} of {}", one(kind));
                create.request = Some(body(&schema));
                create.response = object(&schema);
                operations.insert("post", self.speaking(create, part));
            }
        }
        (!operations.is_empty()).then(|| Path {
            path: self.path(&format!("/{{name}}/{name}")),
            operations,
        })
    }

    fn connect(&self, place: &Place<'_>, part: &Subresource, method: &str) -> Operation {
        let parameters = with::of_subresource(&part.name);
        let mut operation = self.operation("connect", "connect", place, parameters);
        let own = Place {
            kind: &self.resource.kind,
            ..*place
        };
        operation.id = self.id("connect", &capital(method), &own);
        operation.description = format!(
            "connect {} requests to {} of {}",
            method.to_uppercase(),
            part.name,
            self.resource.kind
        );
        operation.response = Response::Opaque;
        operation
    }

    /// What a subresource speaks; of custom resources always the resource's own kind.
    fn speaking(&self, operation: Operation, part: &Subresource) -> Operation {
        if self.resource.is_custom {
            return operation;
        }
        let text = |t: &str| t.to_owned();
        Operation {
            speaks: Some((text(&part.group), text(&part.version), text(&part.kind))),
            ..operation
        }
    }
}
