//! Decision: discovery documents and OpenAPI from kinds.
