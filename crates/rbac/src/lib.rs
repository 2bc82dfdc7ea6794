//! Decision: who may do what.
