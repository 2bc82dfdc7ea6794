//! What strangers may use up.

use std::time::Duration;

/// Limits of a port. The defaults suit a small server with thousands of children.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at one time, raw ones and upgraded ones included. The next ones are told to come later.
    /// 8192: at 25 KiB for an idle TLS connection that is 200 MiB, which an attack may cost but not more.
    pub connections: usize,
    /// From the first byte to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the start of a request to the end of its head, and from the end of a handshake to the first request's first
    /// bytes. On HTTP/1 the wait between two requests counts as well. 30 s: a weak 2G link needs some.
    pub head: Duration,
    /// A connection without a request in flight is closed after this. Longer than the minute and a half of most clients'
    /// own pools, so that it is they who close.
    pub idle: Duration,
    /// A silent HTTP/2 peer is asked for a sign of life after this, and dropped if none comes within `ping_timeout`.
    pub ping_interval: Duration,
    /// See `ping_interval`.
    pub ping_timeout: Duration,
    /// A connection is closed when its peer has taken nothing of what waits for it in this time: because it is not there any
    /// more, or does not read. Longer than one looks at a page of a log.
    pub unread: Duration,
    /// HTTP/1 read buffer, and with it the largest request head. hyper's own grows to 400 KiB and stays there.
    pub buffer: usize,
    /// Concurrent requests on one HTTP/2 connection; a client with more informers than that opens a second one.
    pub streams: u32,
    /// How long requests in flight may go on when the server stops. Watches end by themselves then; a site that is
    /// restarted should be back within seconds.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            idle: Duration::from_secs(180),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            unread: Duration::from_secs(180),
            buffer: 16 * 1024,
            streams: 250,
            drain: Duration::from_millis(1500),
        }
    }
}
