//! The API as its clients see it: in one process, without a socket.

mod support;

mod access;
mod clients;
mod custom;
mod delete;
mod kubectl;
mod lists;
mod nodes;
mod patches;
mod paths;
mod watches;
mod writes;
