//! Worker: the hub that accepts links, the uplink that dials.
