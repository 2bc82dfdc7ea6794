//! Objects live in namespaces that exist and are not on their way out.

use crate::api::Api;
use crate::call::Call;
use crate::meta;
use crate::status::{About, Error, Result};

/// Namespaces that nobody may delete.
pub(super) const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Whether a namespace takes new content.
pub(super) async fn must_take(api: &Api, call: &Call, namespace: &str, name: &str) -> Result<()> {
    let found = api.read("", "namespaces", namespace).await?;
    let Some(found) = found else {
        return Err(Error::NotFound(About::new("", "namespaces", namespace)));
    };
    if meta::is_deleting(&found) || found["status"]["phase"] == "Terminating" {
        return Err(Error::Terminating(
            call.resource.about(name),
            namespace.to_owned(),
        ));
    }
    Ok(())
}
