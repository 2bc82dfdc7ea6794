//! Tables that are directories: a node without a cluster.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cedge_tasks::Shutdown;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use crate::{Change, Config, Error, Handover, NodeStream, Reports, TableError, Tables};

/// Files of a directory as a table; looked at ten times a second. A file that goes away is a removal.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    told: Mutex<BTreeMap<String, Bytes>>,
}

/// Runs a node called `lab` until the process is ended.
///
/// # Errors
/// See [`crate::run`].
pub async fn run(data: PathBuf, tables: PathBuf) -> Result<(), Error> {
    let folder = |name: &str| {
        Folder::open(tables.join(name))
            .map(Arc::new)
            .map_err(Error::Data)
    };
    let made = Tables {
        pods: folder("pods")?,
        objects: folder("objects")?,
        node: folder("node")?,
        podstatus: folder("podstatus")?,
        events: folder("events")?,
    };
    let socket = tables.join("node.sock");
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).map_err(Error::Data)?;
    let (to, streams) = mpsc::channel::<NodeStream>(16);
    cedge_tasks::spawn("lab/streams", async move {
        while let Ok((stream, _)) = listener.accept().await {
            if to.send(Box::new(stream)).await.is_err() {
                return;
            }
        }
    });
    crate::run(
        Config::new(data, "lab".into()),
        made,
        streams,
        Shutdown::never(),
    )
    .await
}

impl Folder {
    /// A table in this directory.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self {
            dir,
            told: Mutex::default(),
        })
    }

    fn read(&self) -> BTreeMap<String, Bytes> {
        let mut found = BTreeMap::new();
        let mut dirs = vec![self.dir.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    dirs.push(path);
                } else if let (Some(key), Ok(value)) = (self.key(&path), fs::read(&path)) {
                    found.insert(key, Bytes::from(value));
                }
            }
        }
        found
    }

    /// A name with a dot in front is a file that is still being written.
    fn key(&self, path: &Path) -> Option<String> {
        let hidden = path.file_name()?.to_str()?.starts_with('.');
        let key = path.strip_prefix(&self.dir).ok()?.to_str()?;
        (!hidden).then(|| key.to_owned())
    }

    fn next(&self) -> Option<Change> {
        let now = self.read();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let new = now
            .iter()
            .find(|(key, value)| told.get(*key) != Some(value));
        let change = match new {
            Some((key, value)) => (key.clone(), Some(value.clone())),
            None => (
                told.keys().find(|key| !now.contains_key(*key))?.clone(),
                None,
            ),
        };
        match &change.1 {
            Some(value) => told.insert(change.0.clone(), value.clone()),
            None => told.remove(&change.0),
        };
        Some(Change {
            key: change.0,
            version: 0,
            value: change.1,
        })
    }
}

impl Handover for Folder {
    fn keys(&self) -> Vec<String> {
        self.read().into_keys().collect()
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>, TableError> {
        Ok(self.read().remove(key))
    }

    fn next_change(&self) -> BoxFuture<'_, Change> {
        async move {
            loop {
                if let Some(change) = self.next() {
                    return change;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        .boxed()
    }

    fn done<'a>(&'a self, _: &'a str, _: u64) -> BoxFuture<'a, Result<(), TableError>> {
        futures::future::ready(Ok(())).boxed()
    }
}

impl Reports for Folder {
    fn keys(&self) -> Vec<String> {
        self.read().into_keys().collect()
    }

    fn put<'a>(&'a self, key: &'a str, value: Bytes) -> BoxFuture<'a, Result<(), TableError>> {
        let path = self.dir.join(key);
        let fresh = path.with_file_name(format!(
            ".{}",
            path.file_name().unwrap_or_default().to_string_lossy()
        ));
        let write = move || {
            fs::create_dir_all(path.parent().unwrap_or(&self.dir))?;
            fs::write(&fresh, &value)?;
            fs::rename(&fresh, &path)
        };
        let done = write().map_err(|e: io::Error| TableError::Store(e.to_string()));
        futures::future::ready(done).boxed()
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), TableError>> {
        let _ = fs::remove_file(self.dir.join(key));
        futures::future::ready(Ok(())).boxed()
    }
}
