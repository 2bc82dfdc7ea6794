//! Worker: runs the pods of a node, offline too.
