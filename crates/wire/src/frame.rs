//! Frames: a message behind its length, as a varint.

use bytes::{Buf as _, BytesMut};
use prost::Message;

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Larger than this kind of frame may be.
    #[error("frame of {length} bytes, {max} are the limit")]
    TooLarge {
        /// What was announced.
        length: u64,
        /// What is allowed.
        max: usize,
    },
    /// Not the form of a message.
    #[error("malformed message: {0}")]
    Malformed(String),
}

/// A message with its length in front.
#[must_use]
pub fn encode<M: Message>(message: &M) -> Vec<u8> {
    message.encode_length_delimited_to_vec()
}

/// The length of the frame that `buffer` begins with, and how many bytes say so; `None` while there are too few.
///
/// # Errors
/// When the frame is larger than `max`, or its length makes no sense.
pub fn frame_length(buffer: &[u8], max: usize) -> Result<Option<(usize, usize)>, WireError> {
    let mut length = 0u64;
    for (i, byte) in buffer.iter().enumerate().take(5) {
        length |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return match usize::try_from(length) {
                Ok(fits) if fits <= max => Ok(Some((fits, i + 1))),
                _ => Err(WireError::TooLarge { length, max }),
            };
        }
    }
    if buffer.len() >= 5 {
        return Err(WireError::Malformed(
            "length of a frame has more than five bytes".to_owned(),
        ));
    }
    Ok(None)
}

/// Takes the first whole frame off `buffer`; `None` while it is not complete.
///
/// # Errors
/// When the frame is larger than `max` or not a message. What is behind it cannot be read then.
pub fn decode<M: Message + Default>(
    buffer: &mut BytesMut,
    max: usize,
) -> Result<Option<M>, WireError> {
    let Some((length, prefix)) = frame_length(buffer, max)? else {
        return Ok(None);
    };
    if buffer.len() < prefix + length {
        return Ok(None);
    }
    buffer.advance(prefix);
    let body = buffer.split_to(length).freeze();
    M::decode(body)
        .map(Some)
        .map_err(|e| WireError::Malformed(e.to_string()))
}
