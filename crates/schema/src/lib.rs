//! Decision: the table of Kubernetes types.
