//! Words: the messages of a link.
