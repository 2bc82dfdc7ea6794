//! Frames over a stream.

use std::io;

use bytes::BytesMut;
use cedge_wire::link::{Body, Frame};
use cedge_wire::{WireError, decode, encode};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("closed")]
    Closed,
    #[error("connection lost: {0}")]
    Io(io::Error),
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Reads messages.
#[derive(Debug)]
pub(crate) struct Frames<R> {
    stream: R,
    buffer: BytesMut,
    max: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(crate) fn new(stream: R, max: usize) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            max,
        }
    }

    /// From now on, frames may be that large.
    pub(crate) fn allow(&mut self, max: usize) {
        self.max = max;
    }

    /// The next message.
    ///
    /// *Cancel safety*: safe; what was read stays in the buffer.
    pub(crate) async fn next<M: prost::Message + Default>(&mut self) -> Result<M, FrameError> {
        loop {
            if let Some(message) = decode(&mut self.buffer, self.max)? {
                return Ok(message);
            }
            if self.buffer.is_empty() {
                // An idle link holds no buffer.
                self.buffer = BytesMut::new();
            }
            self.buffer.reserve(4096);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(FrameError::Closed),
                Ok(_) => {}
                Err(error) => return Err(FrameError::Io(error)),
            }
        }
    }
}

/// Writes one frame, at once.
pub(crate) async fn say<W: AsyncWrite + Unpin>(stream: &mut W, body: Body) -> io::Result<()> {
    stream
        .write_all(&encode(&Frame { body: Some(body) }))
        .await?;
    stream.flush().await
}
