//! Why a reconcile is begun again, and how answers of the API are told apart.

use cedge_informer::{DecodeError, SelectorError};

/// Every one of these means *retry*, after the key's back-off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the API refused")]
    Api(#[source] Box<kube::Error>),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the selector cannot be used")]
    Selector(#[from] SelectorError),
    #[error("what was computed cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
    #[error("{0}")]
    Wait(String),
}

impl From<kube::Error> for Error {
    fn from(e: kube::Error) -> Self {
        Self::Api(Box::new(e))
    }
}

/// What an answer of the API means for who asked.
pub(crate) trait Answer {
    fn code(&self) -> Option<u16>;
    fn has_cause(&self, reason: &str) -> bool;

    fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// The namespace goes away, so no new object is needed in it.
    fn is_namespace_terminating(&self) -> bool {
        self.has_cause("NamespaceTerminating")
    }
}

impl Answer for kube::Error {
    fn code(&self) -> Option<u16> {
        match self {
            Self::Api(status) => Some(status.code),
            _ => None,
        }
    }

    fn has_cause(&self, reason: &str) -> bool {
        let Self::Api(status) = self else {
            return false;
        };
        let causes = status.details.iter().flat_map(|d| &d.causes);
        causes.into_iter().any(|c| c.reason == reason)
    }
}

/// `AlreadyExists`, not another conflict.
pub(crate) fn exists(e: &kube::Error) -> bool {
    matches!(e, kube::Error::Api(status) if status.reason == "AlreadyExists")
}

/// The message that the API gave, for events and conditions.
pub(crate) fn message(e: &kube::Error) -> String {
    match e {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Turns "it is not there (any more)" into `None`.
pub(crate) fn optional<T>(result: Result<T, kube::Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.is_not_found() => Ok(None),
        Err(e) => Err(e.into()),
    }
}
