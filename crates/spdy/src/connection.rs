//! A connection and its streams: one task reads frames and hands them to the streams, one writes what streams say.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Error;
use crate::frame::{self, Frame};
use crate::headers::{Deflater, Headers, Inflater};

/// Streams of one connection at a time. kubectl opens two for each forwarded connection.
const STREAMS_MAX: usize = 1024;
/// Pieces that a stream keeps until its reader takes them; then the connection waits.
const PIECES_MAX: usize = 16;
/// Frames that wait to be written; then writers wait.
const FRAMES_MAX: usize = 32;

/// The server's end of a connection. Dropped, it and all of its streams end.
#[derive(Debug)]
pub struct Connection {
    opened: mpsc::Receiver<Stream>,
    reading: JoinHandle<()>,
}

/// What the client opened, and said of it.
#[derive(Debug)]
pub struct Stream {
    /// Its number: odd, and greater than those before.
    pub id: u32,
    /// What the client said.
    pub headers: Headers,
    /// What comes from the client.
    pub reader: Reader,
    /// What goes to the client.
    pub writer: Writer,
}

/// Bytes from the client. Dropped, what still comes is thrown away.
#[derive(Debug)]
pub struct Reader(mpsc::Receiver<Bytes>);

/// Bytes to the client. Dropped before [`Writer::finish`], the stream is reset.
#[derive(Debug)]
pub struct Writer {
    stream: u32,
    to: mpsc::Sender<Outgoing>,
    finished: bool,
}

#[derive(Debug)]
enum Outgoing {
    Accept(u32),
    Data(u32, Bytes, bool),
    Reset(u32),
    Ping(u32),
}

impl Connection {
    /// Speaks SPDY/3.1 over `io`.
    pub fn new(io: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (from, to) = tokio::io::split(io);
        let (out, frames) = mpsc::channel(FRAMES_MAX);
        let (accepted, opened) = mpsc::channel(1);
        cedge_tasks::spawn("spdy/write", write(to, frames));
        let reading = cedge_tasks::spawn("spdy/read", async move {
            if let Err(error) = (Incoming::new(out, accepted)).read(from).await {
                tracing::debug!(%error, "a SPDY connection ended badly");
            }
        });
        Self { opened, reading }
    }

    /// The next stream that the client opens; `None` once the connection has ended. Cancel safe.
    pub async fn accept(&mut self) -> Option<Stream> {
        self.opened.recv().await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Reader {
    /// The next bytes; `None` once the client has said its last on this stream, or is gone. Cancel safe.
    pub async fn read(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}

impl Writer {
    /// Sends bytes; says whether the client is still there. Not cancel safe: a part may have been sent.
    pub async fn write(&mut self, mut bytes: Bytes) -> bool {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(frame::PIECE));
            let out = Outgoing::Data(self.stream, piece, false);
            if self.to.send(out).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Says that nothing more comes.
    pub async fn finish(mut self) {
        self.finished = true;
        let last = Outgoing::Data(self.stream, Bytes::new(), true);
        // A client that is gone needs no goodbye.
        let _ = self.to.send(last).await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            // When too much waits already, the end of the connection will tell.
            let _ = self.to.try_send(Outgoing::Reset(self.stream));
        }
    }
}

/// What the reading task knows.
struct Incoming {
    headers: Inflater,
    last: u32,
    streams: HashMap<u32, mpsc::Sender<Bytes>>,
    out: mpsc::Sender<Outgoing>,
    accepted: mpsc::Sender<Stream>,
}

impl Incoming {
    fn new(out: mpsc::Sender<Outgoing>, accepted: mpsc::Sender<Stream>) -> Self {
        Self {
            headers: Inflater::new(),
            last: 0,
            streams: HashMap::new(),
            out,
            accepted,
        }
    }

    async fn read(mut self, mut from: impl AsyncRead + Unpin) -> Result<(), Error> {
        let mut buffer = BytesMut::with_capacity(4 << 10);
        loop {
            while let Some(frame) = frame::decode(&mut buffer)? {
                if !self.take(frame).await? {
                    return Ok(());
                }
            }
            if from.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Says whether the connection goes on.
    async fn take(&mut self, frame: Frame) -> Result<bool, Error> {
        match frame {
            Frame::Open {
                stream,
                last,
                block,
            } => return self.open(stream, last, &block).await,
            Frame::Headers {
                stream,
                last,
                block,
            } => {
                // Nobody needs them, but the blocks after it build on it.
                self.headers.read(&block)?;
                if last {
                    self.streams.remove(&stream);
                }
            }
            Frame::Data {
                stream,
                last,
                bytes,
            } => {
                let open = self.streams.get(&stream);
                if let Some(to) = open.filter(|_| !bytes.is_empty()) {
                    // Its reader may be gone: then nobody wants the bytes.
                    let _ = to.send(bytes).await;
                }
                if last {
                    self.streams.remove(&stream);
                }
            }
            Frame::Reset { stream } => {
                self.streams.remove(&stream);
            }
            // Our own pings would have even numbers; there are none.
            Frame::Ping(id) if id % 2 == 1 => return Ok(self.say(Outgoing::Ping(id)).await),
            Frame::GoAway => return Ok(false),
            Frame::Ping(_) | Frame::Other => {}
        }
        Ok(true)
    }

    async fn open(&mut self, stream: u32, last: bool, block: &[u8]) -> Result<bool, Error> {
        let headers = self.headers.read(block)?;
        if stream.is_multiple_of(2) || stream <= self.last {
            return Err(Error::Protocol("a stream with a number that cannot be"));
        }
        self.last = stream;
        self.streams.retain(|_, to| !to.is_closed());
        if self.streams.len() >= STREAMS_MAX {
            return Ok(self.say(Outgoing::Reset(stream)).await);
        }
        let (to, from) = mpsc::channel(PIECES_MAX);
        if !last {
            self.streams.insert(stream, to);
        }
        if !self.say(Outgoing::Accept(stream)).await {
            return Ok(false);
        }
        let writer = Writer {
            stream,
            to: self.out.clone(),
            finished: false,
        };
        let opened = Stream {
            id: stream,
            headers,
            reader: Reader(from),
            writer,
        };
        Ok(self.accepted.send(opened).await.is_ok())
    }

    async fn say(&self, what: Outgoing) -> bool {
        self.out.send(what).await.is_ok()
    }
}

/// Until nobody can say anything any more, or the client is gone.
async fn write(mut to: impl AsyncWrite + Unpin, mut frames: mpsc::Receiver<Outgoing>) {
    let mut headers = Deflater::new();
    let mut buffer = BytesMut::new();
    while let Some(first) = frames.recv().await {
        encode(&mut buffer, &mut headers, first);
        while let Ok(next) = frames.try_recv() {
            encode(&mut buffer, &mut headers, next);
        }
        let written = to.write_all_buf(&mut buffer).await;
        if written.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    // The client sees the end in any case.
    let _ = to.shutdown().await;
}

fn encode(buffer: &mut BytesMut, headers: &mut Deflater, what: Outgoing) {
    const NO_HEADERS: [u8; 4] = [0; 4];
    match what {
        Outgoing::Accept(stream) => frame::reply(buffer, stream, &headers.write(&NO_HEADERS)),
        Outgoing::Data(stream, bytes, last) => frame::data(buffer, stream, &bytes, last),
        Outgoing::Reset(stream) => frame::reset(buffer, stream),
        Outgoing::Ping(id) => frame::ping(buffer, id),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut as _;
    use tokio::io::DuplexStream;

    use super::*;

    /// SYN_STREAM as a client writes it.
    fn syn(id: u32, headers: &mut Deflater, pairs: &[(&str, &str)]) -> BytesMut {
        let block = headers.write(&Headers::encode(pairs));
        let mut out = BytesMut::new();
        out.put_u32(0x8003_0001);
        out.put_u32(u32::try_from(block.len()).unwrap() + 10);
        out.put_u32(id);
        out.put_bytes(0, 6);
        out.put_slice(&block);
        out
    }

    fn data(id: u32, text: &str, last: bool) -> BytesMut {
        let mut out = BytesMut::new();
        frame::data(&mut out, id, text.as_bytes(), last);
        out
    }

    async fn heard(io: &mut DuplexStream) -> Vec<u8> {
        let mut all = Vec::new();
        io.read_to_end(&mut all).await.unwrap();
        all
    }

    #[tokio::test]
    async fn a_stream_carries_bytes_both_ways_and_ends_cleanly() {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let mut connection = Connection::new(server);
        let mut deflater = Deflater::new();
        client
            .write_all(&syn(1, &mut deflater, &[("port", "80")]))
            .await
            .unwrap();
        client.write_all(&data(1, "question", true)).await.unwrap();
        let mut stream = connection.accept().await.unwrap();
        assert_eq!(stream.headers.get("Port"), Some("80"));
        assert_eq!(stream.reader.read().await.unwrap(), "question");
        assert_eq!(stream.reader.read().await, None);
        assert!(stream.writer.write(Bytes::from_static(b"answer")).await);
        stream.writer.finish().await;
        drop(connection);
        let heard = heard(&mut client).await;
        let mut expected = data(1, "answer", false);
        expected.extend_from_slice(&data(1, "", true));
        assert!(heard.ends_with(&expected), "{heard:?}");
        assert_eq!(heard[..4], [0x80, 3, 0, 2], "it begins with SYN_REPLY");
    }

    #[tokio::test]
    async fn a_stream_that_nobody_answers_is_reset() {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let mut connection = Connection::new(server);
        client
            .write_all(&syn(1, &mut Deflater::new(), &[]))
            .await
            .unwrap();
        drop(connection.accept().await.unwrap());
        drop(connection);
        let heard = heard(&mut client).await;
        let mut expected = BytesMut::new();
        frame::reset(&mut expected, 1);
        assert!(heard.ends_with(&expected), "{heard:?}");
    }

    #[tokio::test]
    async fn a_number_that_was_used_ends_the_connection() {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let mut connection = Connection::new(server);
        let mut deflater = Deflater::new();
        client.write_all(&syn(3, &mut deflater, &[])).await.unwrap();
        client.write_all(&syn(3, &mut deflater, &[])).await.unwrap();
        assert!(connection.accept().await.is_some());
        assert!(connection.accept().await.is_none());
    }

    #[tokio::test]
    async fn a_ping_comes_back() {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let _connection = Connection::new(server);
        let mut ping = BytesMut::new();
        frame::ping(&mut ping, 9);
        client.write_all(&ping).await.unwrap();
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[..], ping[..]);
    }
}
