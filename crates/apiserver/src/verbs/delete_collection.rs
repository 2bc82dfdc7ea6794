//! Deletion of all objects that selectors match.

use bytes::Bytes;
use http::Response;

use super::delete::{DeleteOptions, delete_object, warn_of_orphans};
use super::list;
use crate::api::Api;
use crate::call::Call;
use crate::respond::Body;
use crate::status::{Error, Result};

pub(crate) async fn delete_collection(
    api: &Api,
    call: &Call,
    body: &Bytes,
) -> Result<Response<Body>> {
    let options = DeleteOptions::read(call, body)?;
    warn_of_orphans(call, &options);
    let list_options = call.query.list_options(false)?;
    let listed = list::page(api, &call.resource, &call.request.namespace, &list_options).await?;
    for object in &listed.objects {
        match delete_object(api, call, object.path(), &options).await {
            // Somebody else was faster.
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    list::answer(api, call, listed).await
}
