//! Worker: picks a node for each pod.
