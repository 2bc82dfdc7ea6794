//! Decision: patches and server-side apply.
