//! Tool: revisioned keys with watch.
