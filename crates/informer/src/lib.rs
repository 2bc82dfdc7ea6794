//! Tool: one shared cache of object bytes.
