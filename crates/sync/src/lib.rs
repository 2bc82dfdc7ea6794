//! Decision: keyed latest-state exchange between two ends of a link.
