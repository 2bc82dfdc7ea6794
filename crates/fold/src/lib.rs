//! Decision: how reports merge on their way up.
