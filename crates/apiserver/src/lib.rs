//! Worker: the Kubernetes API over the store.
