//! Decision: which clusters a Mission is for.
