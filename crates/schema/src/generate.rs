//! Makes the crate's data from the OpenAPI documents of Kubernetes; used by `cargo xtask schema` only.

use std::collections::HashMap;

use serde_json::{Map, Value};

pub use crate::builder::GoField;
use crate::builder::{self, SchemaError};
use crate::builtin::TYPES_BYTES_MAX;
use crate::openapi::{TEXTS_BYTES_MAX, Texts};

/// zstd's strongest level that needs no long window: the data is made once and read often.
const LEVEL: i32 = 19;

/// The two data files.
#[derive(Debug)]
pub struct Data {
    /// `types.bin.zst`
    pub types: Vec<u8>,
    /// `texts.bin.zst`
    pub texts: Vec<u8>,
}

/// Why no data could be made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A definition was not understood.
    #[error("definitions are not understood")]
    Schema(#[from] SchemaError),
    /// The rows could not be encoded.
    #[error("table could not be encoded")]
    Encode(#[from] postcard::Error),
    /// zstd failed.
    #[error("table could not be compressed")]
    Compress(#[source] std::io::Error),
    /// The reader's limits are too low.
    #[error("{what} has {bytes} bytes, the reader takes {limit}")]
    TooLarge {
        /// Which file.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
}

/// Compiles named definitions (OpenAPI v3 schemas by name) to the data files.
///
/// `go_types` tells what the schema cannot, by (OpenAPI name, JSON field).
///
/// # Errors
/// A definition is malformed or refers to one that is not there, or the data outgrew the reader's limits.
pub fn compile<S: std::hash::BuildHasher>(
    definitions: &Map<String, Value>,
    go_types: &HashMap<(String, String), GoField, S>,
) -> Result<Data, GenerateError> {
    let go = go_types
        .iter()
        .map(|(key, go)| (key.clone(), go.clone()))
        .collect();
    let built = builder::from_definitions(definitions, &go)?;
    let texts = Texts {
        types: built.type_texts,
        fields: built.field_texts,
    };
    Ok(Data {
        types: pack(
            "types",
            &postcard::to_stdvec(&built.table)?,
            TYPES_BYTES_MAX,
        )?,
        texts: pack("texts", &postcard::to_stdvec(&texts)?, TEXTS_BYTES_MAX)?,
    })
}

fn pack(what: &'static str, bytes: &[u8], limit: usize) -> Result<Vec<u8>, GenerateError> {
    if bytes.len() > limit {
        return Err(GenerateError::TooLarge {
            what,
            bytes: bytes.len(),
            limit,
        });
    }
    zstd::bulk::compress(bytes, LEVEL).map_err(GenerateError::Compress)
}
