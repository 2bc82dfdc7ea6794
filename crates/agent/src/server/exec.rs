//! `kubectl exec`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cedge_runtime::{Exec, ExecConfig, Terminal};
use http::Request;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::channels::{self, Heard, Listen, RESIZE, STDERR, STDIN, STDOUT, Talk, Wanted};
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
        return Err(Refused::bad("command is missing"));
    }
    let wanted = Wanted::of(query);
    let config = ExecConfig {
        argv,
        stdin: wanted.stdin,
        tty: wanted.tty,
    };
    let id = target.running(node).await?;
    let node_ = Arc::clone(node);
    channels::accept(node, wanted, request, move |talk, listen| async move {
        match node_.runtime.exec(&id, config).await {
            Ok(exec) => Session::new(talk, listen, exec).run().await,
            Err(error) => talk.end(Err(error.explain())).await,
        }
    })
}

/// A command and its client.
struct Session {
    exec: Exec,
    talk: Talk,
    listen: Listen,
    output: mpsc::Receiver<(u8, Bytes)>,
    /// To the command's standard input; `None` when it is closed.
    input: Option<mpsc::Sender<Bytes>>,
    /// What the command has not taken yet: as long as there is something, nothing more is read from the client.
    pending: Option<Bytes>,
    terminal: Option<Terminal>,
}

impl Session {
    fn new(talk: Talk, listen: Listen, mut exec: Exec) -> Self {
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
            talk,
            listen,
            output,
            input,
            pending: None,
        }
    }

    /// To the end of the command, or of the client: then the command is killed.
    async fn run(mut self) {
        let Some(result) = self.converse().await else {
            return;
        };
        let drain = async {
            while let Some((channel, bytes)) = self.output.recv().await {
                if !self.talk.say(channel, bytes).await {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(DRAIN, drain).await;
        self.talk.end(result).await;
    }

    async fn converse(&mut self) -> Option<Result<i32, String>> {
        let mut output_open = true;
        loop {
            tokio::select! {
                biased;
                piece = self.output.recv(), if output_open => match piece {
                    Some((channel, bytes)) => {
                        self.talk.say(channel, bytes).await.then_some(())?;
                    }
                    None => output_open = false,
                },
                code = self.exec.process.wait() => return Some(code.map_err(|e| e.to_string())),
                done = flush(&mut self.input, &mut self.pending), if self.pending.is_some() => {
                    if !done { self.input = None; }
                }
                heard = self.listen.next(), if self.pending.is_none() => match heard {
                    Heard::Bytes(STDIN, bytes) if self.input.is_some() => self.pending = Some(bytes),
                    Heard::Bytes(RESIZE, bytes) => self.resize(&bytes),
                    Heard::Closed(STDIN) => self.input = None,
                    Heard::Bytes(..) | Heard::Closed(_) => {}
                    Heard::Gone => return None,
                },
            }
        }
    }

    fn resize(&self, message: &[u8]) {
        let size: Option<Size> = serde_json::from_slice(message).ok();
        if let (Some(size), Some(terminal)) = (size, &self.terminal) {
            let _ = terminal.resize(size.height, size.width);
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

async fn pump(
    mut from: Box<dyn AsyncRead + Send + Unpin>,
    channel: u8,
    to: mpsc::Sender<(u8, Bytes)>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n) = from.read(&mut buffer).await {
        let piece = Bytes::copy_from_slice(&buffer[..n]);
        if n == 0 || to.send((channel, piece)).await.is_err() {
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
