//! `kubectl logs`.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use cedge_runtime::logs::{Wanted, send};
use futures::FutureExt as _;
use http::{Response, StatusCode, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::query::Query;
use super::{Answer, Refused, Target};
use crate::Node;

pub(super) async fn answer(
    node: &Arc<Node>,
    target: &Target,
    query: &Query,
) -> Result<Answer, Refused> {
    let previous = query.flag("previous");
    let id = choose(node, target, previous).await?;
    let path = node.runtime.log_path(&id).map_err(Refused::internal)?;
    let bad = |words: String| Refused(StatusCode::BAD_REQUEST, words);
    let wanted = wanted(query).map_err(bad)?;
    let (to, from) = mpsc::channel(16);
    let runtime = Arc::clone(&node.runtime);
    let ended = async move { runtime.wait(&id).await }.boxed();
    let shutdown = node.tasks.shutdown().clone();
    cedge_tasks::spawn("node/logs", async move {
        shutdown.or(send(path, wanted, ended, to)).await;
    });
    let frames = futures::stream::unfold(
        from,
        |mut from: mpsc::Receiver<io::Result<Bytes>>| async move {
            let piece = from.recv().await?;
            Some((piece.map(Frame::data), from))
        },
    );
    let mut answer = Response::new(StreamBody::new(frames).boxed());
    let kind = header::HeaderValue::from_static("text/plain");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(answer)
}

async fn choose(
    node: &Node,
    target: &Target,
    previous: bool,
) -> Result<cedge_pod_lifecycle::ContainerId, Refused> {
    let seen = node
        .runtime
        .seen(target.uid())
        .await
        .map_err(Refused::internal)?;
    let (container, pod) = (&target.container, target.pod_name());
    let bad = |words: String| Refused(StatusCode::BAD_REQUEST, words);
    let started = |c: &&cedge_pod_lifecycle::SeenContainer| {
        !matches!(c.state, cedge_pod_lifecycle::State::Created)
    };
    let latest = seen.latest(container).filter(started);
    let chosen = match latest {
        Some(latest) if !previous => Some(latest),
        _ => seen.before_latest(container).filter(started),
    };
    if let Some(chosen) = chosen {
        return Ok(chosen.id.clone());
    }
    if previous {
        return Err(bad(format!(
            "previous terminated container {container:?} in pod {pod:?} not found"
        )));
    }
    let reason = node
        .statuses
        .last(target.uid())
        .and_then(|s| waiting_reason(&s, container));
    let reason = reason.unwrap_or_else(|| "ContainerCreating".into());
    Err(bad(format!(
        "container {container:?} in pod {pod:?} is waiting to start: {reason}"
    )))
}

fn waiting_reason(status: &k8s_openapi::api::core::v1::PodStatus, name: &str) -> Option<String> {
    let inits = status.init_container_statuses.iter().flatten();
    let mut all = inits.chain(status.container_statuses.iter().flatten());
    let state = all.find(|c| c.name == name)?.state.as_ref()?;
    state.waiting.as_ref()?.reason.clone()
}

fn wanted(query: &Query) -> Result<Wanted, String> {
    let since = match (query.get("sinceTime"), query.number("sinceSeconds")) {
        (Some(time), _) => Some(time.parse().map_err(|e| format!("sinceTime: {e}"))?),
        (None, Some(secs)) => {
            let age = i64::try_from(secs)
                .map(jiff::SignedDuration::from_secs)
                .ok();
            // Longer ago than time goes back: everything.
            age.and_then(|age| cedge_tasks::clock::now().checked_sub(age).ok())
        }
        (None, None) => None,
    };
    Ok(Wanted {
        follow: query.flag("follow"),
        tail: query.number("tailLines"),
        since,
        timestamps: query.flag("timestamps"),
        limit_bytes: query.number("limitBytes"),
    })
}
