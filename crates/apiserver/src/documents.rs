//! Discovery and OpenAPI.

use http::Response;
use http::request::Parts;

use crate::api::Api;
use crate::respond::Body;
use crate::status::{Error, Result};

/// Documents that are made when somebody asks.
#[derive(Debug, Default)]
pub(crate) struct Documents {}

// === impl Documents ===

impl Documents {
    pub(crate) async fn serve(
        &self,
        _api: &Api,
        _parts: &Parts,
        _path: &str,
    ) -> Result<Response<Body>> {
        Err(Error::NoSuchPath)
    }
}
