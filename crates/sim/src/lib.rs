//! Proof: trees of `sync` endpoints under seeded schedules of faults.
//!
//! What it is: a world of clusters, each with an application that writes, forwards and deletes values as propagation
//! does, tables as `link` keeps them, a disk that loses what it has not acknowledged, and links that drop, double and
//! reorder. A [`Schedule`] drives it from one number, so that a failing run can be replayed; the [`oracle`] knows who
//! really wrote and deleted what, and when, and checks every durable step of every reader against it. What it never
//! does: look into a machine for how it works.
//! Start reading at [`World`].

pub mod app;
pub mod disk;
pub mod oracle;
pub mod rng;
pub mod schedule;
pub mod world;

pub use rng::Rng;
pub use schedule::{Profile, Schedule, run};
pub use world::World;
