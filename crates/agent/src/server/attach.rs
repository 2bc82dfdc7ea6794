//! `kubectl attach`: what a container says from now on, and its standard input if it keeps one open. Both of its output
//! streams come as one: they are read back from its log.

use std::sync::Arc;

use cedge_pod_lifecycle::ContainerId;
use cedge_runtime::logs::{self, send};
use futures::FutureExt as _;
use http::Request;
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use super::channels::{self, Heard, Listen, STDIN, STDOUT, Talk, Wanted};
use super::query::Query;
use super::{Answer, Refused, Target};
use crate::Node;

pub(super) async fn answer(
    node: &Arc<Node>,
    target: &Target,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let id = target.running(node).await?;
    let wanted = Wanted::of(query);
    let keeps =
        super::containers(&target.pod).any(|c| c.name == target.container && c.stdin == Some(true));
    if wanted.stdin && !keeps {
        let words = format!(
            "container {:?} has no standard input (stdin: true is not set)",
            target.container
        );
        return Err(Refused::bad(words));
    }
    let node_ = Arc::clone(node);
    channels::accept(node, wanted, request, move |talk, listen| async move {
        if let Err(error) = session(&node_, &id, wanted.stdin, talk, listen).await {
            tracing::debug!(%error, "an attached client is gone");
        }
    })
}

async fn session(
    node: &Node,
    id: &ContainerId,
    stdin: bool,
    mut talk: Talk,
    mut listen: Listen,
) -> Result<(), BoxError> {
    let (to, mut output) = mpsc::channel(16);
    let wanted = logs::Wanted {
        follow: true,
        tail: Some(0),
        ..logs::Wanted::default()
    };
    let (runtime, own) = (Arc::clone(&node.runtime), id.clone());
    let ended = async move { runtime.wait(&own).await }.boxed();
    let path = node.runtime.log_path(id)?;
    let reading = cedge_tasks::spawn("attach/output", send(path, wanted, ended, to));
    let mut input = if stdin {
        Some(open(&node.runtime.stdin_path(id)?).await?)
    } else {
        None
    };
    loop {
        tokio::select! {
            biased;
            piece = output.recv() => match piece {
                Some(Ok(bytes)) => if !talk.say(STDOUT, bytes).await {
                    break;
                },
                Some(Err(error)) => return Err(error.into()),
                None => {
                    talk.end(Ok(0)).await;
                    return Ok(());
                }
            },
            heard = listen.next() => match heard {
                Heard::Bytes(STDIN, text) => if let Some(input) = &mut input {
                    input.write_all(&text).await?;
                    input.flush().await?;
                },
                Heard::Bytes(..) | Heard::Closed(_) => {}
                Heard::Gone => break,
            },
        }
    }
    reading.abort();
    Ok(())
}

/// Never waits: a container that does not read its input loses the client that floods it, and holds nobody up.
async fn open(pipe: &std::path::Path) -> std::io::Result<tokio::fs::File> {
    let mut options = tokio::fs::OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(nix::libc::O_NONBLOCK);
    options.open(pipe).await
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
