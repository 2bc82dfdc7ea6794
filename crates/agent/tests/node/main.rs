//! A whole node with real processes, its tables in memory: from a pod to its status and back.

mod lab;
mod lifecycle;
mod restart;
mod server;
