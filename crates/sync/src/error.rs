//! What a peer did that it must not do.

/// The peer broke the protocol: the link is to be closed. Nothing that was stored is affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A key is empty or too long.
    #[error("key of {0} bytes")]
    Key(usize),
    /// A value is too long, or not as long as it was said to be.
    #[error("value of {0} bytes for `{1}`")]
    Value(usize, String),
    /// A value is not what its hash says.
    #[error("the value of `{0}` does not match its hash")]
    Hash(String),
    /// A version beyond all bounds.
    #[error("version {0} is out of bounds")]
    Version(u64),
    /// A list is too long or makes no sense.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The reader sent what only a writer says, or the other way round.
    #[error("{0} came from the wrong end of the table")]
    WrongEnd(&'static str),
}
