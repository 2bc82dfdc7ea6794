//! One HTTP connection: over a socket, or over any other stream (a link's).

mod activity;
mod patience;

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use cedge_tasks::Shutdown;
use futures::future::Either;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tower::ServiceExt as _;

use crate::connection::Connection;
use crate::limits::Limits;
use activity::Activity;
use patience::Patience;

/// What went wrong inside of a service or a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a port serves: a tower service, cloned for each request.
pub trait HttpService:
    tower::Service<
        Request<Incoming>,
        Response = Response<Self::Body>,
        Error: Into<BoxError> + Send,
        Future: Send,
    > + Clone
    + Send
    + 'static
{
    /// The body of its answers.
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> HttpService for S
where
    S: tower::Service<
            Request<Incoming>,
            Response = Response<B>,
            Error: Into<BoxError> + Send,
            Future: Send,
        > + Clone
        + Send
        + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Body = B;
}

/// Which HTTP a connection speaks. It is always known: from ALPN, or because it is agreed on. Guessing from the first
/// bytes has no time limit in hyper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

impl Version {
    /// How long to wait for what a connection begins with, where hyper has no limit of its own.
    fn preface(self, limits: &Limits) -> Option<Duration> {
        (self == Self::Two).then_some(limits.head)
    }
}

/// Serves HTTP/1.1 on a stream whose other end is known already (through a link, for instance), until it is closed or it
/// is time to stop; then requests in flight may finish within [`Limits::drain`].
///
/// # Errors
/// When the stream fails or does not speak HTTP.
pub async fn serve_stream<IO, S>(
    io: IO,
    service: S,
    connection: Connection,
    limits: &Limits,
    shutdown: &Shutdown,
) -> Result<(), BoxError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService,
{
    serve(io, Version::One, service, connection, limits, shutdown).await
}

pub(crate) async fn serve<IO, S>(
    io: IO,
    version: Version,
    service: S,
    connection: Connection,
    limits: &Limits,
    shutdown: &Shutdown,
) -> Result<(), BoxError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService,
{
    let activity = Activity::default();
    let watched = activity.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let guard = watched.begin();
        request.extensions_mut().insert(connection.clone());
        let answer = service.clone().oneshot(request);
        async move { answer.await.map(|response| response.map(|b| guard.with(b))) }
    });
    let builder = builder(version, limits);
    let io = TokioIo::new(Patience::new(io, version.preface(limits)));
    let mut serving = pin!(builder.serve_connection_with_upgrades(io, service));
    let end = async {
        futures::future::select(pin!(shutdown.wait()), pin!(activity.idle_for(limits.idle))).await;
    };
    match futures::future::select(serving.as_mut(), pin!(end)).await {
        Either::Left((ended, _)) => ended,
        Either::Right(((), _)) => {
            serving.as_mut().graceful_shutdown();
            let drained = tokio::time::timeout(limits.drain, serving).await;
            drained.unwrap_or_else(|_| Err("requests in flight did not end in time".into()))
        }
    }
}

/// Answers the first request with 503, to say to those who are too many what is wrong and that it will pass.
pub(crate) async fn refuse<IO>(io: IO, version: Version, limits: &Limits)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answered = Notify::new();
    let service = hyper::service::service_fn(|_| {
        answered.notify_one();
        ready(Ok::<_, Infallible>(too_many()))
    });
    let builder = builder(version, limits);
    let io = TokioIo::new(Patience::new(io, version.preface(limits)));
    let mut serving = pin!(builder.serve_connection(io, service));
    let _ = tokio::time::timeout(limits.handshake, async {
        let heard = pin!(answered.notified());
        let select = futures::future::select(serving.as_mut(), heard);
        if matches!(select.await, Either::Right(_)) {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    })
    .await;
}

fn too_many() -> Response<Full<Bytes>> {
    let text = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\
        \"message\":\"too many connections, please try again later\",\
        \"reason\":\"ServiceUnavailable\",\"code\":503}\n";
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
    response
}

fn builder(version: Version, limits: &Limits) -> auto::Builder<TokioExecutor> {
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = match version {
        Version::One => builder.http1_only(),
        Version::Two => builder.http2_only(),
    };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.buffer)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout)
        .max_concurrent_streams(limits.streams)
        .max_send_buf_size(64 * 1024)
        .max_header_list_size(u32::try_from(limits.buffer).unwrap_or(u32::MAX));
    builder
}
