//! The last status of each pod: reported upwards, and on our own disk for the next boot.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use k8s_openapi::api::core::v1::PodStatus;
use serde_json::json;

use crate::tables::Reports;

#[derive(Debug)]
pub(crate) struct Statuses {
    dir: PathBuf,
    table: Arc<dyn Reports>,
}

impl Statuses {
    pub(crate) fn open(data_dir: &Path, table: Arc<dyn Reports>) -> io::Result<Self> {
        let dir = data_dir.join("statuses");
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, table })
    }

    /// What was reported of a pod before this agent began.
    pub(crate) fn last(&self, uid: &str) -> Option<PodStatus> {
        let bytes = fs::read(self.file(uid)).ok()?;
        match serde_json::from_slice(&bytes) {
            Ok(status) => Some(status),
            Err(error) => {
                tracing::warn!(uid, %error, "the last status cannot be read");
                None
            }
        }
    }

    /// Durable before it is reported: a pod that was said to be over is never started again.
    pub(crate) async fn put(&self, key: &str, uid: &str, status: &PodStatus, terminated: bool) {
        if let Err(error) = self.store(uid, status) {
            tracing::warn!(key, %error, "the status is not stored");
        }
        let value = json!({ "status": status, "terminated": terminated });
        if let Err(error) = self.table.put(key, Bytes::from(value.to_string())).await {
            tracing::warn!(key, %error, "the status is not reported");
        }
    }

    /// The pod is gone, here and above.
    pub(crate) async fn forget(&self, key: &str, uid: &str) {
        let _ = fs::remove_file(self.file(uid));
        if let Err(error) = self.table.remove(key).await {
            tracing::warn!(key, %error, "the status is still reported");
        }
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.table.keys()
    }

    fn store(&self, uid: &str, status: &PodStatus) -> io::Result<()> {
        let (path, fresh) = (self.file(uid), self.dir.join(format!("{uid}.new")));
        let mut file = fs::File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(status)?)?;
        if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
            file.sync_all()?;
        }
        fs::rename(fresh, path)
    }

    fn file(&self, uid: &str) -> PathBuf {
        self.dir.join(format!("{uid}.json"))
    }
}
