//! Decision: custom resource definitions, compiled.
