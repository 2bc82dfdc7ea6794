use bytes::{Bytes, BytesMut};

use crate::link::{Body, Frame, Heartbeat, TableFrame};
use crate::{StreamKind, WireError, decode, encode, frame_length, limits, table};

fn put(value: &'static [u8]) -> Frame {
    let put = table::Put {
        key: "a".to_owned(),
        version: 7,
        hash: Bytes::from_static(&[1; 32]),
        length: 3,
        value: Some(Bytes::from_static(value)),
        doubtful: false,
    };
    let message = Some(table::Body::Put(put).into());
    Frame {
        body: Some(Body::Table(TableFrame {
            table: "missions".to_owned(),
            message,
        })),
    }
}

#[test]
fn a_frame_reads_as_it_was_written_however_it_is_cut() {
    let bytes = encode(&put(b"abc"));
    let mut buffer = BytesMut::new();
    for (i, byte) in bytes.iter().enumerate() {
        buffer.extend_from_slice(&[*byte]);
        let got: Option<Frame> = decode(&mut buffer, limits::FRAME_MAX).unwrap();
        assert_eq!(got.is_some(), i + 1 == bytes.len());
        if let Some(frame) = got {
            assert_eq!(frame, put(b"abc"));
        }
    }
    assert!(buffer.is_empty());
}

#[test]
fn an_oversize_frame_is_refused_before_it_is_read() {
    let mut buffer = BytesMut::from(&[0xff, 0xff, 0xff, 0x7f][..]);
    let got = decode::<Frame>(&mut buffer, limits::FRAME_MAX);
    assert!(matches!(got, Err(WireError::TooLarge { .. })), "{got:?}");
    assert!(matches!(
        frame_length(&[0xff; 9], 1 << 40),
        Err(WireError::Malformed(_))
    ));
}

#[test]
fn garbage_gives_errors_and_never_a_panic() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let good = encode(&put(b"some value"));
    for round in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=(round % 4) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from(seed >> 33).unwrap() % bytes.len();
            bytes[at] = seed.to_le_bytes()[2];
        }
        let _ = decode::<Frame>(&mut BytesMut::from(&bytes[..]), limits::FRAME_MAX);
    }
}

#[test]
fn a_heartbeat_is_three_bytes() {
    assert_eq!(
        encode(&Frame {
            body: Some(Body::Heartbeat(Heartbeat {}))
        })
        .len(),
        3
    );
}

#[test]
fn an_unknown_kind_of_stream_is_nothing() {
    for kind in [StreamKind::Sync, StreamKind::Request, StreamKind::Relay] {
        assert_eq!(StreamKind::from_byte(kind.to_byte()), Some(kind));
    }
    assert_eq!(StreamKind::from_byte(0), None);
}
