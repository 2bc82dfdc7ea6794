//! Reading what a container has said, from log files in the CRI's format.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use crate::shim::{KEPT, older};

/// How often a file is looked at for more.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is wanted of a log.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Go on until the container has ended.
    pub follow: bool,
    /// Only this many lines, the last ones.
    pub tail: Option<u64>,
    /// Only what was said since then.
    pub since: Option<Timestamp>,
    /// Each line begins with its time.
    pub timestamps: bool,
    /// Not more than this.
    pub limit_bytes: Option<u64>,
}

/// Sends a log in pieces. `ended` completes when nothing will be added to it any more. Ends early when nobody listens.
pub async fn send(
    path: PathBuf,
    wanted: Wanted,
    ended: BoxFuture<'static, ()>,
    to: mpsc::Sender<io::Result<Bytes>>,
) {
    if let Err(error) = read_all(&path, &wanted, ended, &to).await {
        let _ = to.send(Err(error)).await;
    }
}

async fn read_all(
    path: &Path,
    wanted: &Wanted,
    mut ended: BoxFuture<'static, ()>,
    to: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let (older_parts, offset) = start(path, wanted.tail)?;
    let mut out = Output {
        wanted,
        left: wanted.limit_bytes.unwrap_or(u64::MAX),
        rest: Vec::new(),
    };
    let mut skip = offset;
    for part in older_parts {
        let mut file = tokio::fs::File::from_std(open_at(&part, skip)?);
        skip = 0;
        if !copy(&mut file, &mut out, to).await? {
            return Ok(());
        }
    }
    let mut current = open_at(path, skip)?;
    let mut over = !wanted.follow;
    loop {
        let inode = current.metadata()?.ino();
        let mut file = tokio::fs::File::from_std(current);
        if !copy(&mut file, &mut out, to).await? {
            return Ok(());
        }
        current = file.into_std().await;
        let fresh = open_at(path, 0)?;
        if fresh.metadata()?.ino() != inode {
            // Begun anew. What was written to the old part after we had read it comes first.
            let mut file = tokio::fs::File::from_std(current);
            if !copy(&mut file, &mut out, to).await? {
                return Ok(());
            }
            current = fresh;
            continue;
        }
        if over {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = to.closed() => return Ok(()),
            () = &mut ended => over = true,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Sends what a file still holds; says whether more is wanted.
async fn copy(
    file: &mut tokio::fs::File,
    out: &mut Output<'_>,
    to: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<bool> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = file.read(&mut buffer).await?;
        if n == 0 {
            return Ok(true);
        }
        let text = out.take(&buffer[..n]);
        if !text.is_empty() && to.send(Ok(text)).await.is_err() {
            return Ok(false);
        }
        if out.left == 0 {
            return Ok(false);
        }
    }
}

/// From the file's format to what was said.
struct Output<'a> {
    wanted: &'a Wanted,
    left: u64,
    /// The beginning of a line whose end has not been read yet.
    rest: Vec<u8>,
}

impl Output<'_> {
    fn take(&mut self, bytes: &[u8]) -> Bytes {
        self.rest.extend_from_slice(bytes);
        let mut text = Vec::new();
        let end = self
            .rest
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |i| i + 1);
        for line in self.rest[..end].split_inclusive(|b| *b == b'\n') {
            self.wanted.show(line, &mut text);
        }
        self.rest.drain(..end);
        let kept = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(text.len());
        text.truncate(kept);
        self.left -= kept as u64;
        Bytes::from(text)
    }
}

impl Wanted {
    fn show(&self, line: &[u8], text: &mut Vec<u8>) {
        let Some((time, whole, said)) = parse(line) else {
            return;
        };
        if let Some(since) = self.since {
            let at = std::str::from_utf8(time)
                .ok()
                .and_then(|t| t.parse::<Timestamp>().ok());
            if at.is_some_and(|at| at < since) {
                return;
            }
        }
        if self.timestamps {
            text.extend_from_slice(time);
            text.push(b' ');
        }
        text.extend_from_slice(said);
        if whole {
            text.push(b'\n');
        }
    }
}

/// Time, whether the line ends here, and what was said.
fn parse(line: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut words = line.splitn(4, |b| *b == b' ');
    let (time, _stream, tag) = (words.next()?, words.next()?, words.next()?);
    Some((time, tag == b"F", words.next().unwrap_or_default()))
}

/// The older parts to begin with, and where in the first of all.
fn start(path: &Path, tail: Option<u64>) -> io::Result<(Vec<PathBuf>, u64)> {
    let mut parts: Vec<PathBuf> = (1..=KEPT)
        .map(|i| older(path, i))
        .take_while(|p| p.exists())
        .collect();
    let Some(mut lines) = tail else {
        parts.reverse();
        return Ok((parts, 0));
    };
    let mut used = Vec::new();
    for part in std::iter::once(path.to_owned()).chain(parts) {
        let (offset, found) = tail_offset(&part, lines)?;
        used.push(part);
        lines -= found;
        if lines == 0 {
            used.reverse();
            used.pop();
            return Ok((used, offset));
        }
    }
    used.reverse();
    used.pop();
    Ok((used, 0))
}

/// Where the last `lines` lines of a file begin, and how many there are (not more).
fn tail_offset(path: &Path, lines: u64) -> io::Result<(u64, u64)> {
    const STEP: u64 = 64 * 1024;
    let mut file = File::open(path)?;
    let mut end = file.metadata()?.len();
    if lines == 0 {
        return Ok((end, 0));
    }
    let mut found = 0;
    let mut buffer = Vec::new();
    let mut last = true;
    while end > 0 {
        let begin = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(begin))?;
        buffer.clear();
        (&mut file).take(end - begin).read_to_end(&mut buffer)?;
        for (i, byte) in buffer.iter().enumerate().rev() {
            if *byte != b'\n' {
                continue;
            }
            if !std::mem::take(&mut last) {
                found += 1;
            }
            if found == lines {
                return Ok((begin + i as u64 + 1, lines));
            }
        }
        end = begin;
    }
    Ok((0, found + u64::from(!last)))
}

/// The last lines of a log, without times: for termination messages.
pub(crate) fn last_lines(path: &Path, lines: u64, bytes: usize) -> io::Result<String> {
    let (offset, _) = tail_offset(path, lines)?;
    let mut raw = Vec::new();
    open_at(path, offset)?.take(1 << 20).read_to_end(&mut raw)?;
    let mut text = Vec::new();
    for line in raw.split_inclusive(|b| *b == b'\n') {
        Wanted::default().show(line, &mut text);
    }
    let from = text.len().saturating_sub(bytes);
    Ok(String::from_utf8_lossy(&text[from..]).into_owned())
}

fn open_at(path: &Path, offset: u64) -> io::Result<File> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(file)
}

#[cfg(test)]
mod tests;
