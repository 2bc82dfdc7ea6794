//! What makes a `CustomResourceDefinition` valid, in Kubernetes' words.
//!
//! Kubernetes judges an internal form in which what all versions share stands once, above them: so a mistake in the
//! only schema is told at `spec.validation.openAPIV3Schema`, and one in a printer column that all versions share at
//! `spec.additionalPrinterColumns`. [`Form`] knows which is where.

use serde_json::{Value, json};

use cedge_kinds::error::{Errors, FieldError};
use cedge_kinds::formats;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;
use cedge_kinds::strategy::same;
use cedge_kinds::validation::metadata;

mod conversion;
mod defaults;
mod fields;
mod lists;
mod rules;
mod schema;
mod stored;
mod structural;
mod words;

/// What is wrong with a new definition.
#[must_use]
pub fn validate_create(crd: &Value) -> Vec<FieldError> {
    let mut errors = Errors::new();
    let meta = Path::root("metadata");
    metadata::validate(
        crd.field("metadata"),
        false,
        metadata::path_segment_name,
        &meta,
        &mut errors,
    );
    name_matches(crd, &mut errors);
    validate_rest(crd, None, &mut errors);
    errors.0
}

/// What is wrong with a definition that is to replace `old`.
#[must_use]
pub fn validate_update(crd: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::new();
    let path = Path::root("metadata");
    let (meta, before) = (crd.field("metadata"), old.field("metadata"));
    metadata::validate(meta, false, metadata::path_segment_name, &path, &mut errors);
    metadata::validate_update(meta, before, &path, &mut errors);
    metadata::validate_update(meta, before, &path, &mut errors);
    validate_rest(crd, Some(old), &mut errors);
    errors.0
}

fn validate_rest(crd: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = crd.field("spec");
    validate_spec(spec, old, &path, errors);
    if let Some(old) = old {
        stored::immutable_parts(spec, old, &path, errors);
    }
    let status = Path::root("status");
    words::validate(
        crd.at("status.acceptedNames"),
        &status.child("acceptedNames"),
        errors,
    );
    stored::versions(crd, &status.child("storedVersions"), errors);
    stored::approval(crd, old, errors);
    let keeps = |crd: &Value| crd.field("spec").flag("preserveUnknownFields");
    if keeps(crd) && !old.is_some_and(keeps) {
        errors.invalid(
            &path.child("preserveUnknownFields"),
            true,
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        );
    }
}

/// A definition is called `PLURAL.GROUP`.
fn name_matches(crd: &Value, errors: &mut Errors) {
    let name = crd["metadata"].text("name");
    if name.is_empty() {
        return;
    }
    let path = Path::root("metadata");
    let path = path.child("name");
    errors.invalid_all(&path, name, formats::dns_subdomain(name));
    let wanted = format!(
        "{}.{}",
        crd.at("spec.names").text("plural"),
        crd["spec"].text("group")
    );
    if name != wanted {
        errors.invalid(&path, name, "must be spec.names.plural+\".\"+spec.group");
    }
}

/// Which parts all versions share.
pub(crate) struct Form<'a> {
    pub(crate) versions: &'a [Value],
    /// The versions that are stored, if the definition is.
    before: Option<&'a [Value]>,
    /// Whether there is a list of versions, even if it is empty.
    given: bool,
}

impl<'a> Form<'a> {
    fn new(spec: &'a Value, old: Option<&'a Value>) -> Self {
        Self {
            versions: spec.items("versions"),
            before: old.map(|old| old["spec"].items("versions")),
            given: spec.has("versions"),
        }
    }

    /// Whether the schema of a version is the one that is stored.
    fn keeps_schema(&self, version: &Value) -> bool {
        let mut before = self.before.into_iter().flatten();
        let old = before.find(|old| old.text("name") == version.text("name"));
        old.is_some_and(|old| same(schema_of(version), schema_of(old)))
    }

    /// The part, if every version has the same.
    fn shared(&self, part: &str) -> Option<&'a Value> {
        let first = self.versions.first()?.field(part);
        let all = self.versions.iter().all(|v| same(v.field(part), first));
        all.then_some(first)
    }
}

fn validate_spec(spec: &Value, old: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    let form = Form::new(spec, old);
    group(spec, path, errors);
    scope(spec, path, errors);
    if old.is_none() {
        schemas_there(&form, path, errors);
    }
    versions(&form, path, errors);
    let required = ["plural", "singular", "kind", "listKind"];
    let wanted = spec.field("names");
    let names_path = path.child("names");
    for name in required {
        if wanted.text(name).is_empty() {
            errors.required(&names_path.child(name), "");
        }
    }
    words::validate(wanted, &names_path, errors);
    shared_parts(&form, path, errors);
    conversion::validate(spec.field("conversion"), &path.child("conversion"), errors);
}

fn group(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let group = spec.text("group");
    let path = path.child("group");
    let wrong = formats::dns_subdomain(group);
    if group.is_empty() {
        errors.required(&path, "");
    } else if !wrong.is_empty() {
        errors.invalid(&path, group, wrong.join(","));
    } else if !group.contains('.') {
        errors.invalid(&path, group, "should be a domain with at least one dot");
    }
}

fn scope(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    match spec.text("scope") {
        "Cluster" | "Namespaced" => {}
        "" => errors.required(&path.child("scope"), ""),
        other => errors.not_supported(&path.child("scope"), other, &["Cluster", "Namespaced"]),
    }
}

fn schema_of(version: &Value) -> &Value {
    version.at("schema.openAPIV3Schema")
}

fn schemas_there(form: &Form<'_>, path: &Path<'_>, errors: &mut Errors) {
    let shared = form
        .shared("schema")
        .is_some_and(|s| s.has("openAPIV3Schema"));
    if shared {
        return;
    }
    let path = path.child("versions");
    for (i, version) in form.versions.iter().enumerate() {
        if !schema_of(version).is_object() {
            errors.required(&path.index(i).child("schema").child("openAPIV3Schema"), "");
        }
    }
}

fn versions(form: &Form<'_>, path: &Path<'_>, errors: &mut Errors) {
    let versions_path = path.child("versions");
    let mut seen = std::collections::HashSet::new();
    let mut unique = true;
    for (i, version) in form.versions.iter().enumerate() {
        let path = versions_path.index(i);
        let name = version.text("name");
        unique &= seen.insert(name);
        let wrong = formats::dns1035_label(name);
        if !wrong.is_empty() {
            errors.invalid(&path.child("name"), name, wrong.join(","));
        }
        own_parts(form, version, &path, errors);
    }
    if !unique {
        errors.invalid(
            &versions_path,
            shown(form),
            "must contain unique version names",
        );
    }
    if form.versions.iter().filter(|v| v.flag("storage")).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.invalid(&versions_path, shown(form), detail);
    }
    if let Some(first) = form.versions.first().map(|v| v.text("name")) {
        let wrong = formats::dns1035_label(first);
        if !first.is_empty() && !wrong.is_empty() {
            errors.invalid(&path.child("version"), first, wrong.join(","));
        }
    }
}

/// What a version does not share with the others.
fn own_parts(form: &Form<'_>, version: &Value, path: &Path<'_>, errors: &mut Errors) {
    fields::deprecation(version, path, errors);
    let has_status = version.at("subresources.status").is_object();
    if form.shared("schema").is_none() {
        let schema_path = path.child("schema");
        schema::validate(
            schema_of(version),
            has_status,
            form.keeps_schema(version),
            &schema_path.child("openAPIV3Schema"),
            errors,
        );
    }
    if form.shared("subresources").is_none() {
        fields::subresources(
            version.field("subresources"),
            &path.child("subresources"),
            errors,
        );
    }
    if form.shared("additionalPrinterColumns").is_none() {
        let columns = version.items("additionalPrinterColumns");
        fields::columns(columns, &path.child("additionalPrinterColumns"), errors);
    }
    if form.shared("selectableFields").is_none() {
        let selectable = version.items("selectableFields");
        fields::selectable(
            selectable,
            schema_of(version),
            &path.child("selectableFields"),
            errors,
        );
    }
}

/// What all versions share.
fn shared_parts(form: &Form<'_>, path: &Path<'_>, errors: &mut Errors) {
    let any_status = form
        .versions
        .iter()
        .any(|v| v.at("subresources.status").is_object());
    if let Some(shared) = form.shared("schema") {
        let schema_path = path.child("validation");
        let schema = shared.field("openAPIV3Schema");
        schema::validate(
            schema,
            any_status,
            form.versions.first().is_some_and(|v| form.keeps_schema(v)),
            &schema_path.child("openAPIV3Schema"),
            errors,
        );
    }
    if let Some(shared) = form.shared("subresources") {
        fields::subresources(shared, &path.child("subresources"), errors);
    }
    if let Some(shared) = form.shared("additionalPrinterColumns") {
        let columns = shared.as_array().map_or(&[][..], Vec::as_slice);
        fields::columns(columns, &path.child("additionalPrinterColumns"), errors);
    }
    if let Some(shared) = form.shared("selectableFields") {
        let selectable = shared.as_array().map_or(&[][..], Vec::as_slice);
        let schema = form.versions.first().map_or(&Value::Null, schema_of);
        fields::selectable(selectable, schema, &path.child("selectableFields"), errors);
    }
}

/// The versions as Kubernetes' internal form writes them, for messages that show them whole.
fn shown(form: &Form<'_>) -> Value {
    if !form.given {
        return Value::Null;
    }
    let part = |version: &Value, name: &str| {
        if form.shared(name).is_some() {
            Value::Null
        } else {
            version.field(name).clone()
        }
    };
    form.versions
        .iter()
        .map(|version| {
            json!({
                "Name": version.text("name"),
                "Served": version.flag("served"),
                "Storage": version.flag("storage"),
                "Deprecated": version.flag("deprecated"),
                "DeprecationWarning": version.field("deprecationWarning"),
                "Schema": part(version, "schema"),
                "Subresources": part(version, "subresources"),
                "AdditionalPrinterColumns": part(version, "additionalPrinterColumns"),
                "SelectableFields": part(version, "selectableFields"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
