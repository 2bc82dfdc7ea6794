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
        revision => {
            let wanted = if call.resource.plural == "events" {
                super::list::revision(revision)?
            } else {
                super::list::plain_revision(revision)?
            };
            api.cache.reach(wanted).await?;
        }
    }
    let object = call.resource.cache.get(&call.path());
    let object = object.ok_or_else(|| Error::NotFound(call.resource.about(&call.request.name)))?;
    if call.resource.conversion().is_some() {
        let mut decoded = object.value()?;
        api.read_one(&call.resource, &mut decoded).await?;
        return respond::object(call, http::StatusCode::OK, decoded);
    }
    respond::stored_object(call, &object)
}
