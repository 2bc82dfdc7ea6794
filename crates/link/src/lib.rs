//! Tool: the authenticated connection of a child to its parent.
