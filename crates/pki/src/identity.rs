//! Who makes a request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::certificate::PeerCertificate;

/// Group of everybody who proved who they are.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Group of everybody else.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Name of everybody else.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group that may do everything, whatever the rules say.
pub const MASTERS: &str = "system:masters";

/// Who makes a request: what authentication found, what RBAC judges.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user's name.
    pub user: String,
    /// The user's uid, if the proof carried one (service accounts do).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The groups, `system:authenticated` included.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What else the proof said (the pod of a token, for instance).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Identity {
    /// A user who proved to be in these groups; `system:authenticated` is added.
    pub fn authenticated<G: Into<String>>(
        user: impl Into<String>,
        groups: impl IntoIterator<Item = G>,
    ) -> Self {
        let mut groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        if !groups.iter().any(|g| g == AUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        Self {
            user: user.into(),
            groups,
            ..Self::default()
        }
    }

    /// Somebody who proved nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            user: ANONYMOUS.to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
            ..Self::default()
        }
    }

    /// The user that a client certificate speaks for: CN is the name, each O a group.
    #[must_use]
    pub fn from_certificate(certificate: &PeerCertificate) -> Self {
        Self::authenticated(
            &certificate.common_name,
            certificate.organizations.iter().cloned(),
        )
    }

    /// Whether the user is in a group.
    #[must_use]
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}
