//! `kubectl exec`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cedge_runtime::{Exec, ExecConfig, Terminal};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::channels::{self, CLOSE, RESIZE, STDERR, STDIN, STDOUT, Socket, framed};
use super::query::Query;
use super::{Answer, Refused, Target};
use crate::Node;

/// What a command has written is waited for this long after its end, should something that it left behind keep
/// its output open.
const DRAIN: Duration = Duration::from_secs(1);

/// What the client says on the resize channel.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Size {
    width: u16,
    height: u16,
}

pub(super) async fn answer(
    node: &Arc<Node>,
    target: &Target,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let argv: Vec<String> = query.all("command").map(ToOwned::to_owned).collect();
    if argv.is_empty() {
        return Err(Refused(
            StatusCode::BAD_REQUEST,
            "command is missing".into(),
        ));
    }
    let flag = |name: &'static str, short: &'static str| query.flag(name) || query.flag(short);
    let config = ExecConfig {
        argv,
        stdin: flag("stdin", "input"),
        tty: query.flag("tty"),
    };
    let id = target.running(node).await?;
    let node_ = Arc::clone(node);
    channels::accept(node, request, move |socket| async move {
        match node_.runtime.exec(&id, config).await {
            Ok(exec) => Session::new(socket, exec).run().await,
            Err(error) => say_last(socket, channels::outcome(Err(error.explain()))).await,
        }
    })
}

async fn say_last(mut socket: Socket, frame: Vec<u8>) {
    let _ = socket.send(Message::binary(frame)).await;
    let _ = socket.send(channels::farewell()).await;
    let _ = socket.close(None).await;
}

/// A command and its client.
struct Session {
    exec: Exec,
    to_client: SplitSink<Socket, Message>,
    from_client: SplitStream<Socket>,
    output: mpsc::Receiver<Vec<u8>>,
    /// To the command's standard input; `None` when it is closed.
    input: Option<mpsc::Sender<Bytes>>,
    /// What the command has not taken yet: as long as there is something, nothing more is read from the client.
    pending: Option<Bytes>,
    terminal: Option<Terminal>,
}

impl Session {
    fn new(socket: Socket, mut exec: Exec) -> Self {
        let (to_client, from_client) = socket.split();
        let (frames, output) = mpsc::channel(16);
        if let Some(stdout) = exec.stdout.take() {
            cedge_tasks::spawn("exec/stdout", pump(stdout, STDOUT, frames.clone()));
        }
        if let Some(stderr) = exec.stderr.take() {
            cedge_tasks::spawn("exec/stderr", pump(stderr, STDERR, frames));
        }
        let input = exec.stdin.take().map(|stdin| {
            let (to, from) = mpsc::channel(16);
            cedge_tasks::spawn("exec/stdin", feed(stdin, from));
            to
        });
        Self {
            terminal: exec.terminal.clone(),
            exec,
            to_client,
            from_client,
            output,
            input,
            pending: None,
        }
    }

    /// To the end of the command, or of the client: then the command is killed.
    async fn run(mut self) {
        let Some(result) = self.talk().await else {
            return;
        };
        let drain = async {
            while let Some(frame) = self.output.recv().await {
                if self.to_client.send(Message::binary(frame)).await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(DRAIN, drain).await;
        let _ = self
            .to_client
            .send(Message::binary(channels::outcome(result)))
            .await;
        let _ = self.to_client.send(channels::farewell()).await;
        let _ = self.to_client.close().await;
    }

    async fn talk(&mut self) -> Option<Result<i32, String>> {
        let mut output_open = true;
        loop {
            tokio::select! {
                biased;
                frame = self.output.recv(), if output_open => match frame {
                    Some(frame) => self.to_client.send(Message::binary(frame)).await.ok()?,
                    None => output_open = false,
                },
                code = self.exec.process.wait() => return Some(code.map_err(|e| e.to_string())),
                done = flush(&mut self.input, &mut self.pending), if self.pending.is_some() => {
                    if !done { self.input = None; }
                }
                message = self.from_client.next(), if self.pending.is_none() => match message? {
                    Ok(Message::Binary(bytes)) => self.hear(&bytes),
                    Ok(Message::Close(_)) | Err(_) => return None,
                    Ok(_) => {}
                },
            }
        }
    }

    fn hear(&mut self, message: &Bytes) {
        let Some(channel) = message.first() else {
            return;
        };
        let body = message.slice(1..);
        match *channel {
            STDIN if !body.is_empty() && self.input.is_some() => self.pending = Some(body),
            RESIZE => {
                let size: Option<Size> = serde_json::from_slice(&body).ok();
                if let (Some(size), Some(terminal)) = (size, &self.terminal) {
                    let _ = terminal.resize(size.height, size.width);
                }
            }
            CLOSE if body.first() == Some(&STDIN) => self.input = None,
            _ => {}
        }
    }
}

/// Hands over what is pending; says whether the command still listens.
async fn flush(input: &mut Option<mpsc::Sender<Bytes>>, pending: &mut Option<Bytes>) -> bool {
    let Some(to) = input else {
        *pending = None;
        return false;
    };
    match to.reserve().await {
        Ok(place) => {
            if let Some(bytes) = pending.take() {
                place.send(bytes);
            }
            true
        }
        Err(_) => {
            *pending = None;
            false
        }
    }
}

async fn pump(mut from: Box<dyn AsyncRead + Send + Unpin>, channel: u8, to: mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n) = from.read(&mut buffer).await {
        if n == 0 || to.send(framed(channel, &buffer[..n])).await.is_err() {
            return;
        }
    }
}

async fn feed(mut to: Box<dyn AsyncWrite + Send + Unpin>, mut from: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = from.recv().await {
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
