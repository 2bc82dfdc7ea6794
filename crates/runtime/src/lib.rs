//! Worker: how containers really run.
