//! Why a schema makes no types.

use super::DEPTH_MAX;

/// Why a schema was not understood.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A schema is not a JSON object.
    #[error("schema of `{at}` is not an object")]
    NotAnObject {
        /// Where in the schema.
        at: String,
    },
    /// A reference leads nowhere.
    #[error("`{at}` refers to unknown type `{to}`")]
    UnknownReference {
        /// Where in the schema.
        at: String,
        /// The name that is missing.
        to: String,
    },
    /// Nested beyond any sense.
    #[error("schema is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// More rows than the table's numbers can count.
    #[error("schema is too large")]
    TooLarge,
}
