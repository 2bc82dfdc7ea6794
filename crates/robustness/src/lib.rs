//! Proof: hard times. A storm of clients beside `kill -9`, hostile clients beside a polite one.
//!
//! [`history`] is what clients saw; [`checker`] says, from that alone, whether it can be what a correct server did. [`door`]
//! is the way in, [`storm`] the clients of the storm. What is never done here: look into the server.
//! Start reading at [`checker`].

#![warn(missing_docs)]

pub mod checker;
pub mod door;
pub mod history;
pub mod kinds;
pub mod memory;
pub mod polite;
pub mod storm;
