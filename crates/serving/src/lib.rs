//! Tool: TLS listeners and HTTP connections with limits.
