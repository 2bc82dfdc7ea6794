//! Fills a cache: one list, then a watch that is resumed where it ended.
//!
//! The first list comes as a stream of events where the server can do that (it holds no page in memory on either side),
//! else in pages. After a `410 Gone` the list is made again, and only what differs is told.

mod frames;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::time::Duration;

use cedge_tasks::Backoff;
use futures::{AsyncBufReadExt as _, AsyncReadExt as _};
use kube::Client;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use rand::Rng as _;

use crate::{Cache, Key};
use frames::{Frame, Kind, Page};

/// Objects a page: what client-go asks for.
const PAGE: u32 = 500;
/// The server's end of a watch, in seconds; up to as much again is added at random so that watches do not end together.
const WATCH_SECONDS: u64 = 290;
/// A watch that is silent for longer than the server promised to keep it is dead.
const GRACE: Duration = Duration::from_secs(30);
/// A streamed list that takes longer comes from a server that does not know how.
const STREAMED_LIST_MAX: Duration = Duration::from_secs(60);
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// No object is longer than what the server accepts in a request, by far.
const FRAME_MAX: usize = 32 << 20;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the revision is too old")]
    Expired,
    #[error("the server does not stream lists")]
    NoStreaming,
    #[error("the server answers")]
    Api(#[from] Box<kube::Error>),
    #[error("the connection broke")]
    Read(#[from] std::io::Error),
    #[error("what came is not an object")]
    Parse(#[from] serde_json::Error),
    #[error("nothing came for too long")]
    Silent,
    #[error("the watch ended with {0}")]
    Told(String),
}

/// Where a reflector stands.
enum From {
    Nothing,
    Revision(String),
}

struct Reflector {
    client: Client,
    cache: Cache,
    path: String,
    streams_lists: bool,
}

/// Follows a kind for ever.
pub(crate) async fn follow(client: Client, cache: Cache) {
    let path = cache.resource().clone();
    let path = match path.group.as_str() {
        "" => format!("/api/{}/{}", path.version, path.plural),
        group => format!("/apis/{group}/{}/{}", path.version, path.plural),
    };
    let mut reflector = Reflector {
        client,
        cache,
        path,
        streams_lists: true,
    };
    reflector.run().await;
}

impl Reflector {
    async fn run(&mut self) {
        let mut from = From::Nothing;
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        loop {
            let started = tokio::time::Instant::now();
            let ended = self.round(&mut from).await;
            if started.elapsed() > RETRY_MAX {
                backoff.reset();
            }
            match ended {
                Ok(()) => {}
                Err(Error::Expired) => from = From::Nothing,
                Err(Error::NoStreaming) => {
                    self.streams_lists = false;
                    continue;
                }
                Err(e) => {
                    tracing::debug!(path = self.path, error = %e, cause = ?e, "watch is begun again");
                }
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    /// Lists if there is nothing to go on from, then watches until the watch ends.
    async fn round(&self, from: &mut From) -> Result<(), Error> {
        if matches!(from, From::Nothing) && !self.streams_lists {
            *from = From::Revision(self.list().await?);
        }
        self.watch(from).await
    }

    /// A list in pages; returns its revision.
    async fn list(&self) -> Result<String, Error> {
        let mut seen = HashSet::new();
        let mut next = String::new();
        loop {
            let query = if next.is_empty() {
                format!("limit={PAGE}")
            } else {
                format!("limit={PAGE}&continue={}", escape(&next))
            };
            let mut body = Vec::new();
            let mut stream = Box::pin(self.open(&query, "List").await?);
            tokio::time::timeout(STREAMED_LIST_MAX, stream.read_to_end(&mut body))
                .await
                .map_err(|_| Error::Silent)??;
            let page: Page<'_> = serde_json::from_slice(&body)?;
            for item in page.items.iter().flatten() {
                let object = self.cache.parse(item.get().as_bytes())?;
                seen.insert(object.key().clone());
                self.cache.put(object);
            }
            match page.metadata.next.as_deref() {
                Some(n) if !n.is_empty() => next = n.to_owned(),
                _ => {
                    self.cache.keep_only(&seen);
                    return Ok(page.metadata.resource_version.into_owned());
                }
            }
        }
    }

    /// A watch; begins with a streamed list if there is nothing to go on from.
    async fn watch(&self, from: &mut From) -> Result<(), Error> {
        let seconds = WATCH_SECONDS + rand::rng().random_range(0..WATCH_SECONDS);
        let mut query = format!("watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}");
        let mut listing = match from {
            From::Revision(revision) => {
                query += &format!("&resourceVersion={}", escape(revision));
                None
            }
            From::Nothing => {
                query +=
                    "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=";
                Some(HashSet::new())
            }
        };
        let silence_max = Duration::from_secs(seconds) + GRACE;
        let list_ends = tokio::time::Instant::now() + STREAMED_LIST_MAX;
        let mut stream = match self.open(&query, "").await {
            Err(Error::Api(e)) if listing.is_some() && refuses_streaming(&e) => {
                return Err(Error::NoStreaming);
            }
            opened => Box::pin(opened?),
        };
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = read_frame(&mut stream, &mut line);
            let ended = match &listing {
                Some(_) => tokio::time::timeout_at(list_ends, read)
                    .await
                    .map_err(|_| Error::NoStreaming)??,
                None => tokio::time::timeout(silence_max, read)
                    .await
                    .map_err(|_| Error::Silent)??,
            };
            if ended {
                return Ok(());
            }
            match self.take(&line, from, &mut listing) {
                // A server whose etcd cannot tell its progress says so only here.
                Err(Error::Told(_)) if listing.is_some() => return Err(Error::NoStreaming),
                taken => taken?,
            }
        }
    }

    /// Takes one event of a watch.
    fn take(
        &self,
        line: &[u8],
        from: &mut From,
        listing: &mut Option<HashSet<Key>>,
    ) -> Result<(), Error> {
        let frame: Frame<'_> = serde_json::from_slice(line)?;
        let json = frame.object.get().as_bytes();
        let revision = match frame.kind {
            Kind::Error => return Err(frames::error(json)),
            Kind::Bookmark => {
                let bookmark = frames::bookmark(json)?;
                if bookmark.list_ends
                    && let Some(seen) = listing.take()
                {
                    self.cache.keep_only(&seen);
                }
                bookmark.revision
            }
            Kind::Added | Kind::Modified => {
                let object = self.cache.parse(json)?;
                if let Some(seen) = listing {
                    seen.insert(object.key().clone());
                }
                let revision = object.revision().to_owned();
                self.cache.put(object);
                revision
            }
            Kind::Deleted => {
                let object = self.cache.parse(json)?;
                if let Some(seen) = listing {
                    seen.remove(object.key());
                }
                let revision = object.revision().to_owned();
                self.cache.remove(object);
                revision
            }
        };
        // Half a list is nothing to go on from.
        if listing.is_none() {
            *from = From::Revision(revision);
        }
        Ok(())
    }

    async fn open(
        &self,
        query: &str,
        list: &str,
    ) -> Result<impl futures::AsyncBufRead + use<>, Error> {
        let accept = if self.cache.is_whole() {
            "application/json".to_owned()
        } else {
            format!(
                "application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1,application/json"
            )
        };
        // Compressed watches come as one gzip member an event, which the client cannot read.
        let request = http::Request::get(format!("{}?{query}", self.path))
            .header(http::header::ACCEPT, accept)
            .header(http::header::ACCEPT_ENCODING, "identity")
            .body(Vec::new())
            .map_err(|e| Box::new(kube::Error::HttpError(e)))?;
        match self.client.request_stream(request).await {
            Err(kube::Error::Api(status)) if status.code == 410 => Err(Error::Expired),
            opened => Ok(opened.map_err(Box::new)?),
        }
    }
}

/// Reads one line; whether the stream is at its end.
async fn read_frame(
    stream: &mut (impl futures::AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> Result<bool, Error> {
    loop {
        let mut limited = (&mut *stream).take(FRAME_MAX as u64);
        let read = limited.read_until(b'\n', line).await?;
        if read == 0 {
            return Ok(true);
        }
        if line.len() >= FRAME_MAX {
            return Err(Error::Told("a frame beyond every limit".to_owned()));
        }
        if line.ends_with(b"\n") && !line.trim_ascii().is_empty() {
            return Ok(false);
        }
        if !line.ends_with(b"\n") {
            // Cut off in the middle: the watch is resumed before this event.
            return Ok(true);
        }
        line.clear();
    }
}

/// Servers without streamed lists refuse the parameter as invalid.
fn refuses_streaming(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 404 | 422))
}

/// What a query has as it is; anything else is written as `%41`.
const PLAIN: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A value as it can stand in a query.
pub fn escape(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, &PLAIN)
}
