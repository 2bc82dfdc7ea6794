//! Station 5 of the walk: objects are rendered and server-side applied.
//! Before: `route` said *placed here*. After: Kubernetes' own *expand*.
//! Durable: workload objects, and the inventory of them. Never: touches an object that is another's.

pub mod apply;
mod catalog;
pub mod health;
pub(crate) mod observe;
pub mod order;
pub mod render;

pub(crate) use catalog::Catalog;
