//! What a request is for: whether it is there, answers to that method, and in which forms.

use std::sync::Arc;

use http::Method;

use crate::api::Api;
use crate::negotiate::{Accepted, Offer, Shape};
use crate::request::{ResourceRequest, Verb};
use crate::resource::{Resource, Served};
use crate::status::{About, Error, Result};
use crate::subresource;

/// Groups of ours say what they do not have; of others, nothing is known.
pub(crate) fn unknown(group: &str) -> Error {
    if cedge_kinds::all().iter().any(|kind| kind.group == group) {
        Error::NoSuchResource
    } else {
        Error::NoSuchPath
    }
}

/// What was asked for, if it is there and answers to that.
pub(super) fn find(api: &Api, request: &ResourceRequest, method: &Method) -> Result<Arc<Resource>> {
    let found = api
        .registry
        .find(&request.group, &request.version, &request.resource);
    let resource = found.ok_or_else(|| unknown(&request.group))?;
    let in_namespace = !request.namespace.is_empty() && !resource.is("", "namespaces");
    let across = matches!(
        request.verb,
        Verb::List | Verb::Watch | Verb::DeleteCollection
    );
    if in_namespace && !resource.namespaced {
        return Err(unknown(&request.group));
    }
    let not_this_verb = || Err(Error::MethodNotAllowed(About::default(), String::new()));
    let collection = request.name.is_empty() && request.subresource.is_empty();
    if resource.namespaced && !in_namespace && !across && collection {
        // All namespaces can be listed, and nothing else.
        return not_this_verb();
    }
    if resource.namespaced && !in_namespace && !(across && request.subresource.is_empty()) {
        return Err(unknown(&request.group));
    }
    let at_name = request.subresource.is_empty() && !request.name.is_empty();
    if at_name && request.verb == Verb::Create && !resource.is_custom() {
        return not_this_verb();
    }
    if at_name && request.verb == Verb::Get && !resource.is_stored() && resource.is_review() {
        return Err(unknown(&request.group));
    }
    if resource.namespaced && !in_namespace && request.verb == Verb::DeleteCollection {
        return not_this_verb();
    }
    if request.name.is_empty() && matches!(request.verb, Verb::Update | Verb::Patch) {
        return not_this_verb();
    }
    let named = !matches!(request.verb, Verb::List | Verb::Watch);
    if let Some(why) = wrong_name(&request.name).filter(|_| named) {
        let name = &request.name;
        return Err(Error::BadRequest(format!(
            "Name parameter invalid: {name:?}: {why}"
        )));
    }
    if !request.rest.is_empty() && request.subresource != "proxy" {
        return Err(unknown(&request.group));
    }
    if request.subresource == "proxy" && subresource::proxy::METHODS.contains(method) {
        return match resource.serves("proxy", "get") {
            Served::Unknown => Err(unknown(&request.group)),
            Served::Yes | Served::NotThisVerb => Ok(resource),
        };
    }
    match resource.serves(&request.subresource, request.verb.as_str()) {
        Served::Yes if *method == Method::HEAD => not_this_verb(),
        Served::Yes => Ok(resource),
        Served::NotThisVerb => not_this_verb(),
        // Whatever stands below the name of such an object is the object, which has no such part.
        Served::Unknown if resource.is_custom() => {
            Err(Error::NotFound(resource.about(&request.name)))
        }
        Served::Unknown => Err(unknown(&request.group)),
    }
}

/// What a name in a path may never be.
fn wrong_name(name: &str) -> Option<&'static str> {
    match name {
        "." => Some("may not be '.'"),
        ".." => Some("may not be '..'"),
        name if name.contains('%') => Some("may not contain '%'"),
        _ => None,
    }
}

pub(super) fn accepted(
    headers: &http::HeaderMap,
    pretty: bool,
    request: &ResourceRequest,
    resource: &Resource,
) -> Result<Accepted> {
    if matches!(
        request.subresource.as_str(),
        "log" | "exec" | "attach" | "portforward" | "proxy"
    ) {
        return Ok(Accepted::default());
    }
    let offer = Offer {
        protobuf: !resource.is_custom(),
        streams: matches!(request.verb, Verb::List | Verb::Watch),
    };
    let accepted = Accepted::parse(headers, pretty, offer)?;
    let aggregated = resource.is("apiregistration.k8s.io", "apiservices");
    if aggregated && request.subresource == "status" && accepted.shape == Shape::Table {
        // Kubernetes' aggregator has no table of this one.
        return Err(Error::NotAcceptable(offer.types().join(", ")));
    }
    Ok(accepted)
}
