//! Names and ids that cross crate borders.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is wrong with a name, an id or a path.
#[expect(clippy::enum_variant_names, reason = "each says what the text is not")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a DNS label (RFC 1123).
    #[error(
        "{what} {value:?} is not a DNS label: at most 63 lower case letters, digits and '-', \
         beginning and ending with a letter or digit"
    )]
    NotALabel {
        /// What was being named, for the reader.
        what: &'static str,
        /// What was given.
        value: String,
    },
    /// Not the form of an identity.
    #[error("cluster identity {0:?} is not 32 lower case hexadecimal digits")]
    NotAnId(String),
    /// Not `ORIGIN/UID`.
    #[error("mission key {0:?} is not an origin's identity and a uid, divided by '/'")]
    NotAMissionKey(String),
}

/// Whether `value` is a DNS label (RFC 1123 section 2.1).
#[must_use]
pub fn is_dns_label(value: &str) -> bool {
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = value.as_bytes();
    value.len() <= 63 && bytes.iter().all(inner) && edge(bytes.first()) && edge(bytes.last())
}

/// Who a cluster is: the first 16 bytes of the SHA-256 of its public key (SPKI, DER), in hexadecimal.
/// Names and paths change, this does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId(String);

impl ClusterId {
    /// The identity that belongs to a digest of a public key.
    #[must_use]
    pub fn from_digest(sha256: &[u8; 32]) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(32);
        for byte in &sha256[..16] {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        }
        Self(text)
    }

    /// The identity as text: 32 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Six signs, enough to tell origins apart in a received Mission's name.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..6]
    }
}

impl FromStr for ClusterId {
    type Err = NameError;
    fn from_str(s: &str) -> Result<Self, NameError> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if s.len() == 32 && s.bytes().all(hex) {
            Ok(Self(s.to_owned()))
        } else {
            Err(NameError::NotAnId(s.to_owned()))
        }
    }
}

impl TryFrom<String> for ClusterId {
    type Error = NameError;
    fn try_from(s: String) -> Result<Self, NameError> {
        s.parse()
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> Self {
        id.0
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What people call a cluster: a DNS label, unique among the children of one parent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName(String);

impl ClusterName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClusterName {
    type Err = NameError;
    fn from_str(s: &str) -> Result<Self, NameError> {
        if is_dns_label(s) {
            Ok(Self(s.to_owned()))
        } else {
            Err(NameError::NotALabel {
                what: "cluster name",
                value: s.to_owned(),
            })
        }
    }
}

impl TryFrom<String> for ClusterName {
    type Error = NameError;
    fn try_from(s: String) -> Result<Self, NameError> {
        s.parse()
    }
}

impl From<ClusterName> for String {
    fn from(name: ClusterName) -> Self {
        name.0
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The names below the cluster where one stands, outermost first; empty (written `.`) is that cluster itself.
/// An address, never an identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterPath(Vec<ClusterName>);

impl ClusterPath {
    /// The cluster where one stands.
    #[must_use]
    pub fn here() -> Self {
        Self::default()
    }

    /// The names, outermost first.
    #[must_use]
    pub fn names(&self) -> &[ClusterName] {
        &self.0
    }

    /// Whether this is the cluster where one stands.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of a child of this cluster.
    #[must_use]
    pub fn child(&self, name: ClusterName) -> Self {
        let mut names = self.0.clone();
        names.push(name);
        Self(names)
    }

    /// The path of `below`, which is relative to this cluster.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        Self(self.0.iter().chain(&below.0).cloned().collect())
    }

    /// The first name and what is left of the path below it.
    #[must_use]
    pub fn split_first(&self) -> Option<(&ClusterName, Self)> {
        self.0
            .split_first()
            .map(|(first, rest)| (first, Self(rest.to_vec())))
    }

    /// The name of the cluster that the path ends at, if it is not `.`.
    #[must_use]
    pub fn last(&self) -> Option<&ClusterName> {
        self.0.last()
    }
}

impl From<ClusterName> for ClusterPath {
    fn from(name: ClusterName) -> Self {
        Self(vec![name])
    }
}

impl FromStr for ClusterPath {
    type Err = NameError;
    fn from_str(s: &str) -> Result<Self, NameError> {
        if s == "." || s.is_empty() {
            return Ok(Self::here());
        }
        s.split('/')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl TryFrom<String> for ClusterPath {
    type Error = NameError;
    fn try_from(s: String) -> Result<Self, NameError> {
        s.parse()
    }
}

impl From<ClusterPath> for String {
    fn from(path: ClusterPath) -> Self {
        path.to_string()
    }
}

impl fmt::Display for ClusterPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        for (i, name) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("/")?;
            }
            f.write_str(name.as_str())?;
        }
        Ok(())
    }
}

/// Which Mission: the cluster where it was written and the uid that it has there (I7).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MissionKey {
    /// The cluster where it was written.
    pub origin: ClusterId,
    /// Its uid there.
    pub uid: String,
}

impl FromStr for MissionKey {
    type Err = NameError;
    fn from_str(s: &str) -> Result<Self, NameError> {
        let wrong = || NameError::NotAMissionKey(s.to_owned());
        let (origin, uid) = s.split_once('/').ok_or_else(wrong)?;
        if uid.is_empty() || uid.len() > 64 || uid.contains('/') {
            return Err(wrong());
        }
        Ok(Self {
            origin: origin.parse().map_err(|_| wrong())?,
            uid: uid.to_owned(),
        })
    }
}

impl TryFrom<String> for MissionKey {
    type Error = NameError;
    fn try_from(s: String) -> Result<Self, NameError> {
        s.parse()
    }
}

impl From<MissionKey> for String {
    fn from(key: MissionKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for MissionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.origin, self.uid)
    }
}

/// The name under which a cluster stores a Mission that it received: `NAME.xxxxxx`.
#[must_use]
pub fn received_name(name: &str, origin: &ClusterId) -> String {
    format!("{name}.{}", origin.short())
}
