//! What can be done with each resource, as paths.

pub(super) mod names;
mod parts;

use std::collections::BTreeMap;

use names::{camel, one, tag};

use super::parameters as with;
use super::{Operation, Path, Request, Response, list_schema_of, schema_of, well_known};
use crate::catalog::{Resource, root_of};

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";
const CREATED: &[(&str, &str)] = &[("201", "Created")];
const CREATED_OR_ACCEPTED: &[(&str, &str)] = &[("201", "Created"), ("202", "Accepted")];
const ACCEPTED: &[(&str, &str)] = &[("202", "Accepted")];

/// The paths of one version of a group.
pub(super) fn paths(group: &str, version: &str, resources: &[&Resource]) -> Vec<Path> {
    let mut paths = vec![discovery(group, version)];
    for resource in resources {
        let Some(writer) = Writer::of(resource) else {
            continue;
        };
        paths.extend(writer.collections());
        paths.extend(writer.object());
        let parts = resource.subresources.iter();
        paths.extend(parts.filter_map(|part| writer.subresource(part)));
    }
    paths.sort_by(|a, b| a.path.cmp(&b.path));
    paths
}

fn discovery(group: &str, version: &str) -> Path {
    let operation = Operation {
        id: format!("get{}APIResources", camel(group, version)),
        tag: tag(group, version),
        description: "get available resources".to_owned(),
        action: None,
        speaks: None,
        parameters: Vec::new(),
        request: None,
        response: Response::Object {
            schema: well_known::RESOURCE_LIST.to_owned(),
            watchable: false,
        },
        codes: &[],
    };
    Path {
        path: format!("{}/", root_of(group, version)),
        operations: BTreeMap::from([("get", operation)]),
    }
}

/// Writes the operations of one resource.
struct Writer<'a> {
    resource: &'a Resource,
    schema: String,
    list: String,
}

/// Where an operation is: what its name, and the text that describes it, are made of.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// After the group in the operation's name.
    suffix: &'a str,
    namespaced: bool,
    named: bool,
    kind: &'a str,
}

// === impl Writer ===

impl<'a> Writer<'a> {
    fn of(resource: &'a Resource) -> Option<Self> {
        Some(Self {
            resource,
            schema: schema_of(resource)?,
            list: list_schema_of(resource)?,
        })
    }

    fn collections(&self) -> Vec<Path> {
        let resource = self.resource;
        let kind = resource.kind.as_ref();
        let place = |suffix| Place {
            suffix,
            namespaced: resource.namespaced,
            named: false,
            kind,
        };
        let mut here = BTreeMap::new();
        if resource.has_verb("list") {
            here.insert("get", self.list(&place("")));
        }
        if resource.has_verb("create") {
            here.insert("post", self.create(&place("")));
        }
        if resource.has_verb("deletecollection") {
            here.insert("delete", self.delete_collection(&place("")));
        }
        let mut paths = vec![Path {
            path: self.path(""),
            operations: here,
        }];
        if resource.namespaced && resource.has_verb("list") {
            let place = Place {
                namespaced: false,
                ..place("ForAllNamespaces")
            };
            let root = root_of(&resource.group, &resource.version);
            paths.push(Path {
                path: format!("{root}/{}", resource.plural),
                operations: BTreeMap::from([("get", self.list(&place))]),
            });
        }
        paths.retain(|p| !p.operations.is_empty());
        paths
    }

    fn object(&self) -> Option<Path> {
        let resource = self.resource;
        let kind = resource.kind.as_ref();
        let place = Place {
            suffix: "",
            namespaced: resource.namespaced,
            named: true,
            kind,
        };
        let mut operations = BTreeMap::new();
        if resource.has_verb("get") {
            operations.insert(
                "get",
                self.read(&place, format!("read the specified {kind}")),
            );
        }
        if resource.has_verb("update") {
            let text = format!("replace the specified {kind}");
            operations.insert("put", self.replace(&place, text, &self.schema));
        }
        if resource.has_verb("patch") {
            let text = format!("partially update the specified {kind}");
            operations.insert("patch", self.patch(&place, text, &self.schema));
        }
        if resource.has_verb("delete") {
            operations.insert("delete", self.delete(&place));
        }
        (!operations.is_empty()).then(|| Path {
            path: self.path("/{name}"),
            operations,
        })
    }

    fn list(&self, place: &Place<'_>) -> Operation {
        let mut operation = self.operation("list", "list", place, with::common(with::LIST));
        let watchable = self.resource.has_verb("watch");
        let watch = match watchable && !self.resource.is_custom {
            true => " or watch",
            false => "",
        };
        operation.description = format!("list{watch} objects of kind {}", place.kind);
        operation.response = Response::Object {
            schema: self.list.clone(),
            watchable,
        };
        operation
    }

    fn create(&self, place: &Place<'_>) -> Operation {
        let mut operation = self.operation("create", "post", place, with::common(with::WRITE));
        operation.description = format!("create {}", one(place.kind));
        operation.request = Some(body(&self.schema));
        operation.codes = CREATED_OR_ACCEPTED;
        operation
    }

    fn read(&self, place: &Place<'_>, description: String) -> Operation {
        let mut operation = self.operation("read", "get", place, Vec::new());
        operation.description = description;
        operation
    }

    fn replace(&self, place: &Place<'_>, description: String, schema: &str) -> Operation {
        let mut operation = self.operation("replace", "put", place, with::common(with::WRITE));
        operation.description = description;
        operation.request = Some(body(schema));
        operation.response = object(schema);
        operation.codes = CREATED;
        operation
    }

    fn patch(&self, place: &Place<'_>, description: String, schema: &str) -> Operation {
        let mut operation = self.operation("patch", "patch", place, with::common(with::PATCH));
        operation.description = description;
        operation.request = Some(Request {
            media: match self.resource.is_custom {
                true => &[APPLY_PATCH, JSON_PATCH, MERGE_PATCH],
                false => &[APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH],
            },
            schema: well_known::PATCH.to_owned(),
            required: true,
        });
        operation.response = object(schema);
        operation.codes = CREATED;
        operation
    }

    fn delete(&self, place: &Place<'_>) -> Operation {
        let mut operation = self.operation("delete", "delete", place, with::common(with::DELETE));
        operation.description = format!("delete {}", one(place.kind));
        operation.request = Some(options());
        let resource = self.resource;
        let place = (resource.group.as_ref(), resource.plural.as_ref());
        if resource.is_custom || !RETURNED.contains(&place) {
            operation.response = object(well_known::STATUS);
        }
        operation.codes = ACCEPTED;
        operation
    }

    fn delete_collection(&self, place: &Place<'_>) -> Operation {
        let parameters = with::common(with::DELETE_COLLECTION);
        let mut operation = self.operation("delete", "deletecollection", place, parameters);
        operation.id = self.id("delete", "Collection", place);
        operation.description = format!("delete collection of {}", place.kind);
        operation.request = Some(options());
        operation.response = object(well_known::STATUS);
        operation
    }

    fn operation(
        &self,
        verb: &str,
        action: &'static str,
        place: &Place<'_>,
        mut parameters: Vec<serde_json::Value>,
    ) -> Operation {
        let resource = self.resource;
        if place.named {
            parameters.push(with::name_of(place.kind));
        }
        if place.namespaced {
            parameters.extend(with::common(&["namespace"]));
        }
        if action != "connect" {
            parameters.extend(with::common(&["pretty"]));
        }
        let own = Place {
            kind: &resource.kind,
            ..*place
        };
        Operation {
            id: self.id(verb, "", &own),
            tag: tag(&resource.group, &resource.version),
            description: String::new(),
            action: Some(action),
            speaks: Some((
                resource.group.to_string(),
                resource.version.to_string(),
                resource.kind.to_string(),
            )),
            parameters,
            request: None,
            response: object(&self.schema),
            codes: &[],
        }
    }

    fn id(&self, verb: &str, middle: &str, place: &Place<'_>) -> String {
        let resource = self.resource;
        let space = if place.namespaced { "Namespaced" } else { "" };
        let camel = camel(&resource.group, &resource.version);
        format!("{verb}{camel}{middle}{space}{}{}", place.kind, place.suffix)
    }

    fn path(&self, rest: &str) -> String {
        let resource = self.resource;
        let root = root_of(&resource.group, &resource.version);
        let space = match resource.namespaced {
            true => "/namespaces/{namespace}",
            false => "",
        };
        format!("{root}{space}/{}{rest}", resource.plural)
    }
}

/// Deleting these answers with the object, not with a `Status`.
const RETURNED: [(&str, &str); 16] = [
    ("", "persistentvolumeclaims"),
    ("", "persistentvolumes"),
    ("", "pods"),
    ("", "podtemplates"),
    ("", "resourcequotas"),
    ("", "serviceaccounts"),
    ("", "services"),
    ("resource.k8s.io", "deviceclasses"),
    ("resource.k8s.io", "resourceclaims"),
    ("resource.k8s.io", "resourceclaimtemplates"),
    ("resource.k8s.io", "resourceslices"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "storageclasses"),
    ("storage.k8s.io", "volumeattachments"),
    ("storage.k8s.io", "volumeattributesclasses"),
];

fn object(schema: &str) -> Response {
    Response::Object {
        schema: schema.to_owned(),
        watchable: false,
    }
}

fn body(schema: &str) -> Request {
    Request {
        media: &["*/*"],
        schema: schema.to_owned(),
        required: true,
    }
}

fn options() -> Request {
    Request {
        media: &["*/*"],
        schema: well_known::DELETE_OPTIONS.to_owned(),
        required: false,
    }
}
