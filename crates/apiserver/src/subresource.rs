//! Parts of resources with paths of their own, and resources that are only answered.

mod binding;
mod dial;
mod eviction;
pub(crate) mod node;
pub(crate) mod proxy;
mod review;
pub(crate) mod scale;
mod token;

pub(crate) use scale::{ScalePaths, table as scale_table};

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use crate::api::Api;
use crate::call::Call;
use crate::request::Verb;
use crate::respond::{self, Body};
use crate::status::{Error, Result};
use crate::verbs;

pub(crate) async fn dispatch(api: &Api, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    match (
        call.resource.plural.as_str(),
        call.request.subresource.as_str(),
    ) {
        ("pods", "binding") | ("bindings", "") => binding::bind(api, call, body).await,
        ("pods", "eviction") => eviction::evict(api, call, body).await,
        ("serviceaccounts", "token") => token::issue(api, call, body).await,
        (_, "scale") => scale::serve(api, call, body).await,
        ("componentstatuses", _) => components(call),
        (_, "") => review::answer(api, call, body),
        // The rest is the object itself, of which a part can be written.
        _ => match call.request.verb {
            Verb::Get => verbs::get::get(api, call).await,
            Verb::Update => verbs::update::update(api, call, body).await,
            Verb::Patch => verbs::patch::patch(api, call, body).await,
            Verb::List
            | Verb::Watch
            | Verb::Create
            | Verb::Delete
            | Verb::DeleteCollection
            | Verb::Other => Err(Error::NoSuchPath),
        },
    }
}

/// The parts of a control plane, which here is one program: none to tell of.
fn components(call: &Call) -> Result<Response<Body>> {
    if call.request.verb != Verb::List {
        let about = crate::status::About::new("", "componentstatus", &call.request.name);
        return Err(Error::NotFound(about));
    }
    let list =
        json!({"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": []});
    Ok(respond::value(
        StatusCode::OK,
        call.accepted.encoding,
        &list,
    ))
}
