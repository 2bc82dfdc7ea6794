//! Kubeconfig files, as kubectl reads them.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::credential::Credential;
use crate::files::{self, FileError};

/// A kubeconfig: what we write, and what we read of others'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kubeconfig {
    /// Always `v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Always `Config`.
    pub kind: String,
    /// Where clusters are.
    #[serde(default)]
    pub clusters: Vec<NamedCluster>,
    /// Who speaks.
    #[serde(default)]
    pub users: Vec<NamedUser>,
    /// Who speaks to which.
    #[serde(default)]
    pub contexts: Vec<NamedContext>,
    /// The context that is used.
    #[serde(default)]
    pub current_context: String,
}

/// A cluster under its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCluster {
    /// Its name in this file.
    pub name: String,
    /// Where it is.
    pub cluster: Cluster,
}

/// Where a cluster is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cluster {
    /// `https://HOST:PORT`, perhaps with a path below.
    pub server: String,
    /// The CA, PEM in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_authority_data: Option<String>,
    /// The CA, as a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// The name that the server's certificate must have, if it is not the one in `server`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
}

/// A user under its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedUser {
    /// Its name in this file.
    pub name: String,
    /// How it proves who it is.
    pub user: User,
}

/// How a user proves who it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct User {
    /// A certificate, PEM in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_data: Option<String>,
    /// Its key, PEM in base64: a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key_data: Option<String>,
    /// A bearer token: a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// A context under its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedContext {
    /// Its name.
    pub name: String,
    /// What it joins.
    pub context: Context,
}

/// A user at a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The cluster's name in this file.
    pub cluster: String,
    /// The user's name in this file.
    pub user: String,
    /// The namespace that is meant when none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Not a kubeconfig.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is none.
    #[error("there is no file {0}")]
    Missing(String),
    /// What is in it.
    #[error("this is not a kubeconfig: {0}")]
    NotAKubeconfig(String),
}

// === impl User ===

impl User {
    /// By a client certificate.
    #[must_use]
    pub fn by_certificate(credential: &Credential) -> Self {
        Self {
            client_certificate_data: Some(BASE64.encode(credential.leaf_pem())),
            client_key_data: Some(BASE64.encode(credential.key().to_pem())),
            token: None,
        }
    }

    /// By a bearer token.
    #[must_use]
    pub fn by_token(token: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()),
            ..Self::default()
        }
    }
}

/// Without secrets.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("client_certificate_data", &self.client_certificate_data)
            .finish_non_exhaustive()
    }
}

// === impl Kubeconfig ===

impl Kubeconfig {
    /// A kubeconfig for one user of one cluster, both called `name`.
    #[must_use]
    pub fn single(name: &str, server: &str, ca_pem: &str, user: User) -> Self {
        Self {
            api_version: "v1".to_owned(),
            kind: "Config".to_owned(),
            clusters: vec![NamedCluster {
                name: name.to_owned(),
                cluster: Cluster {
                    server: server.to_owned(),
                    certificate_authority_data: Some(BASE64.encode(ca_pem)),
                    ..Cluster::default()
                },
            }],
            users: vec![NamedUser {
                name: name.to_owned(),
                user,
            }],
            contexts: vec![NamedContext {
                name: name.to_owned(),
                context: Context {
                    cluster: name.to_owned(),
                    user: name.to_owned(),
                    namespace: None,
                },
            }],
            current_context: name.to_owned(),
        }
    }

    /// The file's text.
    ///
    /// # Panics
    /// Never: strings in lists can always be written.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("strings in lists can be written as YAML")
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// When it is not YAML (or JSON) of this form.
    pub fn from_yaml(text: &str) -> Result<Self, ReadError> {
        serde_saphyr::from_str(text).map_err(|e| ReadError::NotAKubeconfig(e.to_string()))
    }

    /// Writes the file, for its owner alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        files::write_private(path, self.to_yaml().as_bytes())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When there is none, or it is not a kubeconfig.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let bytes =
            files::read(path)?.ok_or_else(|| ReadError::Missing(path.display().to_string()))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| ReadError::NotAKubeconfig("it is not UTF-8".to_owned()))?;
        Self::from_yaml(&text)
    }

    /// The cluster and user of the current context.
    #[must_use]
    pub fn current(&self) -> Option<(&Cluster, &User)> {
        let context = self
            .contexts
            .iter()
            .find(|c| c.name == self.current_context)?;
        let cluster = self
            .clusters
            .iter()
            .find(|c| c.name == context.context.cluster)?;
        let user = self.users.iter().find(|u| u.name == context.context.user)?;
        Some((&cluster.cluster, &user.user))
    }
}
