//! Worker: the built-in controllers.
