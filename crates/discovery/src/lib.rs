//! Decision: discovery documents and OpenAPI, made of the kinds that a cluster serves.
//!
//! What it is: a [`Catalog`] lists the resources (built-in ones and those of CustomResourceDefinitions), [`Documents`]
//! answers the paths under which clients ask what there is: `/api`, `/apis/…`, `/openapi/v2`, `/openapi/v3/…`. What it
//! never does: open a socket, keep a document in memory that nobody asks for. Start reading at [`documents`].
#![warn(missing_docs)]

mod accept;
mod aggregated;
mod catalog;
pub mod documents;
mod legacy;
mod openapi;
mod remote;

pub use catalog::{Catalog, CustomResource, Resource, Subresource};
pub use documents::{Answer, Ask, Document, Documents};
pub use remote::Remote;

#[cfg(test)]
mod tests;
