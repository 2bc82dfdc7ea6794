//! Frames: of links, and of SPDY.

use bytes::BytesMut;
use cedge_wire::link::{Body, Frame, Hello, Table, TableFrame};
use cedge_wire::{decode, encode, join, limits, table};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What a stream of frames may cost: more is no fault of the parser.
const STREAMS: usize = 64;

pub(super) fn link(data: &[u8]) {
    let mut buffer = BytesMut::from(data);
    while let Ok(Some(frame)) = decode::<Frame>(&mut buffer, limits::FRAME_MAX) {
        let mut again = BytesMut::from(&encode(&frame)[..]);
        let again = decode::<Frame>(&mut again, usize::MAX);
        assert_eq!(again.ok().flatten(), Some(frame));
    }
    let _ = decode::<join::Request>(&mut BytesMut::from(data), limits::FRAME_STRANGER_MAX);
    let _ = decode::<join::Answer>(&mut BytesMut::from(data), limits::FRAME_STRANGER_MAX);
    let _ = decode::<table::Message>(&mut BytesMut::from(data), limits::FRAME_MAX);
}

pub(super) fn links() -> Vec<Vec<u8>> {
    let hello = Hello {
        tables: vec![Table::default()],
        ..Hello::default()
    };
    let put = table::Message {
        body: Some(table::Body::Put(table::Put {
            key: "k".into(),
            ..table::Put::default()
        })),
    };
    let frames = [
        Body::Hello(hello),
        Body::Table(TableFrame {
            message: Some(put),
            ..TableFrame::default()
        }),
    ];
    frames
        .map(|body| encode(&Frame { body: Some(body) }))
        .into()
}

/// A whole connection, whose streams are read to their ends and answered.
pub(super) fn spdy(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut connection = cedge_spdy::Connection::new(server);
        let _ = client.write_all(data).await;
        let _ = client.shutdown().await;
        for _ in 0..STREAMS {
            let Some(mut stream) = connection.accept().await else {
                break;
            };
            let _ = stream.headers.get("streamtype");
            while let Some(bytes) = stream.reader.read().await {
                let _ = stream.writer.write(bytes).await;
            }
            stream.writer.finish().await;
        }
        drop(connection);
        let _ = client.read(&mut [0; 1024]).await;
    });
}

pub(super) fn spdies() -> Vec<Vec<u8>> {
    let ping = b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01".to_vec();
    let data = b"\x00\x00\x00\x01\x01\x00\x00\x03abc".to_vec();
    let reset = b"\x80\x03\x00\x03\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00\x05".to_vec();
    let syn = b"\x80\x03\x00\x01\x00\x00\x00\x12\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x78\xbb\xe3\xc6\xa7\xc2\x02\xe6".to_vec();
    vec![
        [syn.clone(), data, ping.clone()].concat(),
        [syn, reset].concat(),
        ping,
    ]
}
