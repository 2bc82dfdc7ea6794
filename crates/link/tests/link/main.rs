//! Links over real TLS on loopback, with a relay between both ends that can cut, swallow, delay and count.

mod joining;
mod lifetime;
mod relay;
mod support;
mod tables;
mod volume;
