//! Decision: what each built-in kind is.
