//! Admission policies: expressions in CEL, bound to places by bindings.

mod change;
mod judge;

pub(super) use change::change;
pub(super) use judge::judge;

use cedge_kinds::read::Read;
use cedge_policy::rules::Meant;
use cedge_policy::{Asked, Matching, Selector};
use serde_json::Value;

use super::deed::Deed;
use super::hooks::Binding;
use crate::resource::Resource;
use crate::selector::Filter;
use crate::status::{Error, Result};

/// Whether a policy and one of its bindings are for an operation.
enum Bound {
    No,
    As(Asked),
    /// The words of what is wrong with their selectors.
    Broken(String),
}

/// Matches the rules of a policy or of a binding.
fn meant(
    deed: &Deed<'_>,
    matching: &Matching,
    object: Option<&Value>,
    old: Option<&Value>,
) -> Bound {
    let mut namespace = None;
    if matching.needs_namespace() {
        match deed.namespace(object.or(old)) {
            Ok(found) => namespace = found,
            Err(error) => return Bound::Broken(error.to_string()),
        }
    }
    let (request, equivalents) = (&deed.request, deed.equivalents());
    match matching.means(request, equivalents, namespace.as_ref(), object, old) {
        Meant::No => Bound::No,
        Meant::As(asked) => Bound::As(asked),
        Meant::Broken(why) => Bound::Broken(why),
    }
}

/// Whether a binding adds no reason against.
fn is_bound(
    deed: &Deed<'_>,
    binding: &Binding,
    object: Option<&Value>,
    old: Option<&Value>,
) -> Bound {
    match &binding.matching {
        Some(matching) => meant(deed, matching, object, old),
        None => Bound::As(Asked {
            resource: deed.request.resource.clone(),
            kind: deed.request.kind.clone(),
        }),
    }
}

/// The objects that a binding gives to a policy as parameters, one after the other; `[None]` if there are none to give.
///
/// # Errors
/// In words, why they are not to be had.
async fn parameters(
    deed: &Deed<'_>,
    kind: Option<&(String, String)>,
    reference: &Value,
) -> std::result::Result<Vec<Option<Value>>, String> {
    let Some((api_version, kind)) = kind.filter(|_| reference.is_object()) else {
        return Ok(vec![None]);
    };
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = deed.api.registry.of_kind(group, version, kind);
    let resource = resource
        .ok_or_else(|| format!("paramKind kind `{group}/{version}, Kind={kind}` not known"))?;
    let named = reference.text("namespace");
    let namespace = match (resource.namespaced, named, deed.request.namespace.as_str()) {
        (false, "", _) => "",
        (false, _, _) => {
            return Err(
                "paramRef.namespace must not be provided for a cluster-scoped `paramKind`".into(),
            );
        }
        (true, "", "") => {
            return Err(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".into(),
            );
        }
        (true, "", own) => own,
        (true, named, _) => named,
    };
    let in_words = |e: Error| e.to_string();
    let mut found = find(&resource, namespace, reference).map_err(in_words)?;
    let reading = deed.api.read_as(&resource, &mut found);
    reading.await.map_err(in_words)?;
    if found.is_empty() && reference.text("parameterNotFoundAction") == "Deny" {
        return Err(
            "no params found for policy binding with `Deny` parameterNotFoundAction".into(),
        );
    }
    Ok(found.into_iter().map(Some).collect())
}

fn find(resource: &Resource, namespace: &str, reference: &Value) -> Result<Vec<Value>> {
    let name = reference.text("name");
    let mut found = Vec::new();
    if name.is_empty() {
        let selector = Selector::read(reference.field("selector")).map_err(Error::internal)?;
        let filter = Filter {
            namespace: namespace.to_owned(),
            ..Filter::default()
        };
        for object in resource.cache.list(&filter, None, 0, 0).objects {
            if selector.matches(|key| object.label(key)) {
                found.push(object.value()?);
            }
        }
    } else if let Some(object) = resource.cache.get(&resource.path(namespace, name)) {
        found.push(object.value()?);
    }
    Ok(found)
}

/// What expressions see of the namespace of an operation.
fn namespace_object(deed: &Deed<'_>) -> Result<Option<Value>> {
    if deed.call.resource.is("", "namespaces") {
        return Ok(None);
    }
    let mut namespace = deed.namespace(None)?;
    if let Some(namespace) = &mut namespace {
        for field in ["managedFields", "ownerReferences", "selfLink"] {
            crate::meta::remove(namespace, field);
        }
        if let Some(fields) = namespace.as_object_mut() {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
    }
    Ok(namespace)
}
