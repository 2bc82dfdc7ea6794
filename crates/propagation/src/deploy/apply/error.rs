//! Why an object is not there as its Mission wants it.

use crate::deploy::catalog;

/// Why an object is not as the Mission wants it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another Mission owns it (I7). Waits for a change.
    #[error(
        "{object} belongs to Mission {owner}; the first keeps it, so delete it there, or rename it here"
    )]
    OwnedByMission {
        /// The object.
        object: String,
        /// The other Mission's name in this cluster.
        owner: String,
    },
    /// It was there before, and `spec.apply.conflict` is `Fail`. Waits for a change.
    #[error(
        "{object} exists and is not the Mission's; delete it, or set spec.apply.conflict to Adopt or Overwrite"
    )]
    Exists {
        /// The object.
        object: String,
    },
    /// Somebody else owns fields that the Mission sets. Waits for a change.
    #[error("{object}: {message}; set spec.apply.conflict to Overwrite, or leave the fields out")]
    FieldConflict {
        /// The object.
        object: String,
        /// What the API said.
        message: String,
    },
    /// Somebody changed it, and `spec.apply.drift` is `Observe`.
    #[error("{object} differs from the Mission")]
    Drifted {
        /// The object.
        object: String,
    },
    /// It is being deleted; it is made again when it is gone. Retry.
    #[error("{object} is being deleted")]
    Terminating {
        /// The object.
        object: String,
    },
    /// The API refuses it as it is. Terminal until the Mission is written again.
    #[error("{object}: {message}")]
    Invalid {
        /// The object.
        object: String,
        /// What the API said.
        message: String,
    },
    /// Its kind is not there.
    #[error("{object}: {cause}")]
    Kind {
        /// The object.
        object: String,
        /// Why.
        #[source]
        cause: catalog::Error,
    },
    /// The API could not be asked. Retry.
    #[error("{object}: {cause}")]
    Api {
        /// The object.
        object: String,
        /// What happened.
        cause: Box<kube::Error>,
    },
}

impl Error {
    /// The word for conditions.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OwnedByMission { .. } => "OwnedByAnotherMission",
            Self::Exists { .. } => "AlreadyExists",
            Self::FieldConflict { .. } => "FieldConflict",
            Self::Drifted { .. } => "Drifted",
            Self::Terminating { .. } => "Terminating",
            Self::Invalid { .. } => "Invalid",
            Self::Kind {
                cause: catalog::Error::Unknown(_),
                ..
            } => "KindUnknown",
            Self::Kind { .. } | Self::Api { .. } => "ApiUnavailable",
        }
    }

    /// Whether waiting may help without anybody changing anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Terminating { .. } | Self::Kind { .. } | Self::Api { .. } => true,
            Self::OwnedByMission { .. }
            | Self::Exists { .. }
            | Self::FieldConflict { .. }
            | Self::Drifted { .. }
            | Self::Invalid { .. } => false,
        }
    }
}

/// What a refusal of the API means for an object.
pub(super) fn refused(object: &str, cause: kube::Error) -> Error {
    let object = object.to_owned();
    match cause {
        kube::Error::Api(status) if status.code == 409 => Error::FieldConflict {
            object,
            message: status.message.clone(),
        },
        kube::Error::Api(status) if matches!(status.code, 400 | 403 | 413 | 422) => {
            Error::Invalid {
                object,
                message: status.message.clone(),
            }
        }
        cause => Error::Api {
            object,
            cause: Box::new(cause),
        },
    }
}
