//! Frames as bytes. Decoding takes what is there, never panics, and refuses what is too long before it is read.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::Error;

/// The headers of one frame, compressed.
const CONTROL_MAX: usize = 64 << 10;
/// The bytes of one data frame. Clients send at most 32 KiB at once.
const DATA_MAX: usize = 1 << 20;
const HEAD: usize = 8;
const VERSION: u16 = 3;
const FIN: u8 = 1;
const STREAM: u32 = 0x7fff_ffff;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;

/// What the other end sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Open {
        stream: u32,
        last: bool,
        block: Bytes,
    },
    Headers {
        last: bool,
        stream: u32,
        block: Bytes,
    },
    Data {
        stream: u32,
        last: bool,
        bytes: Bytes,
    },
    Reset {
        stream: u32,
    },
    Ping(u32),
    GoAway,
    /// What may be ignored: SETTINGS, WINDOW_UPDATE, and what is not known.
    Other,
}

/// The next frame, if all of it is there.
pub(crate) fn decode(from: &mut BytesMut) -> Result<Option<Frame>, Error> {
    if from.len() < HEAD {
        return Ok(None);
    }
    let mut head = &from[..HEAD];
    let (first, rest) = (head.get_u32(), head.get_u32());
    let (flags, length) = (rest.to_be_bytes()[0], (rest & 0x00ff_ffff) as usize);
    let is_control = first & !STREAM != 0;
    if length > if is_control { CONTROL_MAX } else { DATA_MAX } {
        return Err(Error::Protocol("a frame is too long"));
    }
    if from.len() < HEAD + length {
        from.reserve(HEAD + length - from.len());
        return Ok(None);
    }
    from.advance(HEAD);
    let body = from.split_to(length).freeze();
    let last = flags & FIN != 0;
    if !is_control {
        let stream = first;
        return Ok(Some(Frame::Data {
            stream,
            last,
            bytes: body,
        }));
    }
    let [a, b, c, d] = first.to_be_bytes();
    if u16::from_be_bytes([a & 0x7f, b]) != VERSION {
        return Err(Error::Protocol("a frame of another version"));
    }
    control(u16::from_be_bytes([c, d]), last, body).map(Some)
}

fn control(kind: u16, last: bool, mut body: Bytes) -> Result<Frame, Error> {
    let short = Error::Protocol("a frame is too short");
    let number = |body: &mut Bytes| body.try_get_u32().map(|n| n & STREAM);
    Ok(match kind {
        SYN_STREAM => {
            let Ok(stream) = number(&mut body) else {
                return Err(short);
            };
            // The stream that it belongs to, its priority, and a slot: nothing of it is used.
            if body.len() < 6 {
                return Err(short);
            }
            body.advance(6);
            Frame::Open {
                stream,
                last,
                block: body,
            }
        }
        HEADERS => {
            let Ok(stream) = number(&mut body) else {
                return Err(short);
            };
            Frame::Headers {
                last,
                stream,
                block: body,
            }
        }
        RST_STREAM => {
            let Ok(stream) = number(&mut body) else {
                return Err(short);
            };
            Frame::Reset { stream }
        }
        PING => body.try_get_u32().map(Frame::Ping).map_err(|_| short)?,
        GOAWAY => Frame::GoAway,
        _ => Frame::Other,
    })
}

/// SYN_REPLY with these compressed headers.
pub(crate) fn reply(to: &mut BytesMut, stream: u32, block: &[u8]) {
    head(to, SYN_REPLY, 0, 4 + block.len());
    to.put_u32(stream);
    to.put_slice(block);
}

/// RST_STREAM: the reason is always `CANCEL`.
pub(crate) fn reset(to: &mut BytesMut, stream: u32) {
    const CANCEL: u32 = 5;
    head(to, RST_STREAM, 0, 8);
    to.put_u32(stream);
    to.put_u32(CANCEL);
}

pub(crate) fn ping(to: &mut BytesMut, id: u32) {
    head(to, PING, 0, 4);
    to.put_u32(id);
}

/// `bytes` are at most [`PIECE`] long.
pub(crate) fn data(to: &mut BytesMut, stream: u32, bytes: &[u8], last: bool) {
    to.put_u32(stream & STREAM);
    to.put_u32(flagged(last.into(), bytes.len()));
    to.put_slice(bytes);
}

/// As much as goes into one frame of ours.
pub(crate) const PIECE: usize = 32 << 10;

fn head(to: &mut BytesMut, kind: u16, flags: u8, length: usize) {
    to.put_u16(0x8000 | VERSION);
    to.put_u16(kind);
    to.put_u32(flagged(flags, length));
}

fn flagged(flags: u8, length: usize) -> u32 {
    let length = u32::try_from(length).expect("our frames are short");
    u32::from(flags) << 24 | length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_is_taken_when_all_of_it_is_there() {
        let mut sent = BytesMut::new();
        data(&mut sent, 5, b"hello", true);
        ping(&mut sent, 7);
        let mut got = BytesMut::new();
        let mut frames = Vec::new();
        for byte in sent {
            got.put_u8(byte);
            frames.extend(decode(&mut got).unwrap());
        }
        let hello = Frame::Data {
            stream: 5,
            last: true,
            bytes: Bytes::from_static(b"hello"),
        };
        assert_eq!(frames, [hello, Frame::Ping(7)]);
    }

    #[test]
    fn what_is_too_long_is_refused_by_its_head() {
        for first in [1u32, 0x8003_0001] {
            let mut head = BytesMut::new();
            head.put_u32(first);
            head.put_u32(0x00ff_ffff);
            assert!(decode(&mut head).is_err());
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(garbage: Vec<u8>) {
            let mut from = BytesMut::from(&garbage[..]);
            while let Ok(Some(_)) = decode(&mut from) {}
        }
    }
}
