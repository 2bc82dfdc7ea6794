//! Extension API servers: groups of the API that other servers answer behind this one, as APIServices say.

mod availability;
mod documents;
mod proxy;
mod published;
mod routes;

pub(crate) use availability::run;
pub(crate) use documents::openapi;
pub(crate) use proxy::serve;
pub(crate) use published::publish;
pub(crate) use routes::{Route, Routes};

use std::sync::Arc;

use cedge_pki::{Authority, Key, LiveCredential, Profile, Validity};

/// The name in the certificate that this server shows to extension API servers.
const NAME: &str = "front-proxy-client";

/// How extension API servers know that a request comes through this server, and may believe whom it says it is from.
#[derive(Debug, Clone)]
pub struct FrontProxy {
    /// What this server shows.
    credential: Arc<LiveCredential>,
    /// The authority behind that, which signs nothing else.
    authority_pem: String,
    /// The authority of the cluster's users.
    users_pem: Option<String>,
}

// === impl FrontProxy ===

impl FrontProxy {
    pub(crate) fn credential(&self) -> Arc<LiveCredential> {
        self.credential.clone()
    }

    /// With a certificate of an authority of its own: whoever has one of its certificates can be anybody.
    ///
    /// # Errors
    /// The authority does not sign.
    pub fn new(
        authority: &Authority,
        users_pem: Option<String>,
    ) -> Result<Self, cedge_pki::authority::SignError> {
        let profile = Profile::User {
            name: NAME.into(),
            group: None,
        };
        let validity = Validity::from_now(cedge_tasks::clock::now());
        let credential = authority.issue(&profile, &Arc::new(Key::generate()), validity)?;
        Ok(Self {
            credential: LiveCredential::new(&credential),
            authority_pem: authority.certificate_pem(),
            users_pem,
        })
    }
}
