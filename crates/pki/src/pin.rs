//! What a child holds its parent to: the digest of its public key.

use std::fmt;
use std::str::FromStr;

use cedge_api::ClusterId;
use serde::{Deserialize, Serialize};

/// SHA-256 of a public key (SPKI, DER). A certificate may be renewed; the key behind it is who it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin(pub [u8; 32]);

/// Annotation of a Node: the pin of the authority behind the certificate at the node's port, for the API server that
/// dials it. It stands in the object because whoever writes the port there also says who answers at it.
pub const NODE_AUTHORITY: &str = "edge.centaurus.io/serving-authority";

/// Not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the SHA-256 of a key: 64 hexadecimal digits")]
pub struct NotAPin(String);

impl Pin {
    /// The digest of a key in SPKI form (DER).
    #[must_use]
    pub fn of_spki(spki_der: &[u8]) -> Self {
        Self(crate::sha256(spki_der))
    }

    /// The identity of the cluster (or node) that has this key.
    #[must_use]
    pub fn id(&self) -> ClusterId {
        ClusterId::from_digest(&self.0)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl FromStr for Pin {
    type Err = NotAPin;

    fn from_str(s: &str) -> Result<Self, NotAPin> {
        let wrong = || NotAPin(s.chars().take(80).collect());
        if s.len() != 64 || !s.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut digest = [0; 32];
        for (i, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&s[2 * i..2 * i + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(digest))
    }
}

impl TryFrom<String> for Pin {
    type Error = NotAPin;
    fn try_from(s: String) -> Result<Self, NotAPin> {
        s.parse()
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> Self {
        pin.to_string()
    }
}
