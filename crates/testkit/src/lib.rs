//! Proof: what tests share.
