//! One object.

use http::Response;

use crate::api::Api;
use crate::call::Call;
use crate::respond::{self, Body};
use crate::status::{Error, Result};

pub(crate) async fn get(api: &Api, call: &Call) -> Result<Response<Body>> {
    let version = call.query.get("resourceVersion").unwrap_or_default();
    match version {
        "" => api.cache.fresh().await?,
        "0" => {}
        revision => api.cache.reach(super::list::revision(revision)?).await?,
    }
    let object = call.resource.cache.get(&call.path());
    let object = object.ok_or_else(|| Error::NotFound(call.resource.about(&call.request.name)))?;
    respond::stored_object(call, &object)
}
