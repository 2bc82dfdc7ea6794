//! What a cluster remembers of its parent: one private file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::engine::general_purpose::STANDARD as BASE64;
use cedge_api::ClusterId;
use cedge_pki::Authority;
use cedge_pki::files::FileError;
use serde::{Deserialize, Serialize};

/// Where this cluster has joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// The parent's identity.
    pub parent: ClusterId,
    /// Its name for itself.
    pub parent_name: String,
    /// Our name there.
    pub name: String,
    /// Where it is dialled, best first.
    pub addresses: Vec<String>,
    /// An HTTP proxy on the way.
    #[serde(default)]
    pub proxy: Option<String>,
    /// Our certificate, DER, leaf first.
    #[serde(with = "der")]
    pub chain: Vec<Vec<u8>>,
    /// The parent's CA, DER.
    #[serde(with = "der_one")]
    pub ca: Vec<u8>,
    /// Origins that lost their keys, and who they are now.
    #[serde(default)]
    pub replaced: BTreeMap<ClusterId, ClusterId>,
    /// What the parent said when it detached us. Nobody is dialled then, until somebody joins again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detached: Option<String>,
}

/// The file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Uplink {
    path: PathBuf,
    authority: Arc<Authority>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its content.
    #[error("{path} cannot be read ({cause}); remove it and join again with a new token")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        cause: String,
    },
}

impl Uplink {
    /// The file in the tree's data.
    #[must_use]
    pub fn new(dir: &Path, authority: Arc<Authority>) -> Self {
        Self {
            path: dir.join("uplink.json"),
            authority,
        }
    }

    /// Where this cluster has joined, if it has.
    ///
    /// # Errors
    /// If there is a file and it cannot be used.
    pub fn load(&self) -> Result<Option<Joined>, Error> {
        let Some(bytes) = cedge_pki::files::read_private(&self.path)? else {
            return Ok(None);
        };
        let damaged = |e: serde_json::Error| Error::Damaged {
            path: self.path.display().to_string(),
            cause: e.to_string(),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    /// Remembers.
    ///
    /// # Errors
    /// The disk.
    pub fn save(&self, joined: &Joined) -> Result<(), Error> {
        let bytes = serde_json::to_vec_pretty(joined).unwrap_or_default();
        Ok(cedge_pki::files::write_private(&self.path, &bytes)?)
    }

    /// Remembers that the parent has detached us.
    pub(crate) fn detach(&self, words: String) -> Result<(), Error> {
        match self.load()? {
            Some(joined) => self.save(&Joined {
                detached: Some(words),
                ..joined
            }),
            None => Ok(()),
        }
    }

    /// Remembers a renewed certificate.
    pub(crate) fn renew(&self, chain: Vec<Vec<u8>>) -> Result<(), Error> {
        match self.load()? {
            Some(joined) => self.save(&Joined { chain, ..joined }),
            None => Ok(()),
        }
    }

    /// The identity that links are made with.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) fn key_der(&self) -> Vec<u8> {
        self.authority.key().pkcs8().to_vec()
    }
}

mod der {
    use super::BASE64;
    use base64::Engine as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(chain: &[Vec<u8>], s: S) -> Result<S::Ok, S::Error> {
        chain
            .iter()
            .map(|c| BASE64.encode(c))
            .collect::<Vec<_>>()
            .serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Vec<u8>>, D::Error> {
        let texts = Vec::<String>::deserialize(d)?;
        texts
            .iter()
            .map(|t| BASE64.decode(t).map_err(serde::de::Error::custom))
            .collect()
    }
}

mod der_one {
    use super::BASE64;
    use base64::Engine as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(der: &[u8], s: S) -> Result<S::Ok, S::Error> {
        BASE64.encode(der).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        BASE64
            .decode(String::deserialize(d)?)
            .map_err(serde::de::Error::custom)
    }
}
