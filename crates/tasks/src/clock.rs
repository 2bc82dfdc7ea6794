//! The wall clock, for display and for what Kubernetes stamps on objects. Order between machines never comes
//! from it (I9); local timers use `tokio::time`, which is monotonic.

use std::time::SystemTime;

use jiff::Timestamp;

/// Now, by this machine's wall clock.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
pub fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Now, as Kubernetes writes a `Time`: RFC 3339, whole seconds, UTC.
#[must_use]
pub fn now_rfc3339() -> String {
    now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Now, as Kubernetes writes a `MicroTime`.
#[must_use]
pub fn now_micro() -> String {
    now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
