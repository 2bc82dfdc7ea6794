//! Why a patch was not applied, with the answer that Kubernetes gives.

/// What a client is told instead of the cause when a well-formed patch does not fit the object.
const REJECTED: &str = "the server rejected our request due to an error in our request";

/// Why a patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is malformed.
    #[error("{0}")]
    BadRequest(String),
    /// The patch asks for more work than is allowed.
    #[error("Request entity too large: {0}")]
    TooLarge(String),
    /// The patch is well formed and does not fit the object.
    #[error("{0}")]
    Unprocessable(String),
    /// Kubernetes answers this with a bare error.
    #[error("{0}")]
    Other(String),
}

impl PatchError {
    /// HTTP status of the answer.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::TooLarge(_) => 413,
            Self::Unprocessable(_) => 422,
            Self::Other(_) => 500,
        }
    }

    /// `reason` of the answer's `Status`; empty where Kubernetes sends none.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "BadRequest",
            Self::TooLarge(_) => "RequestEntityTooLarge",
            Self::Unprocessable(_) => "Invalid",
            Self::Other(_) => "",
        }
    }

    /// `message` of the answer's `Status`. Kubernetes hides why a well-formed patch does not fit; the text of the
    /// error itself still says it.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Unprocessable(_) => REJECTED.to_owned(),
            Self::BadRequest(_) | Self::TooLarge(_) | Self::Other(_) => self.to_string(),
        }
    }
}
