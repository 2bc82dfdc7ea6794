//! What is served under one path, built-in or from a CustomResourceDefinition: everything a generic handler asks.

mod peculiar;
mod shown;

pub(crate) use shown::Column;

use std::sync::Arc;

use cedge_kinds::Kind;
use cedge_schema::{TypeRef, Types, check_types, unknown_fields};
use serde_json::Value;

use crate::api::Api;
use crate::cache::KindCache;
use crate::crds::{self, Conversion, CustomVersion};
use crate::prune::prune;
use crate::status::{About, Cause};

/// A resource in one version.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) namespaced: bool,
    /// Where objects are cached and stored; shared by all versions.
    pub(crate) cache: Arc<KindCache>,
    pub(crate) definition: Definition,
}

/// Where the rules of a resource come from.
#[derive(Debug)]
pub(crate) enum Definition {
    BuiltIn(&'static Kind),
    Custom(CustomVersion),
}

/// The kind that a resource or subresource takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Speaks {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

// === impl Speaks ===

impl Speaks {
    pub(crate) fn new(group: &str, version: &str, kind: &str) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
        }
    }

    pub(crate) fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }
}

/// `v1`, or `apps/v1`.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

// === impl Resource ===

impl Resource {
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.plural == plural && self.group == group
    }

    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.definition, Definition::Custom(_))
    }

    pub(crate) fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// Whether it is only asked, and has no objects that could be named.
    pub(crate) fn is_review(&self) -> bool {
        self.plural.ends_with("reviews")
    }

    /// Whether objects are kept; reviews and bindings are only answered.
    pub(crate) fn is_stored(&self) -> bool {
        match &self.definition {
            Definition::BuiltIn(kind) => kind.is_stored(),
            Definition::Custom(_) => true,
        }
    }

    /// `namespace/name`, or the name alone.
    pub(crate) fn path(&self, namespace: &str, name: &str) -> String {
        if self.namespaced {
            format!("{namespace}/{name}")
        } else {
            name.to_owned()
        }
    }

    /// For errors that name the resource.
    pub(crate) fn about(&self, name: &str) -> About {
        About::new(&self.group, &self.plural, name)
    }

    /// For errors that name the kind.
    pub(crate) fn about_kind(&self, name: &str) -> About {
        // Both versions of an Event are one kind inside.
        let group = match self.group.as_str() {
            "events.k8s.io" => "",
            group => group,
        };
        About::new(group, &self.kind, name)
    }

    /// Whether the resource, or a subresource of it, answers to a verb.
    pub(crate) fn serves(&self, subresource: &str, verb: &str) -> Served {
        match &self.definition {
            Definition::BuiltIn(kind) => match (subresource, kind.subresource(subresource)) {
                ("", _) => Served::of(kind.has_verb(verb)),
                (_, Some(sub)) => Served::of(sub.verbs.contains(&verb)),
                (_, None) => Served::Unknown,
            },
            Definition::Custom(custom) => match subresource {
                "" => Served::Yes,
                "status" if custom.has_status() => {
                    Served::of(matches!(verb, "get" | "update" | "patch"))
                }
                "scale" if custom.scale().is_some() => {
                    Served::of(matches!(verb, "get" | "update" | "patch"))
                }
                _ => Served::Unknown,
            },
        }
    }

    /// The kind that bodies have.
    pub(crate) fn speaks(&self, subresource: &str) -> Speaks {
        if subresource == "scale" {
            return Speaks::new("autoscaling", "v1", "Scale");
        }
        if let Definition::BuiltIn(kind) = &self.definition
            && let Some(sub) = kind.subresource(subresource)
        {
            return Speaks::new(sub.group, sub.version, sub.kind);
        }
        Speaks::new(&self.group, &self.version, &self.kind)
    }

    /// The type of bodies: the schema that patches and apply follow. `None` where a CRD has none.
    pub(crate) fn types(&self, speaks: &Speaks) -> Option<TypeRef<'_>> {
        match &self.definition {
            Definition::Custom(custom) if speaks.kind == self.kind => Some(custom.types().root()),
            _ => Types::builtin().of(&speaks.group, &speaks.version, &speaks.kind),
        }
    }

    /// Refuses values of the wrong JSON type, in the words of a typed decoder.
    pub(crate) fn check_types(&self, speaks: &Speaks, object: &Value) -> Result<(), String> {
        if self.is_custom() && speaks.kind == self.kind {
            // The schema of a custom resource is checked by validation, with the field's path.
            let metadata =
                Types::builtin().named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
            let Some(ty) = metadata else { return Ok(()) };
            return check_types(ty, &object["metadata"]).map_err(|e| e.message);
        }
        match self.types(speaks) {
            Some(ty) => check_types(ty, object).map_err(|e| e.message),
            None => Ok(()),
        }
    }

    /// Removes unknown fields, and gives their paths.
    pub(crate) fn prune(&self, speaks: &Speaks, object: &mut Value) -> Vec<String> {
        if let Definition::Custom(custom) = &self.definition
            && speaks.kind == self.kind
        {
            return custom.prune(object);
        }
        let Some(ty) = self.types(speaks) else {
            return Vec::new();
        };
        let unknown = unknown_fields(ty, object);
        prune(ty, object);
        unknown
    }

    pub(crate) fn set_defaults(&self, object: &mut Value) {
        match &self.definition {
            Definition::BuiltIn(kind) => {
                // As a typed decoder leaves it: what is empty is as good as absent, and nobody's own.
                self.normalize(object);
                cedge_kinds::default_object(kind, object);
            }
            Definition::Custom(custom) => custom.set_defaults(object),
        }
    }

    /// An empty list that its kind must have is kept as none.
    fn drop_empty(&self, object: &mut Value) {
        if !self.is("storage.k8s.io", "csinodes") {
            return;
        }
        if let Some(drivers) = object.pointer_mut("/spec/drivers")
            && drivers.as_array().is_some_and(Vec::is_empty)
        {
            *drivers = Value::Null;
        }
    }

    fn normalize(&self, object: &mut Value) {
        if let Some(ty) = self.types(&self.speaks("")) {
            cedge_schema::normalize(ty, object);
        }
    }

    pub(crate) fn prepare_create(&self, object: &mut Value, now: &str) {
        match &self.definition {
            Definition::BuiltIn(kind) => {
                cedge_kinds::prepare_create(kind, object, now);
                self.normalize(object);
                self.drop_empty(object);
            }
            Definition::Custom(custom) => custom.prepare_create(object),
        }
    }

    pub(crate) fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        let part = Some(subresource).filter(|s| !s.is_empty());
        match &self.definition {
            Definition::BuiltIn(kind) => {
                cedge_kinds::prepare_update(kind, part, new, old);
                self.normalize(new);
                self.drop_empty(new);
            }
            Definition::Custom(custom) => custom.prepare_update(part, new, old),
        }
    }

    /// What is wrong with an object; found out beside other requests where the kind has rules of its own, which may loop.
    pub(crate) async fn judge(
        &self,
        api: &Api,
        subresource: &str,
        new: &Value,
        old: Option<&Value>,
    ) -> Vec<Cause> {
        let validate = || self.validate(subresource, new, old);
        match &self.definition {
            Definition::Custom(custom) if custom.takes_long() => api.aside.think(validate).await,
            Definition::BuiltIn(_) if self.is(crds::GROUP, crds::PLURAL) => {
                let causes = validate();
                if causes.is_empty() && crds::is_true(new, "Established") {
                    // It is served as soon as it is written, and that must not take long.
                    let _ = api.registry.compiled.kind(new);
                }
                causes
            }
            Definition::Custom(_) | Definition::BuiltIn(_) => validate(),
        }
    }

    fn validate(&self, subresource: &str, new: &Value, old: Option<&Value>) -> Vec<Cause> {
        let part = Some(subresource).filter(|s| !s.is_empty());
        let definition = self.is(crds::GROUP, crds::PLURAL) && part.is_none();
        let errors = match (&self.definition, old) {
            (Definition::BuiltIn(_), None) if definition => cedge_crd::validate_create(new),
            (Definition::BuiltIn(_), Some(old)) if definition => {
                cedge_crd::validate_update(new, old)
            }
            (Definition::BuiltIn(kind), old) => cedge_kinds::validate(kind, part, new, old),
            (Definition::Custom(custom), old) => custom.validate(part, new, old),
        };
        let more = if self.group == "admissionregistration.k8s.io" && part.is_none() {
            cedge_policy::check::validate(&self.kind, new)
        } else {
            Vec::new()
        };
        let mut causes: Vec<Cause> = Vec::new();
        for cause in errors.iter().chain(&more).map(Cause::from) {
            // Two rules may say the same.
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
        causes
    }

    /// What every answer of this version warns of.
    pub(crate) fn deprecation(&self) -> Option<&str> {
        match &self.definition {
            Definition::BuiltIn(kind) => match (kind.group, kind.plural) {
                ("", "endpoints") => Some(
                    "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
                ),
                ("", "componentstatuses") => Some("v1 ComponentStatus is deprecated in v1.19+"),
                _ => None,
            },
            Definition::Custom(custom) => custom.deprecation(),
        }
    }

    /// From the version in which objects are stored to this one.
    pub(crate) fn read_stored(&self, object: &mut Value) {
        match &self.definition {
            Definition::BuiltIn(kind) => convert(kind.storage(), kind, object),
            Definition::Custom(_) => object["apiVersion"] = self.api_version().into(),
        }
    }

    /// From this version to the one in which objects are stored.
    pub(crate) fn make_stored(&self, object: &mut Value) {
        match &self.definition {
            Definition::BuiltIn(kind) => convert(kind, kind.storage(), object),
            Definition::Custom(custom) => {
                object["apiVersion"] = custom.storage_api_version().into();
            }
        }
    }

    /// Whether the stored bytes become this version's by a change of `apiVersion` alone.
    pub(crate) fn bytes_are_ours(&self) -> bool {
        match &self.definition {
            Definition::BuiltIn(kind) => std::ptr::eq(kind.storage(), *kind),
            Definition::Custom(custom) => custom.conversion().is_none(),
        }
    }

    /// The webhook that makes objects of one version ones of another.
    pub(crate) fn conversion(&self) -> Option<&Conversion> {
        match &self.definition {
            Definition::BuiltIn(_) => None,
            Definition::Custom(custom) => custom.conversion(),
        }
    }

    /// The version in which objects of a custom resource are stored.
    pub(crate) fn storage_api_version(&self) -> String {
        match &self.definition {
            Definition::BuiltIn(kind) => api_version(kind.group, kind.storage().version),
            Definition::Custom(custom) => custom.storage_api_version(),
        }
    }
}

/// Whether something is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    Yes,
    /// The resource is there, but does not answer to the verb.
    NotThisVerb,
    /// There is no such subresource.
    Unknown,
}

// === impl Served ===

impl Served {
    fn of(served: bool) -> Self {
        if served { Self::Yes } else { Self::NotThisVerb }
    }
}

// === impl Cause ===

impl From<&cedge_kinds::FieldError> for Cause {
    fn from(error: &cedge_kinds::FieldError) -> Self {
        Self {
            reason: error.reason().into(),
            message: error.body(),
            field: error.field.clone(),
        }
    }
}

fn convert(from: &Kind, to: &Kind, object: &mut Value) {
    if !std::ptr::eq(from, to) {
        cedge_kinds::convert(from, to, object);
    }
}
