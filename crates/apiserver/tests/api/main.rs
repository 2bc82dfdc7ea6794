//! The API as its clients see it: in one process, without a socket.

mod support;

mod delete;
mod lists;
mod patches;
mod watches;
mod writes;
