//! The file of the audit log: appended to, closed when it is large, and thrown away when it is old.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;

use super::AuditConfig;

/// Events that are written at once.
const BATCH: usize = 256;
/// After a failure the file is opened again not before this.
const RETRY: Duration = Duration::from_secs(1);

/// Writes events until nobody makes any more.
pub(super) async fn write(
    config: AuditConfig,
    mut queue: mpsc::Receiver<Vec<u8>>,
    failed: Counter,
) {
    let mut log = Log {
        config,
        file: None,
        length: 0,
        failing: false,
    };
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let lines = std::mem::take(&mut batch);
        let count = lines.len() as u64;
        let writing = tokio::task::spawn_blocking(move || {
            let result = log.append(&lines);
            (log, result)
        });
        let Ok((back, result)) = writing.await else {
            tracing::error!("the audit log ends: its writer has failed");
            return;
        };
        log = back;
        match result {
            Ok(()) => log.recovered(),
            Err(error) => {
                failed.inc_by(count);
                log.failed(&error);
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

struct Log {
    config: AuditConfig,
    file: Option<File>,
    length: u64,
    /// Whether the last write failed: told once, not for each event.
    failing: bool,
}

// === impl Log ===

impl Log {
    fn append(&mut self, lines: &[Vec<u8>]) -> io::Result<()> {
        for line in lines {
            let more = line.len() as u64;
            if self.length > 0 && self.length + more > self.config.bytes_max {
                self.close()?;
            }
            let file = match &mut self.file {
                Some(file) => file,
                empty => {
                    let file = open(&self.config.path)?;
                    self.length = file.metadata()?.len();
                    empty.insert(file)
                }
            };
            if let Err(error) = file.write_all(line) {
                // What is half there is closed by a line break at the next try.
                self.file = None;
                return Err(error);
            }
            self.length += more;
        }
        Ok(())
    }

    /// Keeps the file under a name with its time, and throws away what is too old or too much.
    fn close(&mut self) -> io::Result<()> {
        self.file = None;
        let path = &self.config.path;
        let now = cedge_tasks::clock::now();
        let stamp = now.strftime("%Y-%m-%dT%H-%M-%S%.9f");
        std::fs::rename(path, sibling(path, &format!("-{stamp}")))?;
        self.length = 0;
        for old in self.too_much()? {
            std::fs::remove_file(old)?;
        }
        Ok(())
    }

    fn too_much(&self) -> io::Result<Vec<PathBuf>> {
        let mut closed = closed(&self.config.path)?;
        // Names hold times: the newest is last.
        closed.sort();
        let kept = match self.config.files_max {
            0 => closed.len(),
            max => max,
        };
        let mut gone: Vec<PathBuf> = closed.drain(..closed.len().saturating_sub(kept)).collect();
        if let Some(age) = self.config.age_max {
            let old = |path: &PathBuf| {
                let modified = std::fs::metadata(path).and_then(|m| m.modified());
                let now: SystemTime = cedge_tasks::clock::now().into();
                modified.is_ok_and(|at| now.duration_since(at).is_ok_and(|d| d > age))
            };
            gone.extend(closed.into_iter().filter(old));
        }
        Ok(gone)
    }

    fn failed(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            let path = self.config.path.display();
            tracing::error!(%path, %error, "the audit log cannot be written; requests go on, events are lost");
        }
    }

    fn recovered(&mut self) {
        if std::mem::take(&mut self.failing) {
            let path = self.config.path.display();
            tracing::info!(%path, "the audit log is written again");
        }
    }
}

/// Opens the file for appending, for its owner only.
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir)?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// `audit.log` as `audit-2026-11-23T07-50-42.123456789.log`.
fn sibling(path: &Path, more: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let end = path
        .extension()
        .map(|e| format!(".{}", e.to_string_lossy()));
    path.with_file_name(format!("{stem}{more}{}", end.unwrap_or_default()))
}

/// The files that were closed before.
fn closed(path: &Path) -> io::Result<Vec<PathBuf>> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let head = format!(
        "{}-",
        path.file_stem().unwrap_or_default().to_string_lossy()
    );
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let stamped = name.strip_prefix(&head).is_some_and(|rest| {
            rest.len() > 10 && rest.as_bytes()[..4].iter().all(u8::is_ascii_digit)
        });
        if stamped {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::audit::AuditPolicy;

    fn log(path: &Path, bytes_max: u64, files_max: usize) -> Log {
        let policy = "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: []}";
        Log {
            config: AuditConfig {
                policy: Arc::new(AuditPolicy::read(policy).unwrap()),
                path: path.to_owned(),
                bytes_max,
                files_max,
                age_max: None,
            },
            file: None,
            length: 0,
            failing: false,
        }
    }

    #[test]
    fn a_large_file_is_closed_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/audit.log");
        let mut log = log(&path, 10, 2);
        for i in 0..6 {
            log.append(&[format!("line {i}\n").into_bytes()]).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "line 5\n");
        let mut closed = closed(&path).unwrap();
        closed.sort();
        let texts: Vec<String> = closed
            .iter()
            .map(|p| std::fs::read_to_string(p).unwrap())
            .collect();
        assert_eq!(texts, ["line 3\n", "line 4\n"]);
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_later_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file/audit.log");
        std::fs::write(dir.path().join("file"), "in the way").unwrap();
        let mut log = log(&path, 1000, 2);
        assert!(log.append(&[b"a\n".to_vec()]).is_err());
        std::fs::remove_file(dir.path().join("file")).unwrap();
        log.append(&[b"b\n".to_vec()]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"b\n");
    }
}
