//! What happens to a custom object on its way in: prune, default, validate.

mod default;
mod embedded;
mod formats;
mod lists;
mod openapi;
mod prune;

pub use default::{default, drop_nulls};
pub use embedded::{coerce_metadata, validate_embedded};
pub(crate) use lists::key_of;
pub use lists::validate_lists;
pub use openapi::validate_schema;
pub use prune::prune;

#[cfg(test)]
mod tests;
