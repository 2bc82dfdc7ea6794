//! Two streams made one, for exec, attach, port-forward and everything else that was upgraded.

use std::io;

use cedge_tasks::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes read ahead in each direction: as much as one TLS record.
const BUFFER: usize = 16 * 1024;

/// How much went each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spliced {
    /// Bytes from the first to the second.
    pub forth: u64,
    /// Bytes from the second to the first.
    pub back: u64,
}

/// Carries bytes both ways until both ends have finished, one of them fails, or it is time to stop. An end that finishes
/// sending may still receive (a shell whose input is at its end goes on printing).
///
/// *Cancel safety*: what was read and not yet written is lost; the streams are gone with the future anyway.
///
/// # Errors
/// When an end fails. `Interrupted` when it was time to stop.
pub async fn splice<A, B>(mut a: A, mut b: B, shutdown: &Shutdown) -> io::Result<Spliced>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let copy = tokio::io::copy_bidirectional_with_sizes(&mut a, &mut b, BUFFER, BUFFER);
    match shutdown.or(copy).await {
        Some(copied) => copied.map(|(forth, back)| Spliced { forth, back }),
        None => Err(io::ErrorKind::Interrupted.into()),
    }
}
