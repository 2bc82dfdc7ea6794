//! What a container says, in the log format of the CRI: `TIME STREAM F|P TEXT`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Lines longer than this are written in parts.
const LINE_MAX: usize = 16 * 1024;
/// Older files that are kept beside the present one.
pub(crate) const KEPT: usize = 4;

/// The log file of a container.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    size: u64,
    size_max: u64,
}

/// One of the two streams, with the line that is not complete yet.
#[derive(Debug)]
pub(super) struct Stream {
    name: &'static str,
    pending: Vec<u8>,
}

// === impl Log ===

impl Log {
    pub(super) fn open(path: PathBuf, size_max: u64) -> io::Result<Self> {
        let file = append(&path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            size,
            size_max,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.size > 0 && self.size + bytes.len() as u64 > self.size_max {
            self.rotate()?;
        }
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for i in (1..KEPT).rev() {
            let _ = fs::rename(older(&self.path, i), older(&self.path, i + 1));
        }
        fs::rename(&self.path, older(&self.path, 1))?;
        self.file = append(&self.path)?;
        self.size = 0;
        Ok(())
    }
}

// === impl Stream ===

impl Stream {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            pending: Vec::new(),
        }
    }

    /// Takes what was read; writes the lines that are complete. A disk that is full loses lines, not the container.
    pub(super) fn take(&mut self, bytes: &[u8], log: &mut Log) {
        let mut out = Vec::with_capacity(bytes.len() + 64);
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            self.pending.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.pending.pop();
                self.line(&mut out, 'F');
            }
            while self.pending.len() >= LINE_MAX {
                let rest = self.pending.split_off(LINE_MAX);
                self.line(&mut out, 'P');
                self.pending = rest;
            }
        }
        if !out.is_empty() {
            let _ = log.write(&out);
        }
    }

    /// The stream has ended: what is left is a line.
    pub(super) fn end(&mut self, log: &mut Log) {
        if !self.pending.is_empty() {
            let mut out = Vec::new();
            self.line(&mut out, 'F');
            let _ = log.write(&out);
        }
    }

    fn line(&mut self, out: &mut Vec<u8>, tag: char) {
        let now = cedge_tasks::clock::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ");
        let _ = write!(out, "{now} {} {tag} ", self.name);
        out.append(&mut self.pending);
        out.push(b'\n');
    }
}

/// The name of an older file: `log.1` is the youngest of them.
pub(crate) fn older(path: &Path, i: usize) -> PathBuf {
    path.with_extension(i.to_string())
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
}
